//! Numbers, kept only where every reader of the frozen config gets back what the author wrote.
//!
//! JSON readers hold numbers as IEEE doubles, and so does RFC 8785. An account number of twenty digits would change
//! on the way, so what does not fit stays text, and the author is told.

use std::ops::Range;

use super::Value;
use super::remark::{Remarks, shown};

/// The largest integer below which all others are doubles too: 2^53.
const LARGEST_EXACT: u64 = 1 << 53;

/// The integer written as `digits` in base `radix` (no sign, no prefix); `written` is how the file has it.
pub(super) fn integer(
    written: &str,
    negative: bool,
    digits: &str,
    radix: u32,
    span: Range<usize>,
    remarks: &mut Remarks,
) -> Value {
    let exact = u64::from_str_radix(digits, radix).ok().filter(|size| *size <= LARGEST_EXACT);
    match exact.and_then(|size| i64::try_from(size).ok()) {
        Some(size) => Value::Number(if negative { -size } else { size }.into()),
        None => kept_as_text(written, span, remarks),
    }
}

/// The number with a fraction or exponent written as `written`; Rust's grammar takes all that our formats allow.
pub(super) fn float(written: &str, digits: &str, span: Range<usize>, remarks: &mut Remarks) -> Value {
    let number = digits.parse::<f64>().ok();
    // `60.0` is 60 in JSON, and so it is for whoever wants a whole number.
    if let Some(whole) = number.filter(|number| number.fract() == 0.0 && number.abs() <= LARGEST_EXACT as f64) {
        return Value::Number((whole as i64).into());
    }
    match number.and_then(serde_json::Number::from_f64) {
        Some(number) => Value::Number(number),
        None => kept_as_text(written, span, remarks),
    }
}

fn kept_as_text(written: &str, span: Range<usize>, remarks: &mut Remarks) -> Value {
    let message = format!("`{}` is a number that would not survive in JSON, so it is kept as text", shown(written));
    remarks.push("inexact-number", span, message, "put quotes around it");
    Value::String(written.to_owned())
}

/// Remarks on a number whose spelling says that it is no number: `+44…` or `0123` lose a character.
pub(super) fn remark_on_spelling(written: &str, span: Range<usize>, remarks: &mut Remarks) {
    let digits = written.trim_start_matches(['+', '-']);
    let long = digits.len() >= 6 && digits.bytes().all(|c| c.is_ascii_digit());
    if written.starts_with('+') && long {
        let message = format!("`{}` without quotes is a number and loses its plus", shown(written));
        remarks.push("lost-plus", span, message, "put quotes around it");
    } else if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|c| c.is_ascii_digit()) {
        let message = format!("`{}` without quotes is a number and loses its leading zero", shown(written));
        remarks.push("lost-zero", span, message, "put quotes around it");
    }
}
