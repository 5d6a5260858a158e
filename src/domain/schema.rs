//! JSON schemas of the words: what a description of the API says of ids, names and numbers. Each holds the grammar of its
//! parser, so that a program which follows the schema is never told that a name is malformed.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::record::{Action, Cause};
use super::{AgentId, DeploymentId, Digest, EnvironmentName, ObjectId, VersionNumber, VersionTag};

/// One segment of an agent id, as [`AgentId`] reads it: no `v7`, no `..`, no end in `.`, `.lock` or `.json`.
macro_rules! segment {
    () => {
        r"(?!v[0-9]+(?:/|$))[a-z0-9](?:[a-z0-9_-]|\.(?!\.|/|$|lock(?:/|$)|json(?:/|$)))*"
    };
}

/// What an agent id looks like, and a tag of its versions behind it.
const AGENT: &str = concat!("^", segment!(), "(?:/(?!(?:evidence|rejected)(?:/|$))", segment!(), ")*$");
const TAG: &str = concat!("^", segment!(), "(?:/(?!(?:evidence|rejected)(?:/|$))", segment!(), ")*/v[1-9][0-9]{0,8}$");

macro_rules! schema {
    ($type:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

schema!(AgentId, "AgentId", {
    json_schema!({
        "description": "The id of an agent: the path of its folder, a leading `agents/` dropped. In a path of the API its slashes are percent-encoded.",
        "type": "string", "maxLength": super::agent_id::LONGEST, "pattern": AGENT, "examples": ["emea/support"],
    })
});
schema!(EnvironmentName, "EnvironmentName", {
    json_schema!({
        "description": "The name of an environment.",
        "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,39}$", "examples": ["live"],
    })
});
schema!(VersionNumber, "VersionNumber", {
    json_schema!({
        "description": "The number of a version; its tag says `v7`.",
        "type": "integer", "minimum": 1, "maximum": 999_999_999, "examples": [7],
    })
});
schema!(VersionTag, "VersionTag", {
    json_schema!({
        "description": "The name of a version's tag.",
        "type": "string", "pattern": TAG, "examples": ["emea/support/v7"],
    })
});
schema!(Digest, "Digest", {
    json_schema!({
        "description": "The sha256 of a frozen config.",
        "type": "string", "pattern": "^sha256:[0-9a-f]{64}$",
    })
});
schema!(ObjectId, "ObjectId", {
    json_schema!({ "description": "The id of a git object.", "type": "string", "pattern": "^[0-9a-f]{40}$" })
});
schema!(DeploymentId, "DeploymentId", {
    json_schema!({ "description": "One move in one environment.", "type": "string", "format": "uuid" })
});
schema!(Action, "Action", {
    json_schema!({ "description": "What was done.", "type": "string", "enum": Action::WORDS })
});
schema!(Cause, "Cause", {
    json_schema!({ "description": "What set it off.", "type": "string", "enum": Cause::WORDS })
});

#[cfg(test)]
mod tests {
    use super::*;

    fn fits<T: JsonSchema>(text: &str) -> bool {
        let schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        jsonschema::validator_for(&schema).unwrap().is_valid(&text.into())
    }

    #[test]
    fn a_schema_takes_what_the_parser_takes() {
        for text in [
            "support",
            "emea/support",
            "a.b",
            "v",
            "v7a",
            "a/v7",
            "v7",
            "v7/a",
            "a..b",
            "a.",
            "a.lock",
            "a.lock/b",
            "a.lockx",
            "evidence",
            "a/evidence",
            "a/rejected/b",
            "a/evidences",
            "",
            "A",
            "-a",
            "a/",
            "/a",
            "a//b",
            "a b",
            "a.json",
            "a.jsonx",
            "é",
            "a\n",
            "a_b-c",
            "0",
        ] {
            assert_eq!(fits::<AgentId>(text), text.parse::<AgentId>().is_ok(), "{text:?}");
            let tag = format!("{text}/v3");
            assert_eq!(fits::<VersionTag>(&tag), tag.parse::<VersionTag>().is_ok(), "{tag:?}");
        }
        for text in ["live", "pre-release", "", "Live", "a/b", "-a", "a_b", &"a".repeat(40), &"a".repeat(41), "a\n"] {
            assert_eq!(fits::<EnvironmentName>(text), text.parse::<EnvironmentName>().is_ok(), "{text:?}");
        }
        assert!(fits::<AgentId>(&"a".repeat(100)) && !fits::<AgentId>(&"a".repeat(101)));
        assert!(fits::<Action>("release-hold") && !fits::<Cause>("release-hold"));
    }
}
