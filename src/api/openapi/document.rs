//! The whole description.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Schemas, of_data, of_route};
use super::problems;
use crate::api::surface::SURFACES;

const ABOUT: &str = "\
Pointsman is a GitOps controller for AI voice and chat agents. Agent configs live in git: the working tree is the draft, \
an annotated tag `support/v7` is a published version, and a branch `env/live` says what is live. Everything that is done \
here is a commit or a tag that anybody can check with plain git.

What worked answers `{\"success\": true, \"data\": …}`, and a call that moved something answers once what it moved is \
served. What did not is `application/problem+json` with a `code`, one sentence in `detail` and a `hint` to act on. Every call \
can be repeated: without a key it is idempotent by what it asks for, with an `Idempotency-Key` it answers the same again.

A call may name only what is described here; a word of the query that is not, is refused.";

const CHAPTERS: &[(&str, &str)] = &[
    ("Agents", "Agents and their drafts."),
    ("Versions", "Freezing drafts, and what was frozen."),
    ("Moves", "Moving versions between environments."),
    ("Environments", "What is where, and who moved it."),
    ("Chat", "Talking to agents."),
    ("Serving", "What calls and chats are served. It is read from memory and never waits for git."),
    ("Health", "How the controller is doing."),
    ("Webhooks", "Forges that say that something was pushed."),
];

/// The description as OpenAPI 3.1.
pub fn document() -> Value {
    let generator = |settings: SchemaSettings| {
        settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator()
    };
    let mut schemas = Schemas {
        bodies: generator(SchemaSettings::draft2020_12().for_deserialize()),
        answers: generator(SchemaSettings::draft2020_12().for_serialize()),
    };
    let mut paths = Map::new();
    let mut add = |path: String, method: &str, operation: Value| {
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method.to_ascii_lowercase()] = operation;
    };
    for surface in SURFACES {
        let name = if surface.name == "native" { "" } else { surface.name };
        for route in surface.routes.iter().filter(|route| route.is_described()) {
            add(format!("{}{}", surface.prefix, route.path), route.method, of_route(route, name, &mut schemas));
        }
    }
    for route in crate::http::ROUTES {
        add(route.path.to_owned(), route.method, of_data(route, &mut schemas));
    }
    let used = |tag: &str| {
        paths.values().flat_map(|item| item.as_object().into_iter().flatten()).any(|(_, it)| it["tags"][0] == tag)
    };
    let tags: Vec<_> = CHAPTERS
        .iter()
        .filter(|(name, _)| used(name))
        .map(|(name, about)| json!({ "name": name, "description": about }))
        .collect();
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Pointsman",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This controller." }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": definitions(schemas),
            "responses": problems::shared(),
            "securitySchemes": security(),
        },
    })
}

/// What bodies and answers refer to. A type that is in both must look the same in both.
fn definitions(mut schemas: Schemas) -> Map<String, Value> {
    let mut all = schemas.answers.take_definitions(true);
    for (name, schema) in schemas.bodies.take_definitions(true) {
        let known = all.insert(name.clone(), schema.clone());
        assert!(known.is_none_or(|known| known == schema), "`{name}` is read and written in two forms");
    }
    all.insert("Problem".to_owned(), problems::schema());
    all
}

fn security() -> Value {
    let bearer = |about: &str| json!({ "type": "http", "scheme": "bearer", "description": about });
    let header =
        |name: &str, about: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": about });
    json!({
        "token": bearer("A token that `pointsman token create` makes. The scopes that a call needs stand beside it; each may be limited to an agent or a group, as in `deploy:live@emea/*`."),
        "readToken": bearer("A read token of the operator's file. Where there is none, callers on the same machine need none."),
        "X-Hub-Signature-256": header("X-Hub-Signature-256", "GitHub: `sha256=` and the HMAC-SHA256 of the body."),
        "X-Gitlab-Token": header("X-Gitlab-Token", "GitLab: the token itself."),
        "X-Gitea-Signature": header("X-Gitea-Signature", "Gitea and Forgejo: the HMAC-SHA256 of the body."),
    })
}
