//! Reading a model's answer: server-sent events of OpenAI's chat completions, or one whole document from a place that
//! does not stream. Sizes are bounded; what is not as expected ends the answer.

use serde::Deserialize;

/// The longest line of a stream, in bytes.
const LONGEST_LINE: usize = 256 << 10;

/// Skills that one round may ask for.
const MOST_CALLS: usize = 32;

/// A piece of an answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(alias = "message")]
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    index: Option<usize>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// A skill that the model asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) calls: Vec<Asked>,
    /// Whether the model said that it is at its end.
    pub(super) ended: bool,
}

/// What is wrong with what came.
#[derive(Debug, PartialEq)]
pub(super) struct Garbled;

impl Answer {
    /// Takes `text`, a chunk or a whole answer, and returns the words in it.
    pub(super) fn take(&mut self, text: &str) -> Result<String, Garbled> {
        let Chunk { choices, error } = serde_json::from_str(text).map_err(|_| Garbled)?;
        if error.is_some() {
            return Err(Garbled);
        }
        // Only one answer was asked for; a chunk without any tells about tokens.
        let Some(Choice { delta, finish_reason }) = choices.into_iter().next() else { return Ok(String::new()) };
        self.ended |= finish_reason.is_some();
        let Some(Delta { content, tool_calls }) = delta else { return Ok(String::new()) };
        for (at, call) in tool_calls.unwrap_or_default().into_iter().enumerate() {
            let at = call.index.unwrap_or(at);
            if at >= MOST_CALLS || at > self.calls.len() {
                return Err(Garbled);
            }
            if at == self.calls.len() {
                self.calls.push(Asked::default());
            }
            let asked = &mut self.calls[at];
            let function = call.function.unwrap_or(Function { name: None, arguments: None });
            for (whole, part) in
                [(&mut asked.id, call.id), (&mut asked.name, function.name), (&mut asked.arguments, function.arguments)]
            {
                whole.push_str(&part.unwrap_or_default());
                if whole.len() > LONGEST_LINE {
                    return Err(Garbled);
                }
            }
        }
        Ok(content.unwrap_or_default())
    }
}

/// Cuts a stream of bytes into the data of its events (WHATWG HTML, section 9.2). Each `data:` line is an event of its
/// own, as all senders of this protocol write them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The data that is whole once `bytes` have come.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, Garbled> {
        let mut found = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.len() > LONGEST_LINE {
                return Err(Garbled);
            }
            if part.ends_with(b"\n") {
                found.extend(data(&std::mem::take(&mut self.rest))?);
            }
        }
        Ok(found)
    }

    /// What stands in a last line without an end.
    pub(super) fn end(self) -> Result<Option<String>, Garbled> {
        data(&self.rest)
    }
}

fn data(line: &[u8]) -> Result<Option<String>, Garbled> {
    let line = std::str::from_utf8(line).map_err(|_| Garbled)?;
    Ok(line.strip_prefix("data:").map(|data| data.trim().to_owned()).filter(|data| !data.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_skills_come_in_pieces() {
        let mut answer = Answer::default();
        let text = |answer: &mut Answer, delta: &str| answer.take(&format!("{{\"choices\":[{{\"delta\":{delta}}}]}}"));
        assert_eq!(text(&mut answer, r#"{"role":"assistant","content":"He"}"#).unwrap(), "He");
        assert_eq!(text(&mut answer, r#"{"content":"llo"}"#).unwrap(), "llo");
        text(&mut answer, r#"{"tool_calls":[{"index":0,"id":"c1","function":{"name":"book","arguments":"{\"a\""}}]}"#)
            .unwrap();
        text(&mut answer, r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#).unwrap();
        let asked = Asked { id: "c1".into(), name: "book".into(), arguments: "{\"a\":1}".into() };
        assert_eq!(answer.calls, [asked]);
        assert!(!answer.ended);
        answer.take(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#).unwrap();
        assert!(answer.ended);
        let whole = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
        assert_eq!(Answer::default().take(whole).unwrap(), "Hi");
        for garbage in ["", "[1]", "<html>", r#"{"error":{"message":"x"}}"#, r#"{"choices":[{"delta":{"content":1}}]}"#]
        {
            assert_eq!(Answer::default().take(garbage), Err(Garbled), "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_cut(cuts in prop::collection::vec(1usize..7, 1..40)) {
            let stream = ": beat\r\n\r\ndata: {\"a\":1}\r\n\ndata:{\"é\":2}\n\nevent: x\ndata: [DONE]";
            let (mut lines, mut found, mut rest) = (Lines::default(), Vec::new(), stream.as_bytes());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                found.extend(lines.take(now).unwrap());
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            found.extend(lines.end().unwrap());
            prop_assert_eq!(found, ["{\"a\":1}", "{\"é\":2}", "[DONE]"]);
        }

        #[test]
        fn no_answer_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let (mut lines, mut answer) = (Lines::default(), Answer::default());
            for line in lines.take(&bytes).unwrap_or_default() {
                let _ = answer.take(&line);
            }
            let _ = answer.take(&String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        let flood = vec![b'x'; 1 << 20];
        assert_eq!(lines.take(&flood), Err(Garbled));
    }
}
