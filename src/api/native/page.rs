//! Pages of lists, and the numbers that ask for them.

use crate::api::call::Call;
use crate::ops::Problem;

/// How long a page is: what `?limit=` says, from 1 to `MOST`, else `USUAL`.
pub(super) fn limit<const USUAL: usize, const MOST: usize>(call: &Call) -> Result<usize, Problem> {
    match call.query.get("limit").map(|text| text.parse::<usize>()) {
        None => Ok(USUAL),
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::usage("bad_request", format!("`limit` is a number from 1 to {MOST}"))
            .hint(format!("?limit={USUAL}"))),
    }
}

/// The first `limit` of `rest`, and whether there are more.
pub(super) fn cut<T>(rest: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    let mut rest = rest.peekable();
    let page = rest.by_ref().take(limit).collect();
    (page, rest.peek().is_some())
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_page_says_whether_there_is_another() {
        assert_eq!(cut(0..3, 2), (vec![0, 1], true));
        assert_eq!(cut(0..2, 2), (vec![0, 1], false));
        assert_eq!(cut(0..0, 2), (vec![], false));
    }
}
