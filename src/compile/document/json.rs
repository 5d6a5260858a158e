//! JSON, strictly as RFC 8259 has it.
//!
//! Two passes: `serde_json` walks the text without keeping anything and says whether it is JSON at all, how deep and
//! how much; only then does `jsonc-parser` build the tree with places, so its size is known beforehand.

use std::collections::HashSet;
use std::fmt;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::remark::{Remarks, SyntaxError, shown};
use super::{DEEPEST, Entry, MOST_VALUES, Node, Value, number, place};

const STRICT: jsonc_parser::ParseOptions = jsonc_parser::ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads `text`.
pub(super) fn parse(text: &str, remarks: &mut Remarks) -> Result<Node, SyntaxError> {
    if let Err(error) = serde_json::from_str::<Walked>(text) {
        return Err(explain(text, &error));
    }
    let parsed = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &STRICT);
    match parsed {
        Ok(parsed) => match parsed.value {
            Some(value) => convert(value, remarks),
            None => Err(SyntaxError::new(0..0, "the file is empty, which is not JSON").hint("write `{}`")),
        },
        Err(error) => Err(from_jsonc(&error)),
    }
}

/// Where the strict check failed, in the words of the parser that knows spans if it agrees that something is wrong.
fn explain(text: &str, error: &serde_json::Error) -> SyntaxError {
    if text.trim().is_empty() {
        return SyntaxError::new(0..0, "the file is empty, which is not JSON").hint("write `{}`");
    }
    let at = place::byte_of_line(text, error.line(), error.column());
    let span = at..text.ceil_char_boundary((at + 1).min(text.len()));
    let told = error.to_string();
    let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(message, _)| message);
    if told.starts_with("recursion limit") {
        return SyntaxError::new(span, format!("values are nested more than {DEEPEST} deep"));
    }
    if told == TOO_MANY {
        return SyntaxError::new(span, format!("the file holds more than {MOST_VALUES} values"));
    }
    match jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &STRICT) {
        Err(error) => from_jsonc(&error),
        Ok(_) => SyntaxError::new(span, told.to_owned()),
    }
}

fn from_jsonc(error: &jsonc_parser::errors::ParseError) -> SyntaxError {
    let range = error.range();
    let message = error.kind().to_string();
    let mut characters = message.trim_end_matches('.').chars();
    let message = characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or(message);
    SyntaxError::new(range.start..range.end, message)
}

/// The tree with places. Recursion is bounded: the walk before refused deep files.
fn convert(value: ast::Value<'_>, remarks: &mut Remarks) -> Result<Node, SyntaxError> {
    let span = value.range().start..value.range().end;
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::StringLit(literal) => Value::String(literal.value.into_owned()),
        ast::Value::NumberLit(literal) => {
            let (negative, digits) = match literal.value.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, literal.value),
            };
            if digits.bytes().all(|c| c.is_ascii_digit()) {
                number::integer(literal.value, negative, digits, 10, span.clone(), remarks)
            } else {
                number::float(literal.value, literal.value, span.clone(), remarks)
            }
        }
        ast::Value::Array(array) => {
            let items: Result<_, _> = array.elements.into_iter().map(|item| convert(item, remarks)).collect();
            Value::Array(items?)
        }
        ast::Value::Object(object) => {
            let mut seen = HashSet::new();
            let mut entries = Vec::with_capacity(object.properties.len());
            for property in object.properties {
                let range = property.name.range();
                let (key, key_span) = (property.name.into_string(), range.start..range.end);
                if !seen.insert(key.clone()) {
                    let message = format!("the key `{}` stands twice in this object", shown(&key));
                    return Err(SyntaxError::new(key_span, message).hint("remove one of them"));
                }
                entries.push(Entry { key, key_span, node: convert(property.value, remarks)? });
            }
            Value::Object(entries)
        }
    };
    Ok(Node { span, value })
}

const TOO_MANY: &str = "too many values";

/// A value that was walked through and not kept; holds how many values it was made of.
struct Walked(usize);

impl<'de> Deserialize<'de> for Walked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walker)
    }
}

struct Walker;

impl<'de> Visitor<'de> for Walker {
    type Value = Walked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Walked, E> {
        Ok(Walked(1))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Walked, E> {
        Ok(Walked(1))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Walked, E> {
        Ok(Walked(1))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Walked, E> {
        Ok(Walked(1))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Walked, E> {
        Ok(Walked(1))
    }

    fn visit_str<E>(self, _: &str) -> Result<Walked, E> {
        Ok(Walked(1))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Walked, A::Error> {
        let mut count = 1;
        while let Some(Walked(more)) = items.next_element()? {
            count += more;
            if count > MOST_VALUES {
                return Err(serde::de::Error::custom(TOO_MANY));
            }
        }
        Ok(Walked(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Walked, A::Error> {
        let mut count = 1;
        while let Some((Walked(_), Walked(more))) = entries.next_entry()? {
            count += more;
            if count > MOST_VALUES {
                return Err(serde::de::Error::custom(TOO_MANY));
            }
        }
        Ok(Walked(count))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, parse};
    use super::*;

    fn error(text: &str) -> SyntaxError {
        parse(Format::Json, text).unwrap_err()
    }

    #[test]
    fn values_know_their_bytes() {
        let text = "\u{feff}{\r\n  \"é\": [1, \"x\\u00e9\"]\r\n}";
        let document = parse(Format::Json, text).unwrap();
        let item = &document.root().get("é").unwrap().items()[1];
        assert_eq!((&text[item.span.clone()], item.as_str()), ("\"x\\u00e9\"", Some("xé")));
        assert_eq!(&text[document.root().entry("é").unwrap().key_span.clone()], "\"é\"");
    }

    #[test]
    fn whatever_is_not_json_is_refused_at_its_place() {
        for (text, at) in [
            ("{\"a\": 1,}", 7),
            ("{a: 1}", 1),
            ("// no\n{}", 0),
            ("{\"a\": 1 \"b\": 2}", 7),
            ("{\"a\": 1, \"a\": 2}", 9),
            ("[1, 2", 0),
            ("[01]", 1),
            ("{} {}", 3),
            ("[\"\\ud800\"]", 1),
            ("", 0),
            (" \n", 0),
        ] {
            let error = error(text);
            assert!(error.span.start.abs_diff(at) <= 2, "{text:?}: {error:?}");
        }
    }

    #[test]
    fn a_tab_inside_a_string_is_refused() {
        assert!(error("{\"a\": \"x\ty\"}").message.contains("control character"));
    }

    #[test]
    fn nesting_and_number_of_values_are_bounded() {
        assert!(error(&"[".repeat(100_000)).message.contains("128 deep"));
        assert!(error(&"{\"a\":".repeat(100_000)).message.contains("128 deep"));
        let many = format!("[{}1]", "1,".repeat(MOST_VALUES));
        assert!(error(&many).message.contains("500000 values"));
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert!(parse(Format::Json, &deep).is_ok());
    }

    #[test]
    fn numbers_that_a_double_cannot_hold_stay_text() {
        let document = parse(Format::Json, "[9007199254740992, 9007199254740993, 1.5e3, -7]").unwrap();
        assert_eq!(
            document.root().to_json(),
            serde_json::json!([9_007_199_254_740_992_u64, "9007199254740993", 1500, -7])
        );
        assert_eq!(document.remarks.len(), 1);
        assert_eq!(document.remarks[0].code, "inexact-number");
    }
}
