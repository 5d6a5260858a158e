//! Schemas as people read them: what kind of thing, and a table of its properties.

use serde_json::Value;

use super::html::{escape, prose};
use super::{entries, list, text};

/// How deep a type is named from within another.
const DEEPEST: usize = 6;

/// What `reference` points at, if it points anywhere.
pub(super) fn resolved<'d>(document: &'d Value, reference: &'d Value) -> &'d Value {
    let pointer = reference["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(reference)
}

/// What kind of thing fits, in a few words; a named type is a link.
pub(super) fn kind(schema: &Value) -> String {
    kind_at(schema, 0)
}

fn kind_at(schema: &Value, depth: usize) -> String {
    if depth > DEEPEST {
        return "…".to_owned();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|pointer| pointer.rsplit('/').next()) {
        let name = escape(name);
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    for words in ["anyOf", "oneOf"] {
        if schema[words].is_array() {
            let kinds: Vec<_> = list(&schema[words]).map(|one| kind_at(one, depth + 1)).collect();
            return kinds.join(" or ");
        }
    }
    if schema["enum"].is_array() {
        return list(&schema["enum"]).map(value).collect::<Vec<_>>().join(", ");
    }
    if !schema["const"].is_null() {
        return value(&schema["const"]);
    }
    let names: Vec<_> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return "anything".to_owned(),
    };
    names.into_iter().map(|name| of_type(name, schema, depth)).collect::<Vec<_>>().join(" or ")
}

fn of_type(name: &str, schema: &Value, depth: usize) -> String {
    match name {
        "array" => format!("list of {}", kind_at(&schema["items"], depth + 1)),
        "object" => {
            let by_pattern = entries(&schema["patternProperties"]).map(|(_, of)| of).next();
            match by_pattern.or_else(|| Some(&schema["additionalProperties"]).filter(|of| of.is_object())) {
                Some(of) => format!("map to {}", kind_at(of, depth + 1)),
                None => "object".to_owned(),
            }
        }
        "integer" | "number" => match (&schema["minimum"], &schema["maximum"]) {
            (Value::Number(least), Value::Number(most)) => format!("{} from {least} to {most}", escape(name)),
            _ => escape(name),
        },
        "string" => match schema["format"].as_str() {
            Some(format) => format!("string ({})", escape(format)),
            None => "string".to_owned(),
        },
        other => escape(other),
    }
}

fn value(value: &Value) -> String {
    format!("<code>{}</code>", escape(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

/// The properties of a schema; where it has none, what kind of thing it is.
pub(super) fn properties(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    let required: Vec<_> = list(&schema["required"]).map(text).collect();
    let rows: String = entries(&schema["properties"])
        .map(|(name, property)| {
            let must = if required.contains(&name.as_str()) { " class=\"must\"" } else { "" };
            let about = prose(text(&property["description"]));
            format!(
                "<tr><td><span{must}><code>{}</code></span></td><td>{}</td><td>{about}</td></tr>",
                escape(name),
                kind(property)
            )
        })
        .collect();
    let mut shown = if rows.is_empty() { format!("<p>{}</p>", kind(schema)) } else { format!("<table>{rows}</table>") };
    if !rows.is_empty() {
        for words in ["anyOf", "oneOf"] {
            let forms: Vec<_> = list(&schema[words]).map(|form| properties(document, form)).collect();
            shown.push_str(&forms.join("<p>or</p>"));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        shown.push_str(&format!("<p><code>{}</code></p>", escape(pattern)));
    }
    shown
}
