//! What a message is about, by its words: the same on every machine, and a person can see why.

use std::collections::BTreeSet;

use crate::report::{is_small, words};

/// Words of instructions that say nothing about a topic.
const OF_INSTRUCTIONS: [&str; 32] = [
    "agent", "all", "anyth", "ask", "before", "but", "call", "caller", "each", "else", "first", "give", "has", "into",
    "mention", "name", "never", "not", "now", "number", "or", "person", "say", "somebody", "someth", "speak", "tell",
    "than", "them", "they", "want", "wish",
];

/// Words that are looked at in a message.
const MOST_WORDS: usize = 2_000;

/// A message as words.
pub(super) struct Heard {
    in_order: Vec<String>,
    all: BTreeSet<String>,
    pub(super) is_question: bool,
}

impl Heard {
    pub(super) fn new(text: &str) -> Self {
        let in_order: Vec<_> = words(text).take(MOST_WORDS).collect();
        let all = in_order.iter().cloned().collect();
        Heard { in_order, all, is_question: text.contains('?') }
    }

    /// Whether every word of `topic` is in it.
    pub(super) fn is_about(&self, topic: &str) -> bool {
        let mut sought = words(topic).peekable();
        sought.peek().is_some() && sought.all(|word| self.all.contains(&word))
    }

    /// Whether it holds the words of `phrase`, one after the other.
    pub(super) fn holds(&self, phrase: &str) -> bool {
        let sought: Vec<_> = words(phrase).collect();
        !sought.is_empty() && self.in_order.windows(sought.len()).any(|window| window == sought)
    }

    /// How many words that say something it shares with `text`.
    pub(super) fn shares(&self, text: &str) -> usize {
        let told: BTreeSet<_> = words(text)
            .filter(|word| !is_small(word) && !OF_INSTRUCTIONS.contains(&word.as_str()))
            .filter(|word| self.all.contains(word))
            .collect();
        told.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_in_any_order_and_phrases_word_for_word() {
        let heard = Heard::new("I would like to come in for a check-up, please put me through to a HUMAN!");
        assert!(heard.is_about("check-up") && heard.is_about("human") && !heard.is_about("cleaning"));
        assert!(heard.holds("put me through") && !heard.holds("me put through") && !heard.holds(" ... "));
        assert_eq!(heard.shares("The caller wants a check-up"), 2);
        assert!(!heard.is_about(""));
    }
}
