//! Shapes of parameters: what a word of the query or a header may hold.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Any text.
pub fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// A text that is not empty.
pub fn word(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1 })
}

/// How many lines a page has: from 1 to `MOST`, `USUAL` unless one is given.
pub fn limit<const USUAL: usize, const MOST: usize>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL })
}

/// A key under which an answer is kept.
pub fn idempotency_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" })
}

/// An entity tag as `If-Match` has it: the digest of a draft in quotes, or `*`.
pub fn entity_tag(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^(\\*|\"sha256:[0-9a-f]{64}\")$" })
}

/// One of a list of words.
pub fn draft_state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["published", "changed", "unpublished", "no-folder"] })
}

/// A side of a comparison.
pub fn side(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^(draft|draft:.+|v?[1-9][0-9]{0,8}|env:[a-z0-9][a-z0-9_-]{0,39})$",
        "examples": ["draft", "v3", "env:live"],
    })
}

/// A form of a comparison.
pub fn diff_format(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["fields", "unified"], "default": "fields" })
}

/// `true` or `false`; the latter by default.
pub fn yes_or_no(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "boolean", "default": false })
}

/// A version by its number: `7` or `v7`.
pub fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^v?[1-9][0-9]{0,8}$", "examples": ["v7"] })
}

/// A number that is called.
pub fn called_number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "\\S", "examples": ["+442071234567"] })
}
