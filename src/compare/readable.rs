//! A form of a JSON value made for reading line by line: keys sorted, one value a line, long texts unfolded.
//!
//! Whole agents live in files of one 30 KB line, and prompts in escaped strings of 17,000 characters. A diff of those
//! bytes is useless; a diff of this form is what a reviewer needs. It is always labelled, and never stored.

use serde_json::Value;

use super::fields::{DEEPEST, nested};

/// A line longer than this is not for reading.
pub const LONGEST_LINE: usize = 400;

/// Past this depth lines are indented no further, so that a deep file does not grow a hundredfold.
const DEEPEST_INDENT: usize = 12;

/// How many times JSON inside a text is opened.
const NESTED_TEXTS: usize = 3;

/// Whether a person cannot be expected to read `text` line by line.
pub fn is_unreadable(text: &str) -> bool {
    text.split('\n').any(|line| line.len() > LONGEST_LINE)
}

/// The readable form. Texts of several lines stand below their key as they are, indented, after a `|`.
pub fn readable(value: &Value) -> String {
    let mut form = Form { text: String::new() };
    form.value(value, 0, 0);
    form.text.push('\n');
    form.text
}

struct Form {
    text: String,
}

impl Form {
    fn value(&mut self, value: &Value, depth: usize, texts: usize) {
        match value {
            Value::Object(entries) if !entries.is_empty() && depth < DEEPEST => {
                self.text.push('{');
                for (key, value) in entries {
                    self.line(depth + 1);
                    self.text.push_str(&Value::from(key.as_str()).to_string());
                    self.text.push_str(": ");
                    self.value(value, depth + 1, texts);
                }
                self.line(depth);
                self.text.push('}');
            }
            Value::Array(elements) if !elements.is_empty() && depth < DEEPEST => {
                self.text.push('[');
                for value in elements {
                    self.line(depth + 1);
                    self.value(value, depth + 1, texts);
                }
                self.line(depth);
                self.text.push(']');
            }
            Value::String(text) => self.string(text, depth, texts),
            other => self.text.push_str(&other.to_string()),
        }
    }

    fn string(&mut self, text: &str, depth: usize, texts: usize) {
        if let Some(inner) = nested(text).filter(|_| texts < NESTED_TEXTS) {
            self.text.push_str("text that holds ");
            return self.value(&inner, depth, texts + 1);
        }
        if !text.contains('\n') {
            return self.text.push_str(&Value::from(text).to_string());
        }
        self.text.push('|');
        for line in text.split('\n') {
            self.line(depth + 1);
            self.text.push_str(line);
        }
    }

    fn line(&mut self, depth: usize) {
        self.text.push('\n');
        for _ in 0..depth.min(DEEPEST_INDENT) {
            self.text.push_str("  ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prompts_unfold_and_json_in_texts_opens() {
        let value = json!({"b": [1, {}], "a": {"prompt": "Be kind.\nBe \"brief\".\n"}, "c": "{\"x\":[true]}"});
        insta::assert_snapshot!(readable(&value), @r#"
        {
          "a": {
            "prompt": |
              Be kind.
              Be "brief".
              
          }
          "b": [
            1
            {}
          ]
          "c": text that holds {
            "x": [
              true
            ]
          }
        }
        "#);
    }
}
