//! One conversation, message by message. The order of what is looked at: a person took over, a rule applies, a question
//! has an answer, a playbook is under way, one begins, the graph leads on.

use super::matching::Heard;
use crate::chat::agent::{Agent, Graph, Guardrail, Known, Node, Playbook};
use crate::chat::said::Said;

/// What is said where nothing else is.
pub(super) const NO_ANSWER: &str = "I have no answer to that.";

/// What is said when a person is to take over.
pub(super) const HANDOFF: &str = "I am handing you over to a person.";

/// What is said in place of words that a rule forbids.
pub(super) const WITHHELD: &str = "I may not say that.";

/// Characters of an article that are said; the rest is cut at a paragraph.
const SAID_OF_ARTICLE: usize = 1_200;

/// How many words a condition must share with what was said, where no topic decides.
const ENOUGH_WORDS: usize = 2;

/// Where a conversation stands.
pub(super) struct Conversation<'a> {
    agent: &'a Agent,
    handed_over: bool,
    /// The playbook under way and the step that waits for an answer.
    playbook: Option<(&'a Playbook, usize)>,
    /// Where it stands in the graph.
    node: Option<&'a Node>,
    began: bool,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(agent: &'a Agent) -> Self {
        Conversation { agent, handed_over: false, playbook: None, node: None, began: false }
    }

    /// The reply to `text`.
    pub(super) fn hear(&mut self, text: &str) -> Said {
        let heard = Heard::new(text);
        let mut said = Said::default();
        if !self.handed_over && !self.follow_rules(&heard, &mut said) {
            self.go_on(text, &heard, &mut said);
        }
        if !std::mem::replace(&mut self.began, true) {
            self.say_what_is_always_said(&mut said);
        }
        if self.handed_over {
            said.handoff = true;
            said.say(HANDOFF);
        }
        if said.content.is_empty() {
            said.say(NO_ANSWER);
        }
        self.withhold(&mut said);
        said
    }

    /// Whether a rule says all there is to say.
    fn follow_rules(&mut self, heard: &Heard, said: &mut Said) -> bool {
        let agent = self.agent;
        let mut done = false;
        for rule in &agent.guardrails {
            let topic = rule.topics.iter().find(|topic| heard.is_about(topic));
            let applies = match rule.kind.as_str() {
                "handoff" => topic.is_some() || rule.phrases.iter().any(|phrase| heard.holds(phrase)),
                "always_say" => topic.is_some() || is_limited(rule) && heard.shares(&rule.rule) >= ENOUGH_WORDS,
                "banned_topic" | "never_say" | "privacy" => topic.is_some(),
                _ => false,
            };
            if !applies {
                continue;
            }
            Said::note(&mut said.guardrails, &rule.name);
            if rule.kind == "handoff" || rule.action == "handoff" {
                self.handed_over = true;
                return true;
            }
            if rule.kind == "always_say" {
                say_rule(rule, said);
                done |= rule.action == "block";
            } else if rule.action != "warn" {
                said.say(&format!("I cannot talk about {}.", topic.map_or("that", String::as_str)));
                done = true;
            }
            if done {
                return true;
            }
        }
        false
    }

    /// What must be said whatever the topic, once.
    fn say_what_is_always_said(&self, said: &mut Said) {
        for rule in self.agent.guardrails.iter().filter(|rule| rule.kind == "always_say" && !is_limited(rule)) {
            Said::note(&mut said.guardrails, &rule.name);
            say_rule(rule, said);
        }
    }

    fn go_on(&mut self, text: &str, heard: &Heard, said: &mut Said) {
        let known = self.agent.answer(text);
        if let Some(known) = known.filter(|_| heard.is_question) {
            say_article(known, said);
            // What was asked before is still open.
            if let Some((playbook, step)) = self.playbook {
                said.say(playbook.steps[step].ask.as_deref().unwrap_or_default());
            }
            return;
        }
        match self.playbook.take() {
            Some((playbook, step)) => self.run(playbook, step, true, said),
            None => match self.set_off(heard) {
                Some(playbook) => self.run(playbook, 0, false, said),
                None => match (known, &self.agent.graph) {
                    (_, Some(graph)) => self.walk(graph, heard, said),
                    (Some(known), None) => say_article(known, said),
                    // What is not a native agent has no playbooks to follow: its instructions are all there is.
                    (None, None) if self.agent.playbooks.is_empty() && self.agent.articles.is_empty() => {
                        said.say(&format!("I am {}. {}", self.agent.name, first_lines(&self.agent.persona)));
                    }
                    (None, None) => {}
                },
            },
        }
    }

    /// The playbook that the message sets off: by topics first, by words of its condition where none decides and no
    /// graph leads.
    fn set_off(&self, heard: &Heard) -> Option<&'a Playbook> {
        let score = |playbook: &Playbook| {
            let topics = playbook.topics.iter().filter(|topic| heard.is_about(topic)).count();
            let shared = heard.shares(&playbook.when);
            if topics > 0 || self.agent.graph.is_none() && shared >= ENOUGH_WORDS { topics * 3 + shared } else { 0 }
        };
        let all =
            self.agent.playbooks.iter().map(|playbook| (score(playbook), playbook)).filter(|(score, _)| *score > 0);
        all.rev().max_by_key(|(score, _)| *score).map(|(_, playbook)| playbook)
    }

    /// Goes through the steps from `first` on until one asks. `answered` says that the first one's question was.
    fn run(&mut self, playbook: &'a Playbook, first: usize, answered: bool, said: &mut Said) {
        for (at, step) in playbook.steps.iter().enumerate().skip(first) {
            if !(answered && at == first) {
                said.say(step.say.as_deref().unwrap_or_default());
                if let Some(question) = &step.ask {
                    said.say(question);
                    self.playbook = Some((playbook, at));
                    return;
                }
            }
            self.use_skill(step.skill.as_deref(), said);
            if let Some(known) = step.knowledge.as_deref().and_then(|name| self.agent.article(name)) {
                say_article(known, said);
            }
        }
    }

    fn use_skill(&self, name: Option<&str>, said: &mut Said) {
        let Some(name) = name else { return };
        Said::note(&mut said.skills, name);
        let skill = self.agent.skills.iter().find(|skill| skill.name == name);
        said.say(skill.and_then(|skill| skill.say_before.as_deref()).unwrap_or_default());
    }

    /// Takes the way whose condition shares most with the message; an open way where none does.
    fn walk(&mut self, graph: &'a Graph, heard: &Heard, said: &mut Said) {
        let next = match self.node {
            None => &graph.nodes[graph.start],
            Some(node) if node.end => node,
            Some(node) => {
                let shared = |when: &Option<String>| when.as_deref().map_or(0, |when| heard.shares(when));
                let ways = node.ways.iter().map(|(to, when)| (shared(when), when.is_none(), &graph.nodes[*to]));
                let best =
                    ways.rev().filter(|(shared, open, _)| *shared > 0 || *open).max_by_key(|(shared, ..)| *shared);
                match (best, &node.ways[..]) {
                    (Some((.., next)), _) => next,
                    // One way is the way on.
                    (None, [(only, _)]) => &graph.nodes[*only],
                    (None, ways) => {
                        let conditions = ways.iter().filter_map(|(_, when)| Some(format!("“{}”", when.as_deref()?)));
                        let conditions = conditions.collect::<Vec<_>>().join(" or ");
                        said.say(&format!("At `{}` I go on when I hear: {conditions}.", node.id));
                        return;
                    }
                }
            }
        };
        self.node = Some(next);
        said.say(next.say.as_deref().unwrap_or_default());
        for skill in &next.skills {
            self.use_skill(Some(skill), said);
        }
        if next.say.is_none() && !next.collect.is_empty() {
            said.say(&format!("Please tell me: {}.", next.collect.join(", ").replace('_', " ")));
        }
    }

    /// Takes out what must not be said.
    fn withhold(&mut self, said: &mut Said) {
        let reply = Heard::new(&said.content);
        for rule in self.agent.guardrails.iter().filter(|rule| rule.kind == "never_say") {
            if !rule.phrases.iter().any(|phrase| reply.holds(phrase)) {
                continue;
            }
            Said::note(&mut said.guardrails, &rule.name);
            match rule.action.as_str() {
                "warn" => {}
                "handoff" => {
                    self.handed_over = true;
                    said.handoff = true;
                    said.content = HANDOFF.to_owned();
                }
                _ => said.content = WITHHELD.to_owned(),
            }
        }
    }
}

/// Whether a rule is about certain topics, not about every conversation.
fn is_limited(rule: &Guardrail) -> bool {
    !rule.topics.is_empty()
}

fn say_rule(rule: &Guardrail, said: &mut Said) {
    if rule.phrases.is_empty() {
        said.say(&rule.rule);
    }
    for phrase in &rule.phrases {
        said.say(phrase);
    }
}

fn say_article(known: &Known, said: &mut Said) {
    Said::note(&mut said.articles, &known.name);
    let mut length = 0;
    for paragraph in known.body.split("\n\n") {
        length += paragraph.chars().count();
        if length > SAID_OF_ARTICLE && length != paragraph.chars().count() {
            break;
        }
        said.say(&paragraph.chars().take(SAID_OF_ARTICLE).collect::<String>());
    }
}

fn first_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.take(3).collect::<Vec<_>>().join(" ").chars().take(600).collect()
}
