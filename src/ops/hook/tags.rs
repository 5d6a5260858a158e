//! Version tags of a push: a published one stays as it is, a new one is one that the judge accepts.

use super::{Judging, Refused, Update};
use crate::domain::ledger::Rejection;
use crate::domain::{ObjectId, VersionTag};
use crate::ops::Problem;
use crate::plan::{Candidate, Verdict};
use crate::reconcile::{Foreseen, Judged, judge, of_nobody};
use crate::store::{Error, Ledger, RefPlace};

impl Judging<'_> {
    pub(super) fn tag(
        &self,
        update: &Update,
        tag: &VersionTag,
        foreseen: &Foreseen,
    ) -> Result<Option<Refused>, Problem> {
        let state = foreseen.observed.agents.get(&tag.agent);
        if let Some(state) = state.filter(|state| state.versions.contains_key(&tag.number)) {
            let astray = state.astray.contains_key(&tag.number);
            return Ok(astray.then(|| moved(update, tag)));
        }
        let rejection = state.and_then(|state| state.rejections.get(&tag.number));
        if let Some(old) = update.old
            && rejection.is_none_or(|rejection| rejection.object != old)
            && self.would_be_accepted(tag, old, foreseen)?
        {
            return Ok(Some(moved(update, tag)));
        }
        let Some(new) = update.new else { return Ok(None) };
        let published = state.is_some_and(|state| !state.versions.is_empty());
        if !published && of_nobody(self.after, tag, new)?.is_some() {
            return Ok(None);
        }
        let judged = |candidate: &&Candidate| candidate.tag == *tag && candidate.object == new;
        Ok(match foreseen.observed.candidates.iter().find(judged).map(|candidate| &candidate.verdict) {
            Some(Verdict::Accept(_)) => None,
            Some(Verdict::Refuse(rejection)) => Some(unfit(update, tag, rejection)),
            Some(Verdict::Gone) | None => match rejection.filter(|rejection| rejection.object == new) {
                // It was pushed before, with the same result.
                Some(rejection) => Some(unfit(update, tag, rejection)),
                None => Some(update.refused(
                    format!("`{tag}` cannot be judged: the ledger or an object of it cannot be read"),
                    "pointsman verify, in a clone, says what is wrong",
                )),
            },
        })
    }

    /// Whether the next pass would have made a version of `object`: then it is published, although the ledger does not
    /// say so yet.
    fn would_be_accepted(&self, tag: &VersionTag, object: ObjectId, foreseen: &Foreseen) -> Result<bool, Problem> {
        let newest = foreseen.observed.agents.get(&tag.agent).and_then(|state| state.versions.keys().next_back());
        let ledger = Ledger::at(self.after, self.world.read(self.after, &RefPlace::Ledger)?)?;
        let collision = ledger.collision(&tag.agent)?;
        match judge(self.after, tag, object, newest.copied(), collision.as_ref()) {
            Ok(judged) => Ok(matches!(judged, Judged::Verdict(Verdict::Accept(_)))),
            // A damaged tag never becomes a version; whoever takes it away helps.
            Err(Error::Corrupt { .. } | Error::Git { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn moved(update: &Update, tag: &VersionTag) -> Refused {
    let agent = &tag.agent;
    match update.new {
        Some(_) => update.refused(
            format!("`{tag}` is published, and a published version does not move"),
            format!("publish the next number: pointsman publish {agent}, or git tag -a {agent}/v<number> -m <note>"),
        ),
        None => update.refused(
            format!("`{tag}` is published, and a published version is not deleted"),
            format!("so that nobody moves to it again: pointsman revoke {agent} {}", tag.number),
        ),
    }
}

fn unfit(update: &Update, tag: &VersionTag, rejection: &Rejection) -> Refused {
    let again = format!("git tag -f -a {tag} <commit> -m <note>, then push again");
    let hint = match rejection.code.as_str() {
        "findings" => format!("pointsman check {} shows the places; when they are mended: {again}", tag.agent),
        "too_far_ahead" => format!("pointsman versions {} says which number comes next", tag.agent),
        "policy" => format!("mend pointsman.toml, commit it, then: {again}"),
        "misplaced" | "unreadable" | "id_collision" => format!("mend it and commit, then: {again}"),
        _ => again,
    };
    update.refused(rejection.reason.lines().collect::<Vec<_>>().join("; "), hint)
}
