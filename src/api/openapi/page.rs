//! placeholder
use serde_json::Value;
use std::sync::LazyLock;
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| "default-src 'none'".to_owned());
pub(super) fn page(_: &Value) -> String {
    String::new()
}
