//! The keys of the Atoms API for which a native file has a place. A value that the native file would not take as it is
//! stays in `atoms.json`.

use serde_json::{Value, json};

/// One key in both.
pub(super) struct Leaf {
    /// Where the Atoms API has it.
    pub(super) atoms: &'static [&'static str],
    /// Where the frozen config has it; the first part is the section, and names the file.
    pub(super) native: &'static [&'static str],
    /// The native value, if it fits.
    pub(super) to_native: fn(&Value) -> Option<Value>,
    /// The value back.
    pub(super) to_atoms: fn(Value) -> Value,
}

const fn leaf(
    atoms: &'static [&'static str],
    native: &'static [&'static str],
    to_native: fn(&Value) -> Option<Value>,
) -> Leaf {
    Leaf { atoms, native, to_native, to_atoms: same }
}

/// All of them. A key that another one must stand beside comes after it.
pub(super) const LEAVES: &[Leaf] = &[
    leaf(&["firstMessage"], &["workflow_prompt", "greeting"], text),
    leaf(&["defaultVariables"], &["workflow_prompt", "variables"], texts),
    leaf(&["slmModel"], &["llm", "model"], text),
    leaf(&["synthesizer", "voiceConfig", "voiceId"], &["voice", "voice_id"], text),
    leaf(&["synthesizer", "voiceConfig", "model"], &["voice", "model"], text),
    leaf(&["synthesizer", "speed"], &["voice", "speed"], |value| number(value, 0.25, 4.0)),
    leaf(&["synthesizer", "similarity"], &["voice", "similarity"], |value| number(value, 0.0, 1.0)),
    leaf(&["synthesizer", "consistency"], &["voice", "stability"], |value| number(value, 0.0, 1.0)),
    leaf(&["transcriberType"], &["voice", "transcriber", "model"], text),
    leaf(&["language", "default"], &["language", "primary"], tag),
    leaf(&["language", "supported"], &["language", "supported"], tags),
    leaf(&["waitForUserToSpeakFirst"], &["call_handling", "caller_speaks_first"], truth),
    leaf(&["allowInterruptions"], &["detection", "interruptions", "enabled"], truth),
    leaf(&["smartTurnConfig", "isEnabled"], &["detection", "turn", "smart"], truth),
    leaf(&["denoisingConfig", "isEnabled"], &["audio", "denoise"], truth),
    Leaf {
        atoms: &["backgroundSound"],
        native: &["audio", "background"],
        to_native: |value| match value.as_str()? {
            "" => Some(json!("none")),
            sound @ ("office" | "cafe" | "call_center" | "static") => Some(json!(sound)),
            _ => None,
        },
        to_atoms: |value| if value == "none" { json!("") } else { value },
    },
    leaf(&["postCallAnalyticsConfig", "summaryPrompt"], &["analytics", "summary"], text),
];

fn same(value: Value) -> Value {
    value
}

fn text(value: &Value) -> Option<Value> {
    value.as_str().filter(|text| !text.is_empty()).map(|_| value.clone())
}

fn truth(value: &Value) -> Option<Value> {
    value.as_bool().map(Value::Bool)
}

fn number(value: &Value, least: f64, most: f64) -> Option<Value> {
    value.as_f64().filter(|number| (least..=most).contains(number)).map(|_| value.clone())
}

/// A table of texts that is not empty.
fn texts(value: &Value) -> Option<Value> {
    let entries = value.as_object().filter(|entries| !entries.is_empty())?;
    entries.values().all(Value::is_string).then(|| value.clone())
}

/// A language tag such as `en-GB`.
fn tag(value: &Value) -> Option<Value> {
    let mut parts = value.as_str()?.split('-');
    let letters = |part: &str| part.bytes().all(|c| c.is_ascii_alphabetic());
    let first = parts.next().is_some_and(|part| (2..=3).contains(&part.len()) && letters(part));
    let rest = parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric()));
    (first && rest).then(|| value.clone())
}

fn tags(value: &Value) -> Option<Value> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    list.iter().all(|item| tag(item).is_some()).then(|| value.clone())
}
