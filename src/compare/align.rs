//! Which elements of two sequences belong together: the one alignment that lines, words and lists all use.
//!
//! The cost is bounded by sizes alone. A deadline would be simpler, but then the same two versions could compare
//! differently on a busy machine, and a comparison is something people paste into reviews.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use similar::{Algorithm, DiffOp};

/// A stretch of both sequences, in order; together the steps cover both without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The same elements on both sides.
    Equal {
        /// Where they stand before.
        before: Range<usize>,
        /// Where they stand after; as long as `before`.
        after: Range<usize>,
    },
    /// Elements that gave way to others; one of the two may be empty.
    Replace {
        /// What went.
        before: Range<usize>,
        /// What came.
        after: Range<usize>,
    },
}

/// Up to this many elements on both sides together, a stretch is searched for the shortest script.
const SEARCHED: usize = 4_000;

/// The sum of squared stretch lengths that are searched; beyond it, stretches are replaced as a whole.
const BUDGET: usize = 64_000_000;

/// How often a stretch is cut at elements that occur once on both sides.
const CUTS: usize = 8;

/// Aligns two sequences.
pub fn align<T: Eq + Hash>(before: &[T], after: &[T]) -> Vec<Step> {
    let mut numbers: HashMap<&T, u32> = HashMap::new();
    let mut number = |element| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(element).or_insert(next)
    };
    let old: Vec<u32> = before.iter().map(&mut number).collect();
    let new: Vec<u32> = after.iter().map(&mut number).collect();
    let mut alignment = Alignment { old: &old, new: &new, budget: BUDGET, matches: Vec::new() };
    alignment.stretch(0..old.len(), 0..new.len(), CUTS);
    steps(&alignment.matches, old.len(), new.len())
}

/// Elements that match: start before, start after, how many.
type Match = (usize, usize, usize);

struct Alignment<'a> {
    old: &'a [u32],
    new: &'a [u32],
    budget: usize,
    matches: Vec<Match>,
}

impl Alignment<'_> {
    /// Finds the matches of one stretch, in order.
    fn stretch(&mut self, mut old: Range<usize>, mut new: Range<usize>, cuts: usize) {
        let (a, b) = (&self.old[old.clone()], &self.new[new.clone()]);
        let prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let suffix = a[prefix..].iter().rev().zip(b[prefix..].iter().rev()).take_while(|(a, b)| a == b).count();
        self.matches.push((old.start, new.start, prefix));
        (old.start, new.start) = (old.start + prefix, new.start + prefix);
        (old.end, new.end) = (old.end - suffix, new.end - suffix);
        if !old.is_empty() && !new.is_empty() {
            self.middle(old.clone(), new.clone(), cuts);
        }
        self.matches.push((old.end, new.end, suffix));
    }

    /// A stretch whose ends differ: searched where it is small, else cut at its landmarks.
    fn middle(&mut self, old: Range<usize>, new: Range<usize>, cuts: usize) {
        let size = old.len() + new.len();
        let cost = size.saturating_mul(size);
        if size <= SEARCHED && cost <= self.budget {
            self.budget -= cost;
            let script = similar::capture_diff_slices(Algorithm::Myers, &self.old[old.clone()], &self.new[new.clone()]);
            for op in script {
                if let DiffOp::Equal { old_index, new_index, len } = op {
                    self.matches.push((old.start + old_index, new.start + new_index, len));
                }
            }
            return;
        }
        if cuts == 0 {
            return;
        }
        let landmarks = landmarks(&self.old[old.clone()], &self.new[new.clone()]);
        if landmarks.is_empty() {
            return;
        }
        let (mut from_old, mut from_new) = (old.start, new.start);
        for (at_old, at_new) in landmarks {
            let (at_old, at_new) = (old.start + at_old, new.start + at_new);
            self.stretch(from_old..at_old, from_new..at_new, cuts - 1);
            self.matches.push((at_old, at_new, 1));
            (from_old, from_new) = (at_old + 1, at_new + 1);
        }
        self.stretch(from_old..old.end, from_new..new.end, cuts - 1);
    }
}

/// The longest run of elements that occur exactly once on each side and stand in the same order on both.
fn landmarks(old: &[u32], new: &[u32]) -> Vec<(usize, usize)> {
    let once = |side: &[u32]| {
        let mut seen: HashMap<u32, Option<usize>> = HashMap::new();
        for (at, element) in side.iter().enumerate() {
            seen.entry(*element).and_modify(|place| *place = None).or_insert(Some(at));
        }
        seen
    };
    let in_new = once(new);
    let mut pairs: Vec<(usize, usize)> = once(old)
        .into_iter()
        .filter_map(|(element, at)| Some((at?, in_new.get(&element).copied().flatten()?)))
        .collect();
    pairs.sort_unstable();
    longest_rising(&pairs)
}

/// The longest part of `pairs` (sorted by the first) in which the second rises too: patience sorting.
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut piles: Vec<usize> = Vec::new();
    let mut below: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (at, pair) in pairs.iter().enumerate() {
        let pile = piles.partition_point(|top| pairs[*top].1 < pair.1);
        below.push(pile.checked_sub(1).map(|left| piles[left]));
        match piles.get_mut(pile) {
            Some(top) => *top = at,
            None => piles.push(at),
        }
    }
    let mut run = Vec::with_capacity(piles.len());
    let mut next = piles.last().copied();
    while let Some(at) = next {
        run.push(pairs[at]);
        next = below[at];
    }
    run.reverse();
    run
}

/// Fills the room between matches.
fn steps(matches: &[Match], old_len: usize, new_len: usize) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut old, mut new) = (0, 0);
    for &(at_old, at_new, len) in matches.iter().chain([&(old_len, new_len, 0)]) {
        if old < at_old || new < at_new {
            steps.push(Step::Replace { before: old..at_old, after: new..at_new });
        }
        if len > 0 {
            match steps.last_mut() {
                Some(Step::Equal { before, after }) => (before.end, after.end) = (at_old + len, at_new + len),
                _ => steps.push(Step::Equal { before: at_old..at_old + len, after: at_new..at_new + len }),
            }
        }
        (old, new) = (at_old + len, at_new + len);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(before: &[u16], after: &[u16]) {
        let (mut old, mut new) = (0, 0);
        for step in align(before, after) {
            let (b, a) = match step {
                Step::Equal { before: b, after: a } => {
                    assert_eq!(before[b.clone()], after[a.clone()]);
                    assert!(!b.is_empty());
                    (b, a)
                }
                Step::Replace { before: b, after: a } => {
                    assert!(!b.is_empty() || !a.is_empty());
                    (b, a)
                }
            };
            assert_eq!((b.start, a.start), (old, new), "steps leave a gap");
            (old, new) = (b.end, a.end);
        }
        assert_eq!((old, new), (before.len(), after.len()));
    }

    proptest! {
        #[test]
        fn steps_cover_both_sides(
            before in prop::collection::vec(0u16..12, 0..60),
            after in prop::collection::vec(0u16..12, 0..60),
        ) {
            holds(&before, &after);
        }
    }

    #[test]
    fn a_long_text_with_edits_at_both_ends_keeps_its_middle() {
        let before: Vec<u32> = (0..200_000).collect();
        let mut after = before.clone();
        after[0] = 900_000;
        after[100_000] = 900_001;
        after[199_999] = 900_002;
        let equal: usize = align(&before, &after)
            .iter()
            .map(|step| if let Step::Equal { before, .. } = step { before.len() } else { 0 })
            .sum();
        assert_eq!(equal, 199_997);
    }

    #[test]
    fn two_long_texts_without_landmarks_end_quickly() {
        let before: Vec<u16> = (0..300_000u64).map(|at| (at * at % 7) as u16).collect();
        let after: Vec<u16> = (0..300_000u32).map(|at| (at * 3 % 5) as u16).collect();
        holds(&before, &after);
    }
}
