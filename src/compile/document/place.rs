//! From the positions that parsers report to bytes.

/// Byte offsets of characters, for a parser that counts characters. A mark every few characters keeps it small.
pub(super) struct Characters<'a> {
    text: &'a str,
    /// The byte of every [`STEP`]th character; empty where all characters are one byte.
    marks: Vec<usize>,
}

const STEP: usize = 64;

impl<'a> Characters<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let marks = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(STEP).map(|(byte, _)| byte).collect()
        };
        Characters { text, marks }
    }

    /// The byte at which character number `index` starts; the end of the text if there are fewer.
    pub(super) fn byte(&self, index: usize) -> usize {
        if self.marks.is_empty() {
            return index.min(self.text.len());
        }
        let Some(mark) = self.marks.get(index / STEP) else { return self.text.len() };
        let rest = self.text.get(*mark..).unwrap_or_default();
        rest.char_indices().nth(index % STEP).map_or(self.text.len(), |(byte, _)| mark + byte)
    }
}

/// The byte at `line` and `column`, both from 1, the column in bytes.
pub(super) fn byte_of_line(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.floor_char_boundary((start + column.saturating_sub(1)).min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_found_beyond_the_first_mark() {
        let text = "é".repeat(100) + "x";
        let characters = Characters::new(&text);
        assert_eq!((characters.byte(0), characters.byte(70), characters.byte(100)), (0, 140, 200));
        assert_eq!(characters.byte(900), text.len());
    }

    #[test]
    fn lines_count_from_one() {
        assert_eq!(byte_of_line("ab\ncd\n", 2, 2), 4);
        assert_eq!(byte_of_line("ab", 9, 9), 2);
    }
}
