//! `pointsman versions`

use super::{Done, Session};
use crate::ops::inspect::VersionView;
use crate::present::escape::escape;
use crate::present::terminal::{Style, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let (mut all, total) = place.versions(&agent, args.limit)?;
    all.truncate(args.limit);
    if all.is_empty() {
        session.tell(&format!("{agent} has no published version yet: pointsman publish {agent}"));
    } else if total > all.len() {
        session.tell(&format!("{} of {total}; --limit shows more", all.len()));
    }
    Ok(session.show(&all, |style| text(&all, style)))
}

fn text(versions: &[VersionView], style: &Style) -> String {
    if versions.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = versions
        .iter()
        .map(|version| {
            let places: Vec<_> = version.environments.iter().map(ToString::to_string).collect();
            let mut what = version.label.as_ref().map(|label| format!("[{}] ", escape(label))).unwrap_or_default();
            what.push_str(&escape(version.note.lines().next().unwrap_or_default()));
            let marks =
                [(version.starred, " *"), (version.archived, " (archived)"), (version.revoked.is_some(), " (revoked)")];
            what.extend(marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark));
            vec![
                version.version.to_string(),
                format!("{:.0}", version.published_at),
                escape(&version.published_by.name),
                places.join(", "),
                what,
            ]
        })
        .collect();
    table(&["version", "published", "by", "live in", "note"], &rows, style)
}
