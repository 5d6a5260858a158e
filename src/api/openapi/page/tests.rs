use std::collections::BTreeSet;

use serde_json::json;

use super::*;

#[test]
fn the_page_loads_nothing_and_runs_nothing_but_its_own() {
    let page = page(&crate::api::document());
    for word in ["http://", "https://", "src=", "@import", "url(", " style=", " onclick", "javascript:"] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!((page.matches("<script").count(), page.matches("<style").count()), (1, 1));
    assert!(!POLICY.contains("unsafe"));
}

#[test]
fn every_link_within_the_page_leads_somewhere() {
    let page = page(&crate::api::document());
    let parts = |mark: &str| -> BTreeSet<String> {
        page.split(mark).skip(1).map(|part| part.split('"').next().unwrap().to_owned()).collect()
    };
    let (links, places) = (parts("href=\"#"), parts(" id=\""));
    assert!(links.len() > 60, "{}", links.len());
    assert_eq!(links.difference(&places).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn what_a_description_says_stays_text() {
    let bad = "</style><script>alert(1)</script>\" onload=\"x";
    let document = json!({
        "info": { "title": bad, "version": bad, "description": bad },
        "tags": [{ "name": bad, "description": bad }],
        "paths": { bad: { "get": {
            "operationId": bad, "tags": [bad], "summary": bad, "description": bad,
            "parameters": [{ "name": bad, "in": bad, "description": bad, "schema": { "enum": [bad] } }],
            "requestBody": { "content": { "application/json": { "schema": { "properties": { bad: { "type": bad } } } } } },
            "responses": { bad: { "description": bad, "headers": { bad: { "description": bad } }, "content": { bad: { "schema": { "$ref": bad } } } } },
        } } },
        "components": { "schemas": { bad: { "description": bad, "pattern": bad } }, "securitySchemes": { bad: { "description": bad } } },
    });
    let page = page(&document);
    assert!(!page.contains("<script>alert") && !page.contains("\" onload"), "{page}");
    assert_eq!(page.matches("<script").count(), 1);
}
