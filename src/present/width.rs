//! How many columns text takes, near enough for two columns to stay apart, and lines broken between words.

/// Characters that most terminals draw two columns wide.
const WIDE: [(u32, u32); 14] = [
    (0x1100, 0x115f),
    (0x2e80, 0x303e),
    (0x3041, 0x33ff),
    (0x3400, 0x4dbf),
    (0x4e00, 0x9fff),
    (0xa000, 0xa4cf),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
    (0xffe0, 0xffe6),
    (0x1f300, 0x1f64f),
    (0x1f680, 0x1faff),
    (0x20000, 0x3fffd),
];

/// Marks that are drawn onto the character before them.
const MARKS: [(u32, u32); 8] = [
    (0x300, 0x36f),
    (0x483, 0x489),
    (0x591, 0x5bd),
    (0x610, 0x61a),
    (0x64b, 0x65f),
    (0x1ab0, 0x1aff),
    (0x20d0, 0x20ff),
    (0xfe00, 0xfe0f),
];

/// The columns of one character.
pub(super) fn of(letter: char) -> usize {
    let code = u32::from(letter);
    let among = |ranges: &[(u32, u32)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&code));
    match code {
        ..0x300 => 1,
        _ if among(&MARKS) => 0,
        _ if among(&WIDE) => 2,
        _ => 1,
    }
}

/// `text` on lines of at most `columns`, broken between words where that can be.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let length: usize = word.trim_end().chars().map(of).sum();
        if used > 0 && used + length > columns {
            lines.push(String::new());
            used = 0;
        }
        for letter in word.chars() {
            if used + of(letter) > columns {
                // A blank at the end of a full line is not carried over.
                if letter == ' ' {
                    continue;
                }
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
            used += of(letter);
        }
    }
    lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_or_where_they_must() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("exactly8 then", 8), ["exactly8", "then"]);
        assert_eq!(wrapped("ten-letter-word", 8), ["ten-lett", "er-word"]);
        assert_eq!(wrapped("日本語日本語", 8), ["日本語日", "本語"]);
        assert_eq!(wrapped("", 8), [""]);
    }
}
