//! TOML. Dates stay as they are written, as text: JSON has none.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::remark::{Remarks, SyntaxError};
use super::{DEEPEST, Entry, MOST_VALUES, Node, Value, number};

/// Reads `text`.
pub(super) fn parse(text: &str, remarks: &mut Remarks) -> Result<Node, SyntaxError> {
    // The parser builds everything before it can be asked for its size; every value needs one of these bytes.
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'=' | b'[' | b'{')).count();
    if values > MOST_VALUES {
        return Err(SyntaxError::new(0..0, format!("the file holds more than {MOST_VALUES} values")));
    }
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        if error.message().contains("recurs") {
            return SyntaxError::new(span, format!("values are nested more than {DEEPEST} deep"));
        }
        SyntaxError::new(span, error.message().trim_end_matches('.').replace('\n', ", "))
    })?;
    let span = table.span();
    Ok(Node { span: span.clone(), value: Value::Object(entries(table.into_inner(), text, 1, remarks)?) })
}

fn entries(table: DeTable<'_>, text: &str, depth: usize, remarks: &mut Remarks) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key_span = key.span();
        let node = convert(value, text, depth, remarks)?;
        entries.push(Entry { key: key.into_inner().into_owned(), key_span, node });
    }
    // The parser sorts by name; readers expect the order of the file.
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(entries)
}

fn convert(value: Spanned<DeValue<'_>>, text: &str, depth: usize, remarks: &mut Remarks) -> Result<Node, SyntaxError> {
    let span = value.span();
    if depth > DEEPEST {
        return Err(SyntaxError::new(span, format!("values are nested more than {DEEPEST} deep")));
    }
    let written = text.get(span.clone()).unwrap_or_default();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Integer(value) => {
            number::remark_on_spelling(written, span.clone(), remarks);
            let (negative, digits) = match value.as_str().strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, value.as_str().trim_start_matches('+')),
            };
            number::integer(written, negative, digits, value.radix(), span.clone(), remarks)
        }
        DeValue::Float(value) => number::float(written, value.as_str(), span.clone(), remarks),
        DeValue::Array(items) => {
            let items: Result<_, _> = items.into_iter().map(|item| convert(item, text, depth + 1, remarks)).collect();
            Value::Array(items?)
        }
        DeValue::Table(table) => Value::Object(entries(table, text, depth + 1, remarks)?),
    };
    Ok(Node { span, value })
}

#[cfg(test)]
mod tests {
    use super::super::{Format, parse};

    #[test]
    fn values_keep_order_and_place() {
        let text = "\u{feff}zeta = 1\r\nalpha = \"é\"\r\n[table]\r\nwhen = 2026-11-22T10:00:00Z\r\n";
        let document = parse(Format::Toml, text).unwrap();
        let keys: Vec<_> = document.root().entries().iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["zeta", "alpha", "table"]);
        assert_eq!(&text[document.root().get("alpha").unwrap().span.clone()], "\"é\"");
        assert_eq!(document.root().get("table").unwrap().get("when").unwrap().as_str(), Some("2026-11-22T10:00:00Z"));
    }

    #[test]
    fn errors_have_a_place() {
        for text in ["a = ", "a = 1\na = 2", "[a]\n[a]", "= 1", "a = \"x"] {
            let error = parse(Format::Toml, text).unwrap_err();
            assert!(!error.message.is_empty() && error.span.end <= text.len(), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn numbers_that_json_lacks_stay_text() {
        let document =
            parse(Format::Toml, "a = nan\nb = -inf\nc = 9_007_199_254_740_993\nd = 0xff\ne = 1_000.5").unwrap();
        let expected =
            serde_json::json!({"a": "nan", "b": "-inf", "c": "9_007_199_254_740_993", "d": 255, "e": 1000.5});
        assert_eq!(document.root().to_json(), expected);
        assert_eq!(document.remarks.len(), 3);
    }

    #[test]
    fn deep_nesting_is_refused() {
        for text in
            [format!("a = {}", "[".repeat(100_000)), format!("a = {}", "{a=".repeat(100_000)), "a.".repeat(100_000)]
        {
            assert!(parse(Format::Toml, &text).is_err());
        }
    }
}
