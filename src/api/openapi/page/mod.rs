//! The description as one page for people: no asset of its own or of others is loaded, and its style and script run only
//! because the policy names their hashes. Everything that it shows comes from the description and is escaped.

mod html;
mod schema;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::Digest as _;

use html::{escape, prose};
use schema::{kind, properties};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a browser may load for the page: its own style and script, by their hashes, and nothing else.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(sha2::Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// One operation, with where it is.
struct Call<'d> {
    path: &'d str,
    method: &'d str,
    operation: &'d Value,
}

impl Call<'_> {
    fn id(&self) -> &str {
        text(&self.operation["operationId"])
    }

    fn tag(&self) -> &str {
        text(&self.operation["tags"][0])
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The page of `document`.
pub(super) fn page(document: &Value) -> String {
    let calls: Vec<_> = entries(&document["paths"])
        .flat_map(|(path, item)| entries(item).map(move |(method, operation)| Call { path, method, operation }))
        .collect();
    let info = &document["info"];
    let mut contents = String::new();
    let mut chapters = String::new();
    for tag in list(&document["tags"]) {
        let name = text(&tag["name"]);
        let of_chapter = || calls.iter().filter(|call| call.tag() == name);
        contents.push_str(&format!("<div data-chapter><h2>{}</h2><ul>", escape(name)));
        of_chapter().for_each(|call| contents.push_str(&entry(call)));
        contents.push_str("</ul></div>");
        let about = prose(text(&tag["description"]));
        chapters.push_str(&format!("<section data-chapter id=\"{0}\"><h2>{0}</h2>{about}", escape(name)));
        of_chapter().for_each(|call| chapters.push_str(&one(document, call)));
        chapters.push_str("</section>");
    }
    let types: String = entries(&document["components"]["schemas"]).map(|(name, schema)| named(name, schema)).collect();
    let ways: String = entries(&document["components"]["securitySchemes"])
        .map(|(name, way)| row(&format!("<code>{}</code>", escape(name)), "", &prose(text(&way["description"]))))
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><style>{STYLE}</style></head><body><a class=\"skip\" href=\"#main\">To the calls</a><div class=\"frame\">\
         <nav aria-label=\"Calls\"><div class=\"name\">{title}<span class=\"version\">{version}</span></div>\
         <input id=\"search\" type=\"search\" placeholder=\"Search calls  ( / )\" aria-label=\"Search calls\" autocomplete=\"off\">\
         <div id=\"none\" class=\"none hidden\">No call fits.</div><div class=\"list\">{contents}\
         <div data-chapter><h2>More</h2><ul><li data-search=\"types schemas\"><a href=\"#types\">Types</a></li>\
         <li data-search=\"tokens security\"><a href=\"#tokens\">Tokens</a></li>\
         <li data-search=\"openapi json\"><a href=\"/openapi.json\">openapi.json</a></li></ul></div></div></nav>\
         <main id=\"main\"><header><h1>{title} API</h1>{about}</header>{chapters}\
         <section id=\"tokens\"><h2>Tokens</h2><div class=\"type\"><table>{ways}</table></div></section>\
         <section id=\"types\"><h2>Types</h2><p>What bodies and answers are made of. <span class=\"must\"></span> marks what is always there.</p>{types}</section>\
         </main></div><script>{SCRIPT}</script></body></html>\n",
        title = escape(text(&info["title"])),
        version = escape(text(&info["version"])),
        about = prose(text(&info["description"])),
    )
}

/// What the search looks through.
fn words(call: &Call) -> String {
    let operation = call.operation;
    let all = [call.method, call.path, text(&operation["summary"]), text(&operation["description"]), call.id()];
    escape(&all.join(" ").to_lowercase())
}

fn verb(method: &str) -> String {
    format!("<span class=\"verb {0}\">{1}</span>", escape(method), escape(&method.to_uppercase()))
}

fn entry(call: &Call) -> String {
    let (id, summary) = (escape(call.id()), escape(text(&call.operation["summary"])));
    format!(
        "<li data-search=\"{}\"><a href=\"#{id}\">{}<span>{summary}</span></a></li>",
        words(call),
        verb(call.method)
    )
}

fn one(document: &Value, call: &Call) -> String {
    let operation = call.operation;
    let mut inside = prose(text(&operation["description"]));
    inside.push_str(&format!("<pre><code>{}</code></pre>", escape(&example(call))));
    let parameters: String = list(&operation["parameters"]).map(parameter).collect();
    if !parameters.is_empty() {
        inside.push_str(&format!("<h3>Parameters</h3><table>{parameters}</table>"));
    }
    let body = &operation["requestBody"];
    if body.is_object() {
        let optional = if body["required"] == true { "" } else { " (may be left out)" };
        let schema = &body["content"]["application/json"]["schema"];
        inside.push_str(&format!("<h3>Body{optional}</h3>{}", properties(document, schema)));
    }
    inside.push_str("<h3>Answers</h3><table>");
    entries(&operation["responses"])
        .for_each(|(status, response)| inside.push_str(&answer(document, status, response)));
    inside.push_str("</table>");
    format!(
        "<details class=\"call\" id=\"{}\" data-search=\"{}\"><summary>{}<span class=\"path\">{}</span><span class=\"what\">{}</span></summary><div class=\"inside\">{inside}</div></details>",
        escape(call.id()),
        words(call),
        verb(call.method),
        escape(call.path),
        escape(text(&operation["summary"])),
    )
}

/// A line for a shell.
fn example(call: &Call) -> String {
    let mut line = String::from("curl");
    let method = call.method.to_uppercase();
    if method != "GET" {
        line.push_str(&format!(" -X {method}"));
    }
    if call.operation["security"][0]["token"].is_array() {
        line.push_str(" -H \"Authorization: Bearer $POINTSMAN_TOKEN\"");
    }
    if call.operation["requestBody"]["required"] == true {
        line.push_str(" \\\n  -H 'Content-Type: application/json' -d '{…}'");
    }
    let needed = list(&call.operation["parameters"]).filter(|it| it["in"] == "query" && it["required"] == true);
    let query: Vec<_> = needed.map(|it| format!("{}=…", text(&it["name"]))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("{line} \\\n  \"$POINTSMAN_SERVER{}{query}\"", call.path)
}

fn row(first: &str, second: &str, third: &str) -> String {
    format!("<tr><td>{first}</td><td>{second}</td><td>{third}</td></tr>")
}

fn parameter(parameter: &Value) -> String {
    let must = if parameter["required"] == true { " class=\"must\"" } else { "" };
    let name = format!("<span{must}><code>{}</code></span>", escape(text(&parameter["name"])));
    let place = format!("{}, {}", escape(text(&parameter["in"])), kind(&parameter["schema"]));
    row(&name, &place, &prose(text(&parameter["description"])))
}

fn answer(document: &Value, status: &str, response: &Value) -> String {
    let response = schema::resolved(document, response);
    let class = if status.starts_with(['2', '3']) { "ok" } else { "no" };
    let holds: Vec<_> = entries(&response["content"])
        .map(|(media, content)| {
            let schema = &content["schema"];
            let data = &schema["properties"]["data"];
            let shown = if data["contentSchema"].is_object() {
                &data["contentSchema"]
            } else if data.is_object() {
                data
            } else {
                schema
            };
            format!("{}<br><span>{}</span>", kind(shown), escape(media))
        })
        .collect();
    let mut about = prose(text(&response["description"]));
    for (name, header) in entries(&response["headers"]) {
        about.push_str(&format!("<p><code>{}</code>: {}</p>", escape(name), escape(text(&header["description"]))));
    }
    row(&format!("<span class=\"status {class}\">{}</span>", escape(status)), &holds.join("<br>"), &about)
}

fn named(name: &str, schema: &Value) -> String {
    let about = prose(text(&schema["description"]));
    let shown = properties(&Value::Null, schema);
    format!("<div class=\"type\" id=\"type-{0}\"><h3>{0}</h3>{about}{shown}</div>", escape(name))
}

#[cfg(test)]
mod tests;
