//! Two texts by words: what a reviewer of a prompt wants to see of a paragraph that is one long line.

use std::ops::Range;

use similar::DiffableStr;

use super::align::{Step, align};

/// Whether a piece of text is on both sides or on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LineKind")]
pub enum Part {
    /// On both sides.
    Equal,
    /// Before only.
    Delete,
    /// After only.
    Insert,
}

/// A piece of a text. The equal and deleted pieces together are the text before, the equal and inserted ones the
/// text after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Segment<'a> {
    /// Where it is.
    pub kind: Part,
    /// The piece; never empty.
    pub text: &'a str,
}

/// Beyond this many bytes in a replaced stretch, it is told by lines only.
const WORDS_UP_TO: usize = 200_000;

/// The pieces of two texts. Lines are aligned first, and words only where lines differ.
pub fn words<'a>(before: &'a str, after: &'a str) -> Vec<Segment<'a>> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let mut segments = Vec::new();
    let (mut old_at, mut new_at) = (0, 0);
    for step in align(&old, &new) {
        let (Step::Equal { before: b, after: a } | Step::Replace { before: b, after: a }) = &step;
        let old_end = old_at + bytes(&old[b.clone()]);
        let new_end = new_at + bytes(&new[a.clone()]);
        let (old_text, new_text) = (&before[old_at..old_end], &after[new_at..new_end]);
        match step {
            Step::Equal { .. } => push(&mut segments, Part::Equal, old_text),
            Step::Replace { .. } => replaced(&mut segments, old_text, new_text),
        }
        (old_at, new_at) = (old_end, new_end);
    }
    segments
}

/// How much of two lines is shared, in hundredths of the longer one; tells an edited line from another line.
pub fn likeness(segments: &[Segment<'_>]) -> usize {
    let of = |kind| segments.iter().filter(|part| part.kind == kind).map(|part| part.text.trim().len()).sum::<usize>();
    let (equal, deleted, inserted) = (of(Part::Equal), of(Part::Delete), of(Part::Insert));
    (equal * 100).checked_div(equal + deleted.max(inserted)).unwrap_or(100)
}

fn bytes(pieces: &[&str]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

fn replaced<'a>(segments: &mut Vec<Segment<'a>>, before: &'a str, after: &'a str) {
    if before.len() + after.len() > WORDS_UP_TO {
        push(segments, Part::Delete, before);
        push(segments, Part::Insert, after);
        return;
    }
    let old = before.tokenize_unicode_words();
    let new = after.tokenize_unicode_words();
    let (mut old_at, mut new_at) = (0, 0);
    for (b, a, same) in without_islands(align(&old, &new), &old) {
        let old_end = old_at + bytes(&old[b]);
        let new_end = new_at + bytes(&new[a]);
        if same {
            push(segments, Part::Equal, &before[old_at..old_end]);
        } else {
            push(segments, Part::Delete, &before[old_at..old_end]);
            push(segments, Part::Insert, &after[new_at..new_end]);
        }
        (old_at, new_at) = (old_end, new_end);
    }
}

/// A blank that two rewritten words have in common says nothing and makes the result hard to read, so it joins the
/// change around it.
fn without_islands(steps: Vec<Step>, old: &[&str]) -> Vec<(Range<usize>, Range<usize>, bool)> {
    let last = steps.len().saturating_sub(1);
    let mut joined: Vec<(Range<usize>, Range<usize>, bool)> = Vec::new();
    for (at, step) in steps.into_iter().enumerate() {
        let (before, after, same) = match step {
            Step::Equal { before, after } => {
                let island = at > 0
                    && at < last
                    && old[before.clone()].iter().all(|word| word.trim().is_empty() && !word.contains('\n'));
                (before, after, !island)
            }
            Step::Replace { before, after } => (before, after, false),
        };
        match joined.last_mut() {
            Some((b, a, false)) if !same => (b.end, a.end) = (before.end, after.end),
            _ => joined.push((before, after, same)),
        }
    }
    joined
}

fn push<'a>(segments: &mut Vec<Segment<'a>>, kind: Part, text: &'a str) {
    if !text.is_empty() {
        segments.push(Segment { kind, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(before: &str, after: &str) -> String {
        words(before, after)
            .iter()
            .map(|part| match part.kind {
                Part::Equal => part.text.to_owned(),
                Part::Delete => format!("[-{}-]", part.text),
                Part::Insert => format!("{{+{}+}}", part.text),
            })
            .collect()
    }

    #[test]
    fn one_word_of_a_prompt_is_told_apart() {
        assert_eq!(
            shown("Be brief.\nNever quote a price.\n", "Be brief.\nNever quote a fee.\n"),
            "Be brief.\nNever quote a [-price-]{+fee+}.\n"
        );
    }

    #[test]
    fn neighbouring_words_change_together() {
        assert_eq!(shown("say good morning now", "say hi there now"), "say [-good morning-]{+hi there+} now");
    }

    #[test]
    fn an_escaped_ampersand_is_a_change_of_the_text() {
        assert_eq!(shown("terms & conditions", "terms &amp; conditions"), "terms &{+amp;+} conditions");
    }

    proptest! {
        #[test]
        fn pieces_make_up_both_texts(before in "(?s)[a-c \\n.é]{0,60}", after in "(?s)[a-c \\n.é]{0,60}") {
            let of = |skipped| words(&before, &after).iter().filter(|part| part.kind != skipped)
                .map(|part| part.text).collect::<String>();
            prop_assert_eq!(of(Part::Insert), before.clone());
            prop_assert_eq!(of(Part::Delete), after.clone());
        }

        #[test]
        fn any_two_texts_are_compared_without_panic(before in any::<String>(), after in any::<String>()) {
            words(&before, &after);
        }
    }
}
