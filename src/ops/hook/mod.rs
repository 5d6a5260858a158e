//! Hook: judge a push before it lands, on the git server itself.
//!
//! Who pushes does not matter, only what: the rules are those that a pass and `verify` hold afterwards, so a push that
//! is let in is one that the next pass accepts, and one that is refused hears the reason that `status` would tell.
//! The ledger is judged first, as the continuation of the one that is there. Everything else is judged by asking what
//! the next pass would do with the repository as the push leaves it.

mod branches;
mod ledger;
mod line;
mod tags;
mod updates;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Problem;
use crate::domain::{EnvironmentName, VersionTag};
use crate::reconcile::{Context, Foreseen, Memory, Order, foresee};
use crate::store::{ReceivedRefs, RefPlace, Repository, Scope, World, controller};
pub use updates::{Update, read_updates};

/// How long one push may be judged. Whoever pushes waits for the answer.
const LONGEST: Duration = Duration::from_secs(300);

/// Where Pointsman keeps its own notes in a clone. One that came by push would be believed.
const OWN_REFS: &str = "refs/pointsman/";

/// A ref that may not move as the push wants it to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The full name.
    #[serde(rename = "ref")]
    pub name: String,
    /// Why.
    pub reason: String,
    /// What to type or change instead.
    pub hint: String,
}

/// What an update is about.
enum Subject {
    Ledger,
    Environment(EnvironmentName),
    Tag(VersionTag),
    OwnNote,
}

/// The refs that are refused of the push `updates` into the repository at `dir`; none if it may land. Reads the
/// quarantine that git's environment names. Nothing is written.
///
/// An error means that the push cannot be judged, so it must not land.
pub fn pre_receive(dir: &Path, updates: &[Update], now: jiff::Timestamp) -> Result<Vec<Refused>, Problem> {
    let every: ReceivedRefs = updates.iter().map(|update| (update.name.clone(), update.new)).collect();
    let after = Repository::receiving(dir, every.clone())?;
    let mut world = World::of(&after, true);
    world.branch_prefix = world.policy(&after)?.0.branch_prefix;
    let ours: Vec<_> = updates.iter().filter_map(|update| Some((update, subject(&world, &update.name)?))).collect();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let before = Repository::receiving(dir, ReceivedRefs::new())?;
    let mut refused = stale(&before, &ours)?;
    if !refused.is_empty() {
        return Ok(refused);
    }
    let deadline = Deadline::after(LONGEST);
    let mut after = after;
    if let Some((update, _)) = ours.iter().find(|(_, subject)| matches!(subject, Subject::Ledger))
        && let Some(reason) = ledger::fault(&before, update.old, update.new, &deadline)?
    {
        refused.push(update.refused(reason, "leave this branch to Pointsman: pointsman reconcile --once"));
        // What leans on a refused ledger cannot be judged with it: tags are judged by the one that stands.
        let kept = |name: &str| !ours.iter().any(|(update, subject)| update.name == name && !subject.is_tag());
        after = Repository::receiving(dir, every.into_iter().filter(|(name, _)| kept(name)).collect())?;
    }
    let judging = Judging { world: &world, before: &before, after: &after, deadline };
    judging.all(&ours, now, &mut refused)?;
    let order = |refused: &Refused| updates.iter().position(|update| update.name == refused.name);
    refused.sort_by_cached_key(order);
    Ok(refused)
}

impl Subject {
    fn is_tag(&self) -> bool {
        matches!(self, Subject::Tag(_))
    }
}

fn subject(world: &World, name: &str) -> Option<Subject> {
    if name == world.published_name(&RefPlace::Ledger) {
        return Some(Subject::Ledger);
    }
    if name.starts_with(OWN_REFS) {
        return Some(Subject::OwnNote);
    }
    if let Some(tag) = name.strip_prefix("refs/tags/") {
        return tag.parse().ok().map(Subject::Tag);
    }
    let environment = name.strip_prefix("refs/heads/")?.strip_prefix(world.branch_prefix.as_str())?;
    environment.parse().ok().map(Subject::Environment)
}

/// Updates that expect something else than what stands there. Git refuses them one by one, later, and may take the
/// rest: then what was judged together would not land together.
fn stale(before: &Repository, ours: &[(&Update, Subject)]) -> Result<Vec<Refused>, Problem> {
    let mut refused = Vec::new();
    for (update, _) in ours {
        if before.read_ref(&update.name)? != update.old {
            refused.push(update.refused("it moved since it was fetched", "git fetch origin, then push again"));
        }
    }
    Ok(refused)
}

/// When judging has to be over.
struct Deadline(Instant);

impl Deadline {
    fn after(limit: Duration) -> Self {
        Deadline(Instant::now() + limit)
    }

    fn check(&self) -> Result<(), Problem> {
        if Instant::now() < self.0 {
            return Ok(());
        }
        let message = format!("it was not judged within {} seconds", LONGEST.as_secs());
        Err(Problem { kind: super::Kind::Waited, ..Problem::refused("too_much", message) }
            .hint("push fewer refs at once"))
    }
}

/// The repository before and after the push.
struct Judging<'r> {
    world: &'r World,
    before: &'r Repository,
    after: &'r Repository,
    deadline: Deadline,
}

impl Judging<'_> {
    fn all(
        &self,
        ours: &[(&Update, Subject)],
        now: jiff::Timestamp,
        refused: &mut Vec<Refused>,
    ) -> Result<(), Problem> {
        let no_ledger = !refused.is_empty();
        let agents: BTreeSet<_> = ours
            .iter()
            .filter_map(|(_, subject)| if let Subject::Tag(tag) = subject { Some(tag.agent.clone()) } else { None })
            .collect();
        let foreseen = self.next_pass(Scope::Agents(agents), now)?;
        for (update, subject) in ours {
            self.deadline.check()?;
            let fault = match subject {
                Subject::Ledger => None,
                Subject::OwnNote => Some(update.refused(
                    "refs/pointsman/ is where a clone keeps its own notes, which are never pushed",
                    "push branches and tags only: git push origin --all, git push origin --tags",
                )),
                Subject::Tag(tag) => self.tag(update, tag, &foreseen)?,
                Subject::Environment(_) if no_ledger => None,
                Subject::Environment(name) => self.environment(update, name, &foreseen)?,
            };
            refused.extend(fault);
        }
        Ok(())
    }

    /// What the next pass would do about `scope` if the push landed.
    fn next_pass(&self, scope: Scope, now: jiff::Timestamp) -> Result<Foreseen, Problem> {
        let context = Context {
            repository: self.after,
            local: true,
            tags_as_fetched: false,
            now,
            committer: controller(),
            on_decided: None,
        };
        Ok(foresee(&context, &Order::look_at(scope), &mut Memory::load(self.after))?)
    }
}
