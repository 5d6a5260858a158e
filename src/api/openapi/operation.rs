//! One operation of the description, from one line of a table.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::problems;
use crate::api::route::{Needs, Route};
use crate::describe::{Content, Parameter, Place, Told};
use crate::http::{Described, For};

/// What makes the schemas: what a body may hold and what an answer holds differ where a key may be left out.
pub(super) struct Schemas {
    pub(super) bodies: SchemaGenerator,
    pub(super) answers: SchemaGenerator,
}

/// An operation of the control API.
pub(super) fn of_route(route: &Route, surface: &str, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": id(surface, route.method, route.path),
        "tags": [tag(route.path)],
        "summary": route.summary,
        "description": about(route),
        "security": [{ "token": [scope(route.needs)] }],
        "parameters": parameters(route.path, route.takes, schemas),
    });
    if let Some(body) = route.body {
        operation["requestBody"] = json!({
            "required": body.required,
            "content": { "application/json": { "schema": (body.shape)(&mut schemas.bodies) } },
        });
    }
    let mut responses = answers(route.answers, schemas);
    responses.extend(problems::responses(route.refuses, problems::OF_ANY_CALL));
    operation["responses"] = Value::Object(responses);
    operation
}

/// An operation of the data plane.
pub(super) fn of_data(route: &Described, schemas: &mut Schemas) -> Value {
    let (tag, security) = match route.audience {
        For::Readers => ("Serving", json!([{ "readToken": [] }, {}])),
        For::Signer(header) => ("Webhooks", json!([{ header: [] }])),
        For::Anybody => ("Health", json!([])),
    };
    let tag = if matches!(route.path, "/status" | "/metrics") { "Health" } else { tag };
    let mut operation = json!({
        "operationId": id("live", route.method, route.path),
        "tags": [tag],
        "summary": route.summary,
        "security": security,
        "parameters": parameters(route.path, route.takes, schemas),
    });
    if !route.about.is_empty() {
        operation["description"] = json!(route.about);
    }
    if route.body {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": {} } } });
    }
    let mut responses = answers(route.answers, schemas);
    let readers: &[_] = if route.audience == For::Readers { problems::OF_READERS } else { &[] };
    let common = [problems::OF_ANY_READ, readers].concat();
    responses.extend(problems::responses(route.refuses, &common));
    operation["responses"] = Value::Object(responses);
    operation
}

/// `getAgentsDraft` for `GET /agents/{agent}/draft`, with what stands in braces at the end of its path kept apart.
fn id(surface: &str, method: &str, path: &str) -> String {
    let mut id = method.to_ascii_lowercase();
    let mut words = vec![surface];
    words.extend(path.split(['/', '-', '.', '_']));
    for word in words {
        let (word, by) = match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(name) => (name, "By"),
            None => (word, ""),
        };
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            id.push_str(by);
            id.extend(first.to_uppercase());
            id.push_str(letters.as_str());
        }
    }
    id
}

/// The chapter that a path belongs to.
fn tag(path: &str) -> &'static str {
    if path.contains("/versions") || path.ends_with("/publish") || path.ends_with("/diff") {
        "Versions"
    } else if ["/promote", "/rollback", "/retire", "/hold", "/release-hold", "/releases"]
        .iter()
        .any(|end| path.ends_with(end))
    {
        "Moves"
    } else if path.starts_with("/agents") {
        "Agents"
    } else if path.starts_with("/chat") || path.starts_with("/usage") {
        "Chat"
    } else {
        "Environments"
    }
}

fn scope(needs: Needs) -> &'static str {
    match needs {
        Needs::Read => "agents:read",
        Needs::Write => "agents:write",
        Needs::Chat => "chat:write",
        Needs::Deploy => "deploy:<environment>",
    }
}

fn about(route: &Route) -> String {
    let needs = format!("Needs the scope `{}`.", scope(route.needs));
    if route.about.is_empty() { needs } else { format!("{}\n\n{needs}", route.about) }
}

fn parameters(path: &str, takes: &[Parameter], schemas: &mut Schemas) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> = names.map(|name| of_path(name, schemas)).collect();
    for parameter in takes {
        parameters.push(json!({
            "name": parameter.name,
            "in": match parameter.place { Place::Query => "query", Place::Header => "header" },
            "description": parameter.about,
            "required": parameter.required,
            "schema": (parameter.shape)(&mut schemas.bodies),
        }));
    }
    parameters
}

/// What stands in braces in a path, by its name.
fn of_path(name: &str, schemas: &mut Schemas) -> Value {
    use crate::domain::{AgentId, DeploymentId, EnvironmentName};
    let (about, schema) = match name {
        "agent" => ("The agent; a slash of its id is written %2F.", schemas.bodies.subschema_for::<AgentId>()),
        "environment" => ("The environment.", schemas.bodies.subschema_for::<EnvironmentName>()),
        "a" => ("One environment.", schemas.bodies.subschema_for::<EnvironmentName>()),
        "b" => ("The other environment.", schemas.bodies.subschema_for::<EnvironmentName>()),
        "deployment" => ("The deployment.", schemas.bodies.subschema_for::<DeploymentId>()),
        "version" => ("The version: `7`, `v7` or its id.", version(&mut schemas.bodies)),
        _ => ("Its id.", schemars::json_schema!({ "type": "string", "minLength": 1 })),
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}

fn version(_: &mut SchemaGenerator) -> Schema {
    let pattern = "^(v?[1-9][0-9]{0,8}|[0-9a-f]{24})$";
    schemars::json_schema!({ "type": "string", "pattern": pattern, "examples": ["v7"] })
}

fn answers(told: &[Told], schemas: &mut Schemas) -> Map<String, Value> {
    let mut answers: Map<String, Value> = Map::new();
    for told in told {
        let answer = answer(told, schemas);
        match answers.get_mut(&told.status.to_string()) {
            // One answer in another form.
            Some(known) => {
                let forms = known["content"].as_object_mut().expect("an answer of two forms holds something");
                forms.extend(answer["content"].as_object().cloned().unwrap_or_default());
            }
            None => {
                answers.insert(told.status.to_string(), answer);
            }
        }
    }
    answers
}

fn answer(told: &Told, schemas: &mut Schemas) -> Value {
    let mut answer = json!({ "description": told.about });
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    match told.content {
        Content::Data(shape) => {
            let data = shape(&mut schemas.answers);
            let (success, required) = (json!({ "const": true }), ["success", "data"]);
            let properties = json!({ "success": success, "data": data });
            answer["content"] = json_of(json!({ "type": "object", "required": required, "properties": properties }));
        }
        Content::Plain(shape) => answer["content"] = json_of(shape(&mut schemas.answers).to_value()),
        Content::Events(shapes) => {
            let holds: Vec<_> = shapes.iter().map(|shape| shape(&mut schemas.answers)).collect();
            let holds = if let [only] = &holds[..] { json!(only) } else { json!({ "anyOf": holds }) };
            let data = json!({ "type": "string", "contentMediaType": "application/json", "contentSchema": holds });
            let text = json!({ "type": "string" });
            // OpenAPI 3.1 has no words for a stream; what is described is each of its events.
            let event = json!({ "type": "object", "properties": { "event": text, "id": text, "data": data } });
            answer["content"] = json!({ "text/event-stream": { "schema": event } });
        }
        Content::Text(kind) => answer["content"] = json!({ kind: { "schema": { "type": "string" } } }),
        Content::Nothing => {}
    }
    if !told.headers.is_empty() {
        let header = |(name, about): &(&str, &str)| {
            ((*name).to_owned(), json!({ "description": about, "schema": { "type": "string" } }))
        };
        answer["headers"] = Value::Object(told.headers.iter().map(header).collect());
    }
    answer
}
