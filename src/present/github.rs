//! Findings as GitHub workflow commands, which mark the lines of a pull request.

use super::escape::escape;
use crate::compile::{Finding, Severity};

/// One command per finding, each on a line of its own.
pub fn annotations(findings: &[Finding]) -> String {
    findings.iter().map(|finding| annotation(finding) + "\n").collect()
}

/// The command of one finding.
pub fn annotation(finding: &Finding) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = format!("file={}", property(&finding.path));
    if let Some(place) = &finding.place {
        let end = place.column.saturating_add(place.length);
        properties.push_str(&format!(",line={},col={},endColumn={end}", place.line, place.column));
    }
    let mut message = lines(&finding.message);
    if let Some(hint) = &finding.hint {
        message.push_str(&format!("%0A{}", lines(hint)));
    }
    format!("::{command} {properties},title={}::{message}", property(&finding.code))
}

/// A text as data of a command. What the runner does not decode is spelled out.
fn lines(text: &str) -> String {
    let lines: Vec<String> =
        text.split('\n').map(|line| escape(line.trim_end_matches('\r')).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// A text as a property. A path keeps its own bytes, decoded by the runner, or the mark would miss its file.
fn property(text: &str) -> String {
    let encoded = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    escape(&encoded.replace(':', "%3A").replace(',', "%2C"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_cannot_be_broken_out_of() {
        let finding = Finding::new(Severity::Warning, "odd", "a,b:\n::c%.toml", "first\r\n::error::second 100%")
            .at("ab\ncdef", 4..6)
            .hint("type\nthis");
        assert_eq!(
            annotations(&[finding]),
            "::warning file=a%2Cb%3A%0A%3A%3Ac%25.toml,line=2,col=2,endColumn=4,title=odd\
             ::first%0A::error::second 100%25%0Atype%0Athis\n"
        );
    }
}
