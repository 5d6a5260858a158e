//! The bound on what aliases expand to: nine lines of YAML can stand for a billion values.

use super::super::{Node, Value};

/// What copies of anchored values may cost. It grows with the file, so that many small bombs in one agent stay as
/// harmless as one.
pub(super) struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Budget {
    pub(super) fn for_file_of(length: usize) -> Self {
        Budget { nodes: (1_000 + length / 4).min(200_000), bytes: (16_000 + 4 * length).min(20_000_000) }
    }

    /// Takes the cost of copying `node` off the budget and returns how deep it is; `None` when too little is left.
    pub(super) fn charge(&mut self, node: &Node) -> Option<usize> {
        self.nodes = self.nodes.checked_sub(1)?;
        match &node.value {
            Value::String(text) => {
                self.bytes = self.bytes.checked_sub(text.len())?;
                Some(1)
            }
            Value::Array(items) => {
                let mut deepest = 0;
                for item in items {
                    deepest = deepest.max(self.charge(item)?);
                }
                Some(1 + deepest)
            }
            Value::Object(entries) => {
                let mut deepest = 0;
                for entry in entries {
                    self.bytes = self.bytes.checked_sub(entry.key.len())?;
                    deepest = deepest.max(self.charge(&entry.node)?);
                }
                Some(1 + deepest)
            }
            _ => Some(1),
        }
    }
}
