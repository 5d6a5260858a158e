//! Lines of the tour: command lines into words, text into lines.

/// The words of a command line whose only quotes are single ones.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        let word = words.last_mut().expect("there is always one");
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => word.push(letter),
        }
    }
    words
}

/// `text` in lines of at most `width` characters.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

pub(super) fn cut(line: &str, width: usize) -> String {
    match line.char_indices().nth(width) {
        Some(_) => format!("{}…", line.chars().take(width - 1).collect::<String>()),
        None => line.to_owned(),
    }
}
