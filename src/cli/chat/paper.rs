//! What a conversation looks like: names in a column, words beside them, broken where the terminal ends. Every word comes
//! from an agent or a model and is made safe to show.

use std::io::Write as _;

use crate::chat::{Line, Role, Said, Session as Conversation};
use crate::cli::Session;
use crate::present::escape::{escape, escape_line};

/// Columns of a name at most.
const NAME: usize = 20;

/// The column of names where the caller's side is shown.
const YOU: &str = "you";

/// Where a conversation is written.
pub(super) struct Paper<'s> {
    session: &'s Session,
    name: String,
    /// Columns that the names take.
    margin: usize,
    /// Columns used of the present line.
    column: usize,
    /// A word that may not be whole.
    word: String,
}

impl<'s> Paper<'s> {
    pub(super) fn new(conversation: &Conversation, session: &'s Session) -> Self {
        let name: String = escape(conversation.agent_id.as_str()).chars().take(NAME).collect();
        let margin = name.chars().count().max(YOU.len()) + 2;
        Paper { session, name, margin, column: 0, word: String::new() }
    }

    /// A whole line of a conversation; as plain text where nobody looks on.
    pub(super) fn line(&mut self, line: &Line) {
        if !self.session.terminal {
            let text: Vec<_> = line.said.content.lines().map(escape_line).collect();
            self.session.print(&format!("{}\n", text.join("\n")));
            return;
        }
        self.begin(line.role);
        self.words(&line.said.content);
        self.end(&line.said);
    }

    /// The caller's turn: what is typed follows.
    pub(super) fn ask(&mut self) {
        self.begin(Role::User);
        let _ = std::io::stdout().flush();
    }

    /// Somebody begins to speak.
    pub(super) fn begin(&mut self, role: Role) {
        let name = match role {
            Role::User => YOU,
            Role::Assistant => self.name.as_str(),
        };
        let blank = " ".repeat(self.margin - name.chars().count());
        self.session.print(&format!("{}{blank}", self.session.style.heading(name)));
        self.column = self.margin;
    }

    /// Words as they come. A word is shown when it is whole.
    pub(super) fn words(&mut self, words: &str) {
        for letter in words.chars() {
            match letter {
                '\n' => {
                    self.flush_word();
                    self.break_line();
                }
                ' ' | '\t' => {
                    self.flush_word();
                    if self.column > self.margin && self.column < self.session.style.width {
                        self.session.print(" ");
                        self.column += 1;
                    }
                }
                letter => self.word.push_str(&escape(letter.encode_utf8(&mut [0; 4]))),
            }
        }
        let _ = std::io::stdout().flush();
    }

    /// Nobody speaks any more; what was done beside speaking follows.
    pub(super) fn end(&mut self, said: &Said) {
        self.flush_word();
        self.session.print("\n");
        for note in notes(said) {
            let blank = " ".repeat(self.margin);
            let (faint, plain) = if self.session.style.color { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
            self.session.print(&format!("{blank}{faint}{}{plain}\n", escape(&note)));
        }
    }

    fn flush_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        let length = word.chars().count();
        if self.column > self.margin && self.column + length > self.session.style.width {
            self.break_line();
        }
        self.column += length;
        self.session.print(&word);
    }

    fn break_line(&mut self) {
        self.session.print(&format!("\n{}", " ".repeat(self.margin)));
        self.column = self.margin;
    }
}

/// What was done beside speaking.
fn notes(said: &Said) -> Vec<String> {
    let named = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")));
    let handoff = said.handoff.then(|| "a person is to take over".to_owned());
    let lists = [
        named("skills, not carried out", &said.skills),
        named("articles", &said.articles),
        named("guardrails", &said.guardrails),
    ];
    lists.into_iter().flatten().chain(handoff).collect()
}
