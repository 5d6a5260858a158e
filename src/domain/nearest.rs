//! "Did you mean": the known name nearest to one that was typed.

/// The candidate nearest to `typed`, if one is near enough to be a slip of the fingers.
///
/// ```
/// use pointsman::domain::nearest::nearest;
/// assert_eq!(nearest("suport", ["billing", "support"]), Some("support"));
/// assert_eq!(nearest("zebra", ["billing", "support"]), None);
/// ```
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long input comes from strangers and the distance is quadratic.
    if typed.len() > 200 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(typed, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}
