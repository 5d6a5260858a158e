//! Makes a string from a repository safe to show: nothing in it can move the cursor, turn text around or hide.

use std::fmt::Write;

/// The text on one line, with every control, direction and invisible character spelled out.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if is_hidden(letter) => {
                write!(shown, "\\u{{{:x}}}", u32::from(letter)).expect("writing to a string does not fail");
            }
            letter => shown.push(letter),
        }
    }
    shown
}

/// A line of a file: as [`escape`], with tabs as blanks.
pub fn escape_line(line: &str) -> String {
    escape(&line.replace('\t', "    "))
}

/// Whether a character would act on the display instead of being seen.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text cut to `length` characters, with a sign where something was cut.
pub(super) fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_moves_turns_or_hides() {
        assert_eq!(escape("a\u{1b}[31mb\u{202e}c\u{200b}d\r\n"), r"a\u{1b}[31mb\u{202e}c\u{200b}d\r\n");
        assert_eq!(escape("né 日本 👍"), "né 日本 👍");
        assert_eq!(escape_line("\tx"), "    x");
    }

    proptest! {
        #[test]
        fn no_control_character_is_left(text in any::<String>()) {
            prop_assert!(!escape(&text).chars().any(is_hidden));
            prop_assert!(!escape_line(&text).chars().any(is_hidden));
        }
    }
}
