//! What was used: counted from the sandbox's rows at the moment of the call.

use super::wire::{UsageReport, UsageTotal, UsageTotals};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::chat::Usage;
use crate::domain::AgentId;
use crate::ops::Problem;
use crate::tokens::Right;

/// `GET /usage?agent=&from=&to=`: by agent, version and day (UTC), cut to agents that the caller may read. What drafts
/// used stands apart and is never billed.
pub(super) fn usage(call: &Call) -> Result<Answer, Problem> {
    let agent = call.query.get("agent").map(|text| text.parse::<AgentId>()).transpose()?;
    if let Some(agent) = &agent {
        call.authorise(Right::AgentsRead, Some(agent))?;
    }
    let (from, to) = (day(call, "from")?, day(call, "to")?);
    let (mut billed, mut drafts) = call.api.sandbox.usage()?;
    for used in [&mut billed, &mut drafts] {
        used.retain(|used| {
            agent.as_ref().is_none_or(|agent| used.agent == *agent)
                && from.is_none_or(|from| used.day >= from)
                && to.is_none_or(|to| used.day <= to)
                && call.may_read(&used.agent)
        });
    }
    let total = |used: &[Usage]| UsageTotal {
        sessions: used.iter().map(|used| used.sessions).sum(),
        messages: used.iter().map(|used| used.messages).sum(),
    };
    let total = UsageTotals { billed: total(&billed), draft: total(&drafts) };
    Answer::ok(&UsageReport { billed, draft: drafts, total })
}

fn day(call: &Call, name: &str) -> Result<Option<jiff::civil::Date>, Problem> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| Problem::usage("bad_request", format!("`{name}` is not a day")).hint("?from=2026-01-31"))
    };
    call.query.get(name).map(parse).transpose()
}
