//! JSON Schemas of the sections, made from their structs, and the validators made from the schemas.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::section::{
    Agent, Analytics, Article, Audio, CallHandling, Detection, Graph, Guardrail, Language, Llm, Playbook, Privacy,
    Skill, Test, Timeouts, Voice, Widget,
};

/// A struct that is the shape of a file.
pub trait Section: DeserializeOwned + JsonSchema {
    /// The file name of its schema.
    const SCHEMA: &'static str;
}

/// A schema and what checks it.
pub struct Shape {
    /// The JSON Schema, draft 7: editors know it best, and a validator of it is made in half the time of a newer one's.
    pub schema: serde_json::Value,
    /// The same, compiled.
    pub validator: jsonschema::Validator,
}

macro_rules! sections {
    ($($section:ty => $file:literal,)*) => {
        $(impl Section for $section {
            const SCHEMA: &'static str = $file;
        })*

        /// Each is made when a file of its kind is first met.
        static SHAPES: LazyLock<BTreeMap<&'static str, LazyLock<Shape>>> =
            LazyLock::new(|| BTreeMap::from([$(($file, LazyLock::new(shape::<$section> as fn() -> Shape)),)*]));
    };
}

sections! {
    Agent => "agent.schema.json",
    Analytics => "analytics.schema.json",
    Article => "knowledge.schema.json",
    Audio => "audio.schema.json",
    CallHandling => "call_handling.schema.json",
    Detection => "detection.schema.json",
    Graph => "graph.schema.json",
    Guardrail => "guardrails.schema.json",
    Language => "language.schema.json",
    Llm => "llm.schema.json",
    Playbook => "playbooks.schema.json",
    Privacy => "privacy.schema.json",
    Skill => "skills.schema.json",
    Test => "tests.schema.json",
    Timeouts => "timeouts.schema.json",
    Voice => "voice.schema.json",
    Widget => "widget.schema.json",
}

fn shape<T: Section>() -> Shape {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(drop_empty_default));
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        let own = json!({"type": "string", "description": "Where editors find this schema; the compiler ignores it."});
        properties.insert("$schema".to_owned(), own);
    }
    let validator = jsonschema::validator_for(&schema).expect("a schema made from a struct is a valid schema");
    Shape { schema, validator }
}

/// That a field which may be left out is nothing by default goes without saying.
fn drop_empty_default(schema: &mut schemars::Schema) {
    let empty = |value: &serde_json::Value| *value == json!(null) || *value == json!([]) || *value == json!({});
    if schema.get("default").is_some_and(empty) {
        schema.remove("default");
    }
}

/// The shape of `T`.
pub fn of<T: Section>() -> &'static Shape {
    SHAPES.get(T::SCHEMA).expect("the macro above lists every section")
}

/// Every schema with the name of the file that `pointsman schema` writes it to, sorted by that name.
pub fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    SHAPES.iter().map(|(file, shape)| (*file, shape.schema.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every object that lists its properties, anywhere in `schema`.
    fn objects(schema: &serde_json::Value) -> Vec<&serde_json::Value> {
        let inner = match schema {
            serde_json::Value::Object(entries) => entries.values().flat_map(objects).collect(),
            serde_json::Value::Array(items) => items.iter().flat_map(objects).collect(),
            _ => Vec::new(),
        };
        let own = schema.get("properties").filter(|properties| properties.is_object()).map(|_| schema);
        own.into_iter().chain(inner).collect()
    }

    #[test]
    fn every_key_is_documented_and_unknown_ones_are_refused() {
        for (file, schema) in schemas() {
            for object in objects(&schema) {
                assert_eq!(object["additionalProperties"], false, "{file}: {object}");
                for (key, property) in object["properties"].as_object().unwrap() {
                    assert!(property["description"].is_string(), "{file}: `{key}` has no description");
                }
            }
        }
    }
}
