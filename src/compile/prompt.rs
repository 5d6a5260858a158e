//! What a frozen config says to a language model before anything else: the prompt that the rest of it stands around.

use serde_json::Value;

/// The prompt of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The instructions it speaks by, whole.
    pub system: String,
    /// What it says first, where that is written down.
    pub greeting: Option<String>,
}

/// What prompts are called, as files of text or as keys in files of other formats; the first that is there counts.
const NAMES: [&str; 6] = ["system_prompt", "system-prompt", "prompt", "persona", "instructions", "instruction"];

impl Prompt {
    /// The prompt of `config`; nothing where no text of it is one.
    pub fn of(config: &Value) -> Option<Self> {
        match config["kind"].as_str() {
            Some("native") => native(&config["workflow_prompt"]),
            Some("polyai") => polyai(&config["files"]),
            _ => other(config["files"].as_object()?),
        }
    }
}

/// A text that says something.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

fn native(prompt: &Value) -> Option<Prompt> {
    let greeting = text(&prompt["greeting"]).map(str::to_owned);
    Some(Prompt { system: text(&prompt["persona"])?.to_owned(), greeting })
}

/// Role, personality and rules, in the order in which PolyAI's own pages show them.
fn polyai(files: &Value) -> Option<Prompt> {
    let settings = |name: &str| &files[format!("agent_settings/{name}")];
    let role = &settings("role.yaml")["value"];
    let personality = &settings("personality.yaml")["value"];
    let adjectives = personality["adjectives"].as_object().into_iter().flatten();
    let chosen: Vec<&str> =
        adjectives.filter(|(_, chosen)| chosen.as_bool() == Some(true)).map(|(word, _)| word.as_str()).collect();
    let chosen = chosen.join(", ");
    let parts = [
        text(&settings("persona.txt")["text"]),
        // `other` means that the role is written in its own words.
        text(&role["value"]).filter(|value| *value != "other"),
        text(&role["custom"]),
        text(&role["additional_info"]),
        Some(chosen.as_str()).filter(|chosen| !chosen.is_empty()),
        text(&personality["custom"]),
        text(&settings("rules.txt")["text"]),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().map(str::trim).collect();
    let greetings = ["voice", "chat"].map(|channel| format!("{channel}/configuration.yaml"));
    let greeting = greetings.iter().find_map(|file| text(&files[file]["value"]["greeting"]["welcome_message"]));
    (!parts.is_empty()).then(|| Prompt { system: parts.join("\n\n"), greeting: greeting.map(str::to_owned) })
}

/// The file or the key at the top of a file that is called a prompt; else the only text there is.
fn other(files: &serde_json::Map<String, Value>) -> Option<Prompt> {
    let body =
        |file: &'_ Value| -> Option<String> { text(&file["text"]).or_else(|| text(&file["body"])).map(str::to_owned) };
    let stem = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.split('.').next().unwrap_or(name).to_ascii_lowercase()
    };
    let named = |name: &&str| files.iter().find_map(|(path, file)| body(file).filter(|_| stem(path) == **name));
    let keyed = |name: &&str| files.values().find_map(|file| text(&file["value"][*name]).map(str::to_owned));
    let only = || {
        let mut texts = files.values().filter_map(body);
        texts.next().filter(|_| texts.next().is_none())
    };
    let system = NAMES.iter().find_map(named).or_else(|| NAMES.iter().find_map(keyed)).or_else(only)?;
    Some(Prompt { system, greeting: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn system(config: &Value) -> Option<String> {
        Prompt::of(config).map(|prompt| prompt.system)
    }

    #[test]
    fn each_kind_of_folder_has_its_prompt() {
        let native = json!({ "kind": "native", "workflow_prompt": { "persona": "Be {{kind}}.\n", "greeting": "Hi" } });
        let prompt = Prompt::of(&native).unwrap();
        assert_eq!((prompt.system.as_str(), prompt.greeting.as_deref()), ("Be {{kind}}.\n", Some("Hi")));
        let polyai = json!({ "kind": "polyai", "files": {
            "agent_settings/role.yaml": { "value": { "value": "other", "custom": "Clerk", "additional_info": "" } },
            "agent_settings/personality.yaml": { "value": { "adjectives": { "Calm": true, "Loud": false } } },
            "agent_settings/rules.txt": { "text": "# Rules\n- One question at a time.\n" },
            "voice/configuration.yaml": { "value": { "greeting": { "welcome_message": "Hello" } } },
        } });
        let prompt = Prompt::of(&polyai).unwrap();
        assert_eq!(prompt.system, "Clerk\n\nCalm\n\n# Rules\n- One question at a time.");
        assert_eq!(prompt.greeting.as_deref(), Some("Hello"));
        let file = json!({ "kind": "rasa", "files": { "a.md": { "text": "x" }, "System_Prompt.md": { "body": "y" } } });
        assert_eq!(system(&file).as_deref(), Some("y"));
        let key = json!({ "kind": "plain", "files": { "bot.yaml": { "value": { "prompt": "z" } } } });
        assert_eq!(system(&key).as_deref(), Some("z"));
        assert_eq!(system(&json!({ "kind": "plain", "files": { "a": { "text": "only" } } })).as_deref(), Some("only"));
    }

    #[test]
    fn a_config_without_one_has_none() {
        let two = json!({ "kind": "plain", "files": { "a": { "text": "x" }, "b": { "text": "y" } } });
        for config in [json!({}), json!({ "kind": "native" }), json!({ "kind": "polyai", "files": {} }), two] {
            assert_eq!(system(&config), None, "{config}");
        }
    }
}
