//! Quoting for GitHub-flavoured Markdown.
//!
//! What comes from a repository stands in code spans or code blocks, where nothing is a link, a mention or HTML, or
//! in sentences whose every sign is escaped. Tables are not used: a code span cannot hold every text there.

use super::escape::escape;

/// A text from a repository as a code span on one line.
pub fn code(text: &str) -> String {
    let text = escape(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let inner = if text.trim().is_empty() { "(empty)" } else { &text };
    // One blank at each end is not shown; it keeps a backtick of the text apart from the fence.
    if longest == 0 { format!("{fence}{inner}{fence}") } else { format!("{fence} {inner} {fence}") }
}

/// A sentence with names from a repository between backticks: the names as code, the rest with every sign escaped.
pub fn sentence(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return prose(text);
    }
    pieces.iter().enumerate().map(|(at, piece)| if at % 2 == 1 { code(piece) } else { prose(piece) }).collect()
}

/// A text in which nothing is Markdown, HTML, a link, a mention or a reference to an issue.
fn prose(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in escape(text).chars() {
        match letter {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            // An empty comment keeps the sign and the word behind it in two texts, so nothing is made of them.
            '@' | '#' => shown.extend(['\\', letter].into_iter().chain("<!-- -->".chars())),
            ':' | '.' => shown.extend(std::iter::once(letter).chain("<!-- -->".chars())),
            letter if letter.is_ascii_punctuation() => shown.extend(['\\', letter]),
            letter => shown.push(letter),
        }
    }
    shown.replace(".<!-- --> ", ". ").replace(":<!-- --> ", ": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn code_spans_close_where_they_should() {
        let cases = [
            ("plain", "`plain`"),
            ("a`b", "`` a`b ``"),
            ("``", "``` `` ```"),
            ("x\n- y", "`x\\n- y`"),
            ("", "`(empty)`"),
            ("`", "`` ` ``"),
        ];
        for (text, expected) in cases {
            assert_eq!(code(text), expected);
        }
    }

    #[test]
    fn sentences_make_no_links_mentions_or_html() {
        assert_eq!(
            sentence("unknown key `a|b`, ask @team at https://x.example <img src=x> #1."),
            "unknown key `a|b`\\, ask \\@<!-- -->team at https:<!-- -->\\/\\/x.<!-- -->example \
             &lt;img src\\=x&gt; \\#<!-- -->1.<!-- -->"
        );
        assert_eq!(sentence("odd ` one"), "odd \\` one");
    }

    proptest! {
        #[test]
        fn a_code_span_never_ends_early(text in "[a`\n ]{0,12}") {
            let shown = code(&text);
            let fence = shown.chars().take_while(|letter| *letter == '`').count();
            let inner = &shown[fence..shown.len() - fence];
            prop_assert!(shown.ends_with(&"`".repeat(fence)) && !inner.starts_with('`') && !inner.ends_with('`'));
            prop_assert!(inner.split(|letter| letter != '`').all(|run| run.len() != fence));
        }

        #[test]
        fn prose_leaves_no_tag_or_mention(text in any::<String>()) {
            let shown = prose(&text).replace("<!-- -->", "\u{1}");
            prop_assert!(!shown.contains('<') && !shown.contains('>'));
            let mention = shown.chars().zip(shown.chars().skip(1)).any(|(at, next)| at == '@' && next != '\u{1}');
            prop_assert!(!mention);
        }
    }
}
