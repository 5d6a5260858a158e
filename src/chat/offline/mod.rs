//! The offline responder: follows playbooks, graph, knowledge and guardrails by words, so that an agent can be tried and
//! tested on any machine, with the same result each time.
//!
//! It keeps nothing between messages: what was said before is gone through again, so that a conversation that is taken up
//! elsewhere goes on where it was.

mod conversation;
mod matching;

use super::{Agent, Said};
use conversation::Conversation;

/// What `agent` replies to the last of `heard`, which holds everything the caller said so far.
pub fn reply<'h>(agent: &Agent, heard: impl IntoIterator<Item = &'h str>) -> Said {
    let mut conversation = Conversation::new(agent);
    heard.into_iter().fold(Said::default(), |_, text| conversation.hear(text))
}

/// Which guardrails a reply breaks that somebody else wrote, by the phrases that must not be said.
pub(super) fn broken<'a>(agent: &'a Agent, reply: &str) -> impl Iterator<Item = &'a str> {
    let reply = matching::Heard::new(reply);
    let forbids = move |phrase: &String| reply.holds(phrase);
    let rules = agent.guardrails.iter().filter(|rule| rule.kind == "never_say");
    rules.filter(move |rule| rule.phrases.iter().any(&forbids)).map(|rule| rule.name.as_str())
}

#[cfg(test)]
mod tests;
