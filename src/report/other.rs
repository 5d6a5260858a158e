//! The facts of a folder whose format is not known: what can be told from names and texts alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::facts::{Facts, Number, Saying, SayingKind};
use super::{scan, web_address};

/// Keys that vendors keep a greeting under.
const GREETINGS: [&str; 9] = [
    "first_message",
    "firstmessage",
    "greeting",
    "welcome_message",
    "welcomemessage",
    "initial_message",
    "begin_message",
    "beginmessage",
    "greeting_message",
];

/// Keys that vendors keep a prompt under.
const PROMPTS: [&str; 13] = [
    "prompt",
    "instruction",
    "instructions",
    "system",
    "system_prompt",
    "systemprompt",
    "persona",
    "general_prompt",
    "system_message",
    "systemmessage",
    "prompt_template",
    "additional_instructions",
    "role_prompt",
];

/// Extensions of files that hold prose.
const PROSE: [&str; 6] = ["md", "markdown", "txt", "prompt", "j2", "jinja2"];

/// Words in the name of a text file that make it a prompt.
const PROMPT_FILES: [&str; 6] = ["prompt", "instruction", "persona", "system", "rules", "greeting"];

/// Keys under which an address is called rather than named.
const CALLED: [&str; 8] = ["url", "uri", "base_url", "baseurl", "server_url", "webhook_url", "endpoint", "address"];

/// Numbers kept of one folder.
const MOST_NUMBERS: usize = 2_000;

/// Reads what can be told of any frozen folder.
pub(super) fn facts(config: &Value) -> Facts {
    let mut facts = Facts::default();
    let mut numbers: BTreeSet<(String, String)> = BTreeSet::new();
    scan::file_texts(config, &mut |file, found| {
        // Rasa keeps what is said as `responses.<name>[].text`.
        let response = found.key == "text" && found.path.passes("responses");
        let kind = if response { Some(SayingKind::Say) } else { saying_kind(file, found.key) };
        if let Some(kind) = kind {
            facts.sayings.push(Saying::new(kind, format!("`{}`", found.path.show()), found.text));
        }
        scan::hosts(&mut facts, found, is_called(found.key));
        let mut place = None;
        for number in web_address::numbers_in(found.text).take(MOST_NUMBERS.saturating_sub(numbers.len())) {
            let place = place.get_or_insert_with(|| format!("`{}`", found.path.show()));
            numbers.insert((number.to_owned(), place.clone()));
        }
    });
    facts.sayings.retain(|saying| !saying.text.is_empty());
    facts.numbers = numbers.into_iter().map(|(number, name)| Number { number, name, when: None }).collect();
    facts
}

fn saying_kind(file: &str, key: &str) -> Option<SayingKind> {
    let key = key.to_ascii_lowercase();
    if GREETINGS.contains(&key.as_str()) {
        return Some(SayingKind::Greeting);
    }
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    let prose = name.rsplit_once('.').is_none_or(|(_, extension)| PROSE.contains(&extension));
    let prompt_file = key.is_empty() && prose && PROMPT_FILES.iter().any(|word| name.contains(word));
    (prompt_file || PROMPTS.contains(&key.as_str())).then_some(SayingKind::Prompt)
}

fn is_called(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    CALLED.contains(&key.as_str()) || key.ends_with("_url") || key.ends_with("_endpoint")
}
