//! Where a field stands, as people write it: `workflow_tools[lookup_booking].request.url`.
//!
//! A path is a chain of borrowed steps and becomes text only when a change is reported, so that a long key in a
//! hostile file costs nothing at the thousands of fields below it.

use serde_json::Value;

/// One step of the way from the root to a field.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    /// The root.
    Root,
    /// A key of an object.
    Key(&'a str),
    /// A file of the agent, under its path.
    File(&'a str),
    /// An element of a list by position.
    Index(usize),
    /// An element of a list by what names it.
    Named(&'a Value),
    /// Into a text that holds JSON itself.
    Inside,
    /// Not a field but something about it, such as the order of a list.
    Aspect(&'static str),
}

/// A field's place: its last step and where that starts from.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

/// A key longer than this is cut in what is shown.
const LONGEST_KEY: usize = 120;

/// Words that may stand in brackets for something else than an element's name.
const ASPECTS: [&str; 5] = ["order", "formatting", "format", "digest", "text"];

impl<'a> Path<'a> {
    pub(crate) const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    pub(crate) fn then(&'a self, step: Step<'a>) -> Path<'a> {
        Path { parent: Some(self), step }
    }

    /// Whether one of the keys on the way is `key`.
    pub(crate) fn passes(&self, key: &str) -> bool {
        let here = matches!(self.step, Step::Key(step) if step == key);
        here || self.parent.is_some_and(|parent| parent.passes(key))
    }

    /// The path as text.
    pub(crate) fn show(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            steps.push(path.step);
            at = path.parent;
        }
        let mut text = String::new();
        for step in steps.iter().rev() {
            step.show(&mut text);
        }
        if text.is_empty() { "(whole)".to_owned() } else { text }
    }
}

impl Step<'_> {
    fn show(self, text: &mut String) {
        match self {
            Step::Root => {}
            Step::Key(key) if is_plain(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Key(key) | Step::File(key) => bracketed(text, &quoted(key)),
            Step::Index(at) => bracketed(text, &at.to_string()),
            Step::Named(Value::String(name)) => match is_bare(name) {
                true => bracketed(text, name),
                false => bracketed(text, &quoted(name)),
            },
            Step::Named(number) => bracketed(text, &quoted(&number.to_string())),
            Step::Inside => text.push_str(".(json)"),
            Step::Aspect(word) => bracketed(text, word),
        }
    }
}

fn bracketed(text: &mut String, inner: &str) {
    text.push('[');
    text.push_str(inner);
    text.push(']');
}

fn quoted(key: &str) -> String {
    let mut cut: String = key.chars().take(LONGEST_KEY).collect();
    if cut.len() < key.len() {
        cut.push('…');
    }
    Value::String(cut).to_string()
}

fn is_plain(key: &str) -> bool {
    key.len() <= LONGEST_KEY
        && key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == '$')
        && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-$".contains(letter))
}

fn is_bare(name: &str) -> bool {
    name.len() <= LONGEST_KEY
        && !ASPECTS.contains(&name)
        && !name.is_empty()
        && !name.bytes().all(|byte| byte.is_ascii_digit())
        && name.chars().all(|letter| letter.is_alphanumeric() || "_-. :/".contains(letter))
        && name.trim() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_people_write_them() {
        let name = Value::from("lookup_booking");
        let odd = Value::from("a]\"b");
        let root = Path::ROOT;
        let cases: [(&[Step<'_>], &str); 5] = [
            (
                &[Step::Key("workflow_tools"), Step::Named(&name), Step::Key("request"), Step::Key("url")],
                "workflow_tools[lookup_booking].request.url",
            ),
            (&[Step::Key("files"), Step::File("a/b.json"), Step::Key("x y")], r#"files["a/b.json"]["x y"]"#),
            (&[Step::Key("goals"), Step::Index(2)], "goals[2]"),
            (&[Step::Key("skills"), Step::Named(&odd), Step::Aspect("order")], r#"skills["a]\"b"][order]"#),
            (&[Step::Key("tool"), Step::Inside, Step::Key("name")], "tool.(json).name"),
        ];
        for (steps, expected) in cases {
            assert_eq!(show(&root, steps), expected);
        }
    }

    fn show(path: &Path<'_>, steps: &[Step<'_>]) -> String {
        match steps {
            [] => path.show(),
            [first, rest @ ..] => show(&path.then(*first), rest),
        }
    }
}
