//! The native kind.
use super::{Finding, Source};
/// Compiles.
pub fn compile(_source: &Source, _findings: &mut Vec<Finding>) -> Option<serde_json::Value> {
    Some(serde_json::json!({}))
}
