//! Carrying out a plan: all objects first, then the refs, the ledger before what follows it.
//!
//! One attempt. Whatever is lost on the way is seen by the next pass, which decides anew.

use std::collections::{BTreeMap, BTreeSet};

use super::observe::View;
use super::{Context, Key, Made, Outcome, Remember, rebuild};
use crate::domain::ledger::{AcceptedHead, KeyRecord, PublishAnswer, to_document};
use crate::domain::record::{Action, Move, Record};
use crate::domain::{DeploymentId, Digest, EnvironmentName, ObjectId};
use crate::plan::{EnvironmentCommit, Plan, Step};
use crate::store::{
    Change, DraftCommit, EntryMode, LedgerEdit, RefPlace, Repository, Result, TreeEdits, crash_point, hold_path,
    root_commit,
};

/// A branch while its commits are staged.
struct Growing {
    head: AcceptedHead,
    tree: ObjectId,
    time: jiff::Timestamp,
    /// What the ledger's commit says of it: its newest commit's first line.
    subject: String,
    moved: bool,
}

/// Carries out `plan`, which was made for `view`.
pub fn apply(
    context: &Context<'_>,
    view: &View<'_>,
    plan: Plan,
    key: Option<(&Key, &Remember<'_>)>,
) -> Result<Outcome> {
    let repository = context.repository;
    let mut applying = Applying {
        context,
        view,
        plan: &plan,
        repository,
        edit: LedgerEdit::default(),
        changes: Vec::new(),
        growing: BTreeMap::new(),
        made: None,
        ledger_tip: None,
        kept: Vec::new(),
    };
    for step in &plan.steps {
        applying.step(step)?;
    }
    if let (Some((key, remember)), Some(answer)) = (key, &plan.answer) {
        // The commit is staged by now, so the answer kept in the deciding ledger commit can name it.
        let answer = remember(answer, applying.made.as_ref());
        applying.remember(&key.name, KeyRecord { request: key.request, time: context.now, answer })?;
    }
    let heads = applying.finish()?;
    let Applying { made, kept, ledger_tip, .. } = applying;
    // Refs that only repeat what is decided decide nothing by being late.
    if let Err(error) = view.world.follow(repository, view.accepted_tags()) {
        tracing::warn!(%error, "refs of this clone will follow later");
    }
    Ok(Outcome {
        plan,
        heads,
        ledger_tip,
        made,
        kept,
        ledger: view.ledger_trouble(),
        policy_note: view.policy_note.clone(),
        ignored: view.ignored.clone(),
    })
}

struct Applying<'a, 'r> {
    context: &'a Context<'r>,
    view: &'a View<'r>,
    plan: &'a Plan,
    repository: &'r Repository,
    edit: LedgerEdit,
    changes: Vec<Change>,
    growing: BTreeMap<EnvironmentName, Growing>,
    ledger_tip: Option<ObjectId>,
    made: Option<Made>,
    kept: Vec<(crate::domain::VersionTag, String)>,
}

impl Applying<'_, '_> {
    fn remember(&mut self, name: &Digest, record: KeyRecord) -> Result<()> {
        self.edit.key(&self.view.ledger, name, &record, self.context.now)
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::CreateTag { tag, object } => {
                self.changes.push(Change { place: RefPlace::Tag(tag.clone()), expected: None, new: *object });
            }
            Step::Accept { tag, accepted } => {
                self.edit.accept(tag, accepted.entry, accepted.record.commit);
                if let Some((name, request)) = accepted.key {
                    // Any controller finishes the answer of a publish from the tag alone.
                    let answer = PublishAnswer { version: tag.number, created: true, deployed: self.plan.deploys(tag) };
                    let answer = serde_json::to_value(answer).expect("an answer is plain JSON");
                    self.remember(&name, KeyRecord { request, time: accepted.record.time, answer })?;
                }
            }
            Step::Reject { tag, rejection } => self.edit.reject(self.repository, tag, rejection),
            Step::Forget { tag } => self.edit.forget_rejection(tag),
            Step::Mark { agent, marks, line } => self.edit.marks(self.repository, agent, marks, line.clone()),
            Step::RestoreTag { tag, astray } => {
                if !self.repository.has(astray.right) {
                    let raw = self.repository.blob(astray.raw)?;
                    self.repository.stage_raw_tag(&raw);
                }
                if let Some(found) = astray.found {
                    let kept = self.view.world.keep_foreign(self.repository, tag, found)?;
                    self.kept.push((tag.clone(), kept));
                }
                let place = RefPlace::Tag(tag.clone());
                self.changes.push(Change { place, expected: astray.found, new: astray.right });
            }
            Step::Begin { environment, carries_on } => self.begin(environment, carries_on.as_ref())?,
            Step::Follow { environment } => {
                self.grow(environment)?;
            }
            Step::Commit(commit) => self.commit(commit)?,
        }
        Ok(())
    }

    fn begin(&mut self, name: &EnvironmentName, carries_on: Option<&(EnvironmentName, AcceptedHead)>) -> Result<()> {
        let growing = match carries_on {
            Some((old, head)) => {
                self.edit.drop_head(old);
                let commit = self.repository.commit(head.head)?;
                let subject = format!("Begin {name} with the history of {old}");
                Growing { head: head.clone(), tree: commit.tree, time: commit.time, subject, moved: true }
            }
            None => Growing {
                head: AcceptedHead { head: root_commit(self.repository), height: 1, rolled_back: BTreeMap::new() },
                tree: crate::store::environment_root(self.repository),
                time: jiff::Timestamp::UNIX_EPOCH,
                subject: format!("Begin {name}"),
                moved: true,
            },
        };
        self.growing.insert(name.clone(), growing);
        Ok(())
    }

    /// The branch of `name` as it stands in this plan.
    fn grow(&mut self, name: &EnvironmentName) -> Result<&mut Growing> {
        if !self.growing.contains_key(name) {
            let environment = self.view.observed.environments.iter().find(|environment| environment.name == *name);
            let head = environment.and_then(|environment| environment.head.clone());
            let head = head.expect("the plan begins an environment before it moves anything in it");
            let commit = self.repository.commit(head.head)?;
            let growing = Growing { head, tree: commit.tree, time: commit.time, subject: String::new(), moved: false };
            self.growing.insert(name.clone(), growing);
        }
        Ok(self.growing.get_mut(name).expect("just inserted"))
    }

    fn commit(&mut self, planned: &EnvironmentCommit) -> Result<()> {
        let Applying { repository, context, .. } = *self;
        let deployment = DeploymentId::new(context.now);
        let mut edits = TreeEdits::default();
        for made in &planned.moves {
            let path = format!("agents/{}", made.agent);
            match made.entry {
                // A hold is about an agent and moves nothing, whatever is served.
                _ if matches!(planned.action, Action::Hold | Action::ReleaseHold) => {}
                Some(entry) => edits.put(&path, EntryMode::Tree, entry),
                None => edits.remove(&path),
            }
        }
        for (agent, hold) in &planned.holds {
            match hold {
                Some(hold) => edits.put(&hold_path(agent), EntryMode::Blob, repository.stage_blob(&to_document(hold))),
                None => edits.remove(&hold_path(agent)),
            }
        }
        if let Some(routes) = &planned.routes {
            match routes {
                Some(bytes) => edits.put("routes.json", EntryMode::Blob, repository.stage_blob(bytes)),
                None => edits.remove("routes.json"),
            }
        }
        let actor = planned.actor.clone().unwrap_or_else(|| context.committer.clone());
        let record = Record {
            subject: planned.subject.clone(),
            text: planned.text.clone(),
            action: planned.action,
            environment: planned.environment.clone(),
            actor: actor.to_string(),
            cause: planned.cause,
            moves: planned
                .moves
                .iter()
                .map(|made| Move { agent: made.agent.clone(), from: made.from, to: made.to, deployment })
                .collect(),
        };
        let growing = self.grow(&planned.environment)?;
        // Times rise along the line, or `git log --until` would answer wrongly after a clock was set back.
        let time = context.now.max(growing.time);
        let tree = repository.edit_tree(Some(growing.tree), &edits)?;
        let mut parents = vec![growing.head.head];
        parents.extend(planned.beside);
        let head = repository.stage_commit(tree, &parents, &actor, time, &record.message());
        growing.head.head = head;
        growing.head.height += 1;
        rebuild::fold(&mut growing.head.rolled_back, &record);
        (growing.tree, growing.time, growing.moved) = (tree, time, true);
        growing.subject = record.subject;
        if let Some(beside) = planned.beside {
            self.edit.keep(beside);
        }
        if planned.asked {
            self.made = Some(Made { deployment, commit: head });
        }
        Ok(())
    }

    /// The commits of others that what is written names for the first time.
    fn named(&self, draft: Option<&DraftCommit>) -> BTreeSet<ObjectId> {
        let mut named: BTreeSet<_> =
            self.view.rebuilt.iter().flat_map(|rebuilt| rebuilt.parents.iter().copied()).collect();
        for step in &self.plan.steps {
            match step {
                Step::Accept { accepted, .. } => {
                    let commit = accepted.record.commit;
                    let own = draft.filter(|draft| draft.commit() == commit);
                    named.insert(own.map_or(commit, DraftCommit::head));
                }
                Step::Commit(commit) => named.extend(commit.beside),
                _ => {}
            }
        }
        named
    }

    /// Writes everything and moves the refs. Returns the new accepted heads.
    fn finish(&mut self) -> Result<Vec<(EnvironmentName, ObjectId)>> {
        let repository = self.repository;
        let mut heads = Vec::new();
        for (name, growing) in &self.growing {
            if growing.moved {
                self.edit.head(repository, name, &growing.head, &growing.subject);
                heads.push((name.clone(), growing.head.head));
            }
            let expected = self.view.tips.get(name).copied().flatten();
            if expected != Some(growing.head.head) {
                let place = RefPlace::Environment(name.clone());
                self.changes.push(Change { place, expected, new: growing.head.head });
            }
        }
        if let Some(rebuilt) = &self.view.rebuilt {
            rebuilt.parents.iter().for_each(|parent| self.edit.keep(*parent));
        }
        let ledger = if self.edit.is_empty() && self.view.rebuilt.is_none() {
            self.view.ledger.tip()
        } else {
            Some(self.edit.commit(&self.view.ledger, &self.context.committer, self.context.now)?)
        };
        self.ledger_tip = ledger;
        if let Some(new) = ledger
            && self.view.ledger_ref != Some(new)
        {
            self.changes.push(Change { place: RefPlace::Ledger, expected: self.view.ledger_ref, new });
        }
        if self.changes.is_empty() {
            repository.drop_staged();
            return Ok(heads);
        }
        // A refused publish leaves the publisher's branch alone.
        let publishes = self.plan.steps.iter().any(|step| matches!(step, Step::CreateTag { .. }));
        let draft = self.view.draft.as_deref().filter(|_| publishes);
        self.view.world.check_moves(repository, &self.changes)?;
        if let Some(draft) = draft {
            draft.wait_for_locks(repository)?;
        }
        let named = self.named(draft);
        let written = self.view.world.write(repository, &self.changes, &named, draft)?;
        crash_point("objects written");
        let written = self.view.world.commit(repository, &self.changes, draft, written)?;
        if let (Some(told), Some(ledger)) = (self.context.on_decided, ledger) {
            told(ledger);
        }
        self.view.world.settle(repository, &self.changes, &named, written)?;
        Ok(heads)
    }
}
