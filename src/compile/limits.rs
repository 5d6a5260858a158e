//! Sizes and kinds of files that an agent may hold, whatever its kind.
use super::{Finding, Source};
/// Past this a file is not even read: 10 MB.
pub const LARGEST_FILE: u64 = 10_000_000;
/// Past this many files reading stops.
pub const MOST_FILES: usize = 5_000;
/// Adds a finding for everything that breaks a limit.
pub fn check(_source: &Source, _findings: &mut Vec<Finding>) {}
