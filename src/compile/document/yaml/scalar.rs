//! What a YAML scalar means: the core schema of YAML 1.2, in which `yes` and `12:30` are texts.

use std::ops::Range;

use saphyr_parser::{ScalarStyle, Tag};

use super::super::remark::{Remarks, shown};
use super::super::{Value, number};

/// The value of the scalar `text`.
pub(super) fn resolve(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: &Range<usize>,
    remarks: &mut Remarks,
) -> Value {
    let plain = match tag {
        None => style == ScalarStyle::Plain,
        Some(tag) if tag.is_yaml_core_schema() => matches!(tag.suffix.as_str(), "int" | "float" | "bool" | "null"),
        // `! 12` is YAML for "12 is a text".
        Some(tag) if tag.handle.is_empty() && matches!(tag.suffix.as_str(), "!" | "") => false,
        Some(tag) => {
            remark_on_tag(tag, span, remarks);
            false
        }
    };
    if plain { core_schema(text, span, remarks) } else { Value::String(text.to_owned()) }
}

/// Remarks on a tag that gives a value a meaning which only its own program knows.
pub(super) fn remark_on_tag(tag: &Tag, span: &Range<usize>, remarks: &mut Remarks) {
    if !tag.is_yaml_core_schema() && !tag.suffix.is_empty() && tag.suffix != "!" {
        let message = format!("the tag `{}` is not kept", shown(&tag.to_string()));
        remarks.push("yaml-tag", span.clone(), message, "write the value itself, without a tag");
    }
}

fn core_schema(text: &str, span: &Range<usize>, remarks: &mut Remarks) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return number::float(text, "nan", span.clone(), remarks),
        _ => {}
    }
    let (negative, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if matches!(size, ".inf" | ".Inf" | ".INF") {
        return number::float(text, "inf", span.clone(), remarks);
    }
    if is_digits(size) {
        number::remark_on_spelling(text, span.clone(), remarks);
        return number::integer(text, negative, size, 10, span.clone(), remarks);
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|digits| digits.bytes().all(|c| matches!(c, b'0'..=b'7')))
        && !digits.is_empty()
    {
        return number::integer(text, false, digits, 8, span.clone(), remarks);
    }
    if let Some(digits) = text.strip_prefix("0x").filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()))
        && !digits.is_empty()
    {
        return number::integer(text, false, digits, 16, span.clone(), remarks);
    }
    if is_float(size) { number::float(text, text, span.clone(), remarks) } else { Value::String(text.to_owned()) }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && (fraction.is_empty() || is_digits(fraction)),
        None => is_digits(mantissa),
    };
    mantissa && exponent.is_none_or(is_digits)
}
