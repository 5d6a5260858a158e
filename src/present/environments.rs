//! Two environments side by side in a terminal: one line per agent.

use super::Style;
use super::comparison::summary;
use super::escape::escape;
use super::terminal::table;
use crate::compare::{AgentDifference, AgentDifferenceKind};

/// Two environments, called `before` and `after`, agent by agent.
pub fn environments(before: &str, after: &str, agents: &[AgentDifference], style: &Style) -> String {
    let rows: Vec<Vec<String>> = agents
        .iter()
        .map(|agent| {
            let (sign, difference) = match (agent.kind, &agent.comparison) {
                (AgentDifferenceKind::Added, _) => ("+", format!("only in {}", escape(after))),
                (AgentDifferenceKind::Removed, _) => ("-", format!("only in {}", escape(before))),
                (AgentDifferenceKind::Identical, _) | (_, None) => ("", "identical".to_owned()),
                (_, Some(comparison)) => ("~", summary(comparison)),
            };
            let label = |label: &Option<String>| label.as_deref().map(escape).unwrap_or_default();
            vec![sign.to_owned(), escape(&agent.agent), label(&agent.before), label(&agent.after), difference]
        })
        .collect();
    table(&["", "agent", &escape(before), &escape(after), "difference"], &rows, style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::frozen;

    #[test]
    fn environments_are_one_line_per_agent() {
        let of = |agents: &[(&str, &str, &str)]| {
            let side =
                |(id, label, text): &(&str, &str, &str)| (id.parse().unwrap(), frozen(label, &[("a.txt", text)]));
            agents.iter().map(side).collect()
        };
        let live = of(&[("billing", "v2", "a"), ("support", "v3", "a")]);
        let sandbox = of(&[("billing", "v2", "a"), ("emea/hotel", "v1", "a"), ("support", "v4", "b")]);
        let shown =
            environments("env:live", "env:sandbox", &crate::compare::environments(&live, &sandbox), &Style::PLAIN);
        insta::assert_snapshot!(shown, @"
            agent       env:live  env:sandbox  difference
            billing     v2        v2           identical
         +  emea/hotel            v1           only in env:sandbox
         ~  support     v3        v4           1 field and 1 file differ
        ");
    }
}
