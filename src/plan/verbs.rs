//! Requests: promote, rollback, undo, retire, hold, release-hold, revoke. Each ends in steps or in a refusal that
//! names what is missing; a request for several agents is carried out for all of them or for none.

use std::collections::BTreeMap;

use super::environment::Working;
use super::gates;
use super::{Answer, EnvironmentCommit, History, Intent, Observed, Plan, Refusal, Request, Step, Unmet};
use crate::domain::ledger::{Hold, Revocation, VersionNumberKey};
use crate::domain::nearest::nearest;
use crate::domain::record::{Action, plain_text};
use crate::domain::{AgentId, EnvironmentName, VersionNumber, VersionTag};

type Outcome = Result<Answer, Refusal>;

/// Carries out `request` on the environments as they will be after the steps so far.
pub(super) fn carry_out<H: History>(
    observed: &Observed,
    environments: &mut [Working<'_>],
    request: &Request,
    history: &H,
    now: jiff::Timestamp,
    plan: &mut Plan,
) -> Result<Answer, H::Error> {
    let outcome = match &request.intent {
        Intent::Publish { agent } => published(observed, agent),
        Intent::Promote { to, versions, confirm } => match find(environments, Some(to), observed) {
            Ok(index) => promote(observed, environments, index, versions, *confirm, request, history, now, plan)?,
            Err(refusal) => Err(refusal),
        },
        Intent::Rollback { environment, agent, to } => match find(environments, environment.as_ref(), observed) {
            Ok(index) => rollback(observed, &mut environments[index], agent, *to, request, history, now, plan)?,
            Err(refusal) => Err(refusal),
        },
        Intent::Undo { environment, deployment: _, moves } => find(environments, Some(environment), observed)
            .and_then(|index| undo(observed, &mut environments[index], moves, request, now, plan)),
        Intent::Retire { environment, agent } => find(environments, environment.as_ref(), observed)
            .and_then(|index| retire(observed, &mut environments[index], agent, request, now, plan)),
        Intent::Hold { environment, agent } => find(environments, environment.as_ref(), observed)
            .and_then(|index| hold(observed, &mut environments[index], agent, request, now, plan)),
        Intent::ReleaseHold { environment, agent } => find(environments, environment.as_ref(), observed)
            .and_then(|index| release_hold(observed, &mut environments[index], agent, request, plan)),
        Intent::Revoke { version } => revoke(observed, environments, version, request, now, plan),
    };
    Ok(outcome.unwrap_or_else(Answer::Refused))
}

fn published(observed: &Observed, agent: &AgentId) -> Outcome {
    let made = observed.candidates.iter().find(|candidate| candidate.create && candidate.tag.agent == *agent);
    let made =
        made.ok_or_else(|| Refusal::new("nothing_to_publish", format!("nothing of `{agent}` was to be published")))?;
    match &made.verdict {
        super::Verdict::Accept(_) => Ok(Answer::Published(made.tag.clone())),
        super::Verdict::Refuse(rejection) => Err(Refusal::new("refused", rejection.reason.clone())),
        super::Verdict::Gone => Err(Refusal::new("refused", format!("`{}` is gone", made.tag))),
    }
}

/// The environment called `name`, or the published one.
fn find(environments: &[Working<'_>], name: Option<&EnvironmentName>, observed: &Observed) -> Result<usize, Refusal> {
    let published = observed.policy.published().map(|environment| &environment.name);
    let Some(name) = name.or(published) else {
        return Err(Refusal::new("no_environment", "no environment is named"));
    };
    let Some(index) = environments.iter().position(|environment| environment.name == *name) else {
        let known: Vec<_> = environments.iter().map(|environment| environment.name.as_str()).collect();
        let refusal = Refusal::new("unknown_environment", format!("no environment `{name}`"));
        return Err(match nearest(name.as_str(), known.iter().copied()) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal.hint(format!("there are: {}", known.join(", "))),
        });
    };
    if environments[index].is_foreign() {
        return Err(Refusal::new("foreign_branch", format!("the branch of `{name}` is not one of Pointsman's"))
            .hint("rename that branch, or set branch_prefix in pointsman.toml"));
    }
    if environments[index].policy.is_none() {
        return Err(Refusal::new(
            "not_named",
            format!("`{name}` is not named in pointsman.toml any more, so nothing moves there"),
        )
        .hint("name it again, or say `renamed_from` in the one that carries it on"));
    }
    Ok(index)
}

fn unknown_agent(observed: &Observed, agent: &AgentId) -> Refusal {
    let refusal = Refusal::new("no_published_version", format!("`{agent}` has no published version"));
    match nearest(agent.as_str(), observed.agents.keys().filter(|known| observed.knows(known)).map(AgentId::as_str)) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => refusal.hint(format!("pointsman publish {agent}")),
    }
}

fn unknown_version(observed: &Observed, agent: &AgentId, version: VersionNumber) -> Refusal {
    let newest = observed.versions(agent).into_keys().next_back();
    let refusal = Refusal::new("unknown_version", format!("`{agent}` has no version {version}"));
    match newest {
        Some(newest) => refusal.hint(format!("the newest is {newest}: pointsman versions {agent}")),
        None => unknown_agent(observed, agent),
    }
}

/// Fills in who and why, and adds the commit.
fn add(environment: &mut Working<'_>, plan: &mut Plan, mut commit: EnvironmentCommit, request: &Request) -> Answer {
    commit.text = plain_text(&request.reason);
    let answer =
        Answer::Moved { environment: commit.environment.clone(), action: commit.action, moves: commit.moves.clone() };
    environment.commit(plan, commit);
    answer
}

fn new_hold(request: &Request, now: jiff::Timestamp, rolled_back_from: Option<VersionNumber>) -> Hold {
    Hold { actor: request.actor.to_string(), time: now, reason: plain_text(&request.reason), rolled_back_from }
}

#[expect(clippy::too_many_arguments, reason = "one verb with all that it may look at")]
fn promote<H: History>(
    observed: &Observed,
    environments: &mut [Working<'_>],
    index: usize,
    versions: &BTreeMap<AgentId, Option<VersionNumber>>,
    confirm: bool,
    request: &Request,
    history: &H,
    now: jiff::Timestamp,
    plan: &mut Plan,
) -> Result<Outcome, H::Error> {
    let before = super::environment_before(environments, index);
    let source = environments[index].policy.and_then(|policy| policy.from.clone());
    let source = source.and_then(|from| environments.iter().position(|other| other.name == from));
    let target = &environments[index];
    let policy = target.policy.expect("find refuses environments without a policy");
    let mut moves = Vec::new();
    let mut unmet = Vec::new();
    for (agent, version) in versions {
        let known = observed.versions(agent);
        let chosen = match (version, source) {
            (Some(version), _) => Some(*version),
            (None, Some(source)) => environments[source].version(agent),
            (None, None) => known.iter().rev().find(|(_, known)| !known.revoked).map(|(number, _)| *number),
        };
        let Some(version) = chosen else {
            let refusal = match source {
                Some(source) if !known.is_empty() => {
                    let from = &environments[source].name;
                    Refusal::new("gate_unmet", format!("`{agent}` is not in `{from}`, so there is nothing to promote"))
                        .hint(format!("pointsman promote {agent} --to {from}"))
                }
                _ => unknown_agent(observed, agent),
            };
            return Ok(Err(refusal));
        };
        let Some(version_known) = known.get(&version) else {
            return Ok(Err(unknown_version(observed, agent, version)));
        };
        let there = target.version(agent) == Some(version);
        if !there {
            if version_known.revoked {
                unmet.push((agent.clone(), Unmet::Revoked));
            }
            if let Some(pin) = policy.pins.get(agent).filter(|pin| **pin != version) {
                unmet.push((agent.clone(), Unmet::Pinned { pin: *pin }));
            }
            let gates = gates::unmet(policy, agent, version, &before, history, now)?;
            unmet.extend(gates.into_iter().map(|gate| (agent.clone(), gate)));
        }
        moves.push((there, target.planned(agent, Some((version, *version_known)))));
    }
    if policy.confirm && !confirm && moves.iter().any(|(there, _)| !there) {
        unmet.extend(versions.keys().map(|agent| (agent.clone(), Unmet::Confirm)));
    }
    if !unmet.is_empty() {
        return Ok(Err(gate_refusal(&policy.name, unmet)));
    }
    let newest = |agent: &AgentId| {
        let versions = observed.versions(agent);
        versions.iter().rev().find(|(_, known)| !known.revoked).map(|(number, _)| *number)
    };
    // An explicit promotion ends a hold; in an environment that takes the latest by itself, one of an older version
    // begins a hold, or the next pass would undo it.
    let mut holds = BTreeMap::new();
    for (_, made) in &moves {
        let older = policy.deploy_latest && made.to != newest(&made.agent) && !policy.pins.contains_key(&made.agent);
        if older {
            let hold = new_hold(request, now, None);
            if target.holds.get(&made.agent).is_none_or(|held| held.rolled_back_from.is_some()) {
                holds.insert(made.agent.clone(), Some(hold));
            }
        } else if target.holds.contains_key(&made.agent) {
            holds.insert(made.agent.clone(), None);
        }
    }
    moves.retain(|(there, made)| !there || holds.contains_key(&made.agent));
    if moves.is_empty() {
        let serves: BTreeMap<_, _> = versions.keys().map(|agent| (agent.clone(), target.version(agent))).collect();
        let because = format!("`{}` serves it already", policy.name);
        return Ok(Ok(Answer::Already { environment: policy.name.clone(), serves, because }));
    }
    let moves: Vec<_> = moves.into_iter().map(|(_, made)| made).collect();
    let subject = format!("Promote {} to {}", Working::shown(&moves), target.name);
    let mut commit = target.draft_commit(Action::Promote, request.cause, Some(request.actor.clone()), subject);
    commit.moves = moves;
    commit.holds = holds;
    Ok(Ok(add(&mut environments[index], plan, commit, request)))
}

fn gate_refusal(environment: &EnvironmentName, unmet: Vec<(AgentId, Unmet)>) -> Refusal {
    let only_confirm = unmet.iter().all(|(_, gate)| *gate == Unmet::Confirm);
    let reasons: Vec<_> = unmet.iter().map(|(agent, gate)| format!("{agent}: {gate}")).collect();
    let message = if only_confirm {
        format!("`{environment}` asks for confirmation")
    } else {
        format!("`{environment}` may not be entered: {}", reasons.join("; "))
    };
    let hint = unmet.iter().find_map(|(agent, gate)| match gate {
        Unmet::Pinned { pin } => {
            Some(format!("change the pin of {agent} in pointsman.toml (it says {}) by pull request", pin.get()))
        }
        Unmet::From { from } => Some(format!("pointsman promote {agent} --to {from}")),
        Unmet::Confirm if only_confirm => Some("say --confirm if you mean it".to_owned()),
        Unmet::Merged => Some("merge the change to the default branch first".to_owned()),
        _ => None,
    });
    Refusal { code: "gate_unmet", message, hint, unmet }
}

#[expect(clippy::too_many_arguments, reason = "one verb with all that it may look at")]
fn rollback<H: History>(
    observed: &Observed,
    environment: &mut Working<'_>,
    agent: &AgentId,
    to: Option<VersionNumber>,
    request: &Request,
    history: &H,
    now: jiff::Timestamp,
    plan: &mut Plan,
) -> Result<Outcome, H::Error> {
    let versions = observed.versions(agent);
    if versions.is_empty() {
        return Ok(Err(unknown_agent(observed, agent)));
    }
    let name = environment.name.clone();
    let present = environment.version(agent);
    let standing = environment.holds.get(agent).filter(|hold| hold.rolled_back_from.is_some());
    let serves = |version| BTreeMap::from([(agent.clone(), version)]);
    if let (Some(hold), true) = (standing, to.is_none() || to == present) {
        let from = hold.rolled_back_from.expect("filtered above");
        let because = format!("it was rolled back from {from} and is held since");
        return Ok(Ok(Answer::Already { environment: name, serves: serves(present), because }));
    }
    if to.is_some() && to == present {
        let because = format!("`{name}` serves it already");
        return Ok(Ok(Answer::Already { environment: name, serves: serves(present), because }));
    }
    let empty = Vec::new();
    let rolled_back = environment.rolled_back.get(agent).unwrap_or(&empty);
    let target = match to {
        Some(version) => match versions.get(&version) {
            None => return Ok(Err(unknown_version(observed, agent, version))),
            Some(known) if known.revoked => {
                return Ok(Err(Refusal::new(
                    "revoked",
                    format!("{agent} {version} is revoked, so nothing goes back to it"),
                )
                .hint(format!("pointsman versions {agent}"))));
            }
            Some(_) if history.stays(&name, agent, version)?.is_empty() => {
                return Ok(Err(Refusal::new(
                    "never_live",
                    format!("{agent} {version} never was in `{name}`, so it is no rollback"),
                )
                .hint(format!("pointsman promote {agent} --to {name} --version {}", version.get()))));
            }
            Some(_) => Some(version),
        },
        None => history.earlier(&name, agent, &mut |version| {
            let usable = versions.get(&version).is_some_and(|known| !known.revoked);
            usable && Some(version) != present && !rolled_back.contains(&version)
        })?,
    };
    let Some(target) = target else {
        return Ok(Err(Refusal::new(
            "nothing_before",
            format!("nothing was in `{name}` before that `{agent}` could go back to"),
        )
        .hint(format!("take it out with: pointsman retire {agent} --env {name}"))));
    };
    let moves = vec![environment.planned(agent, Some((target, versions[&target])))];
    let subject = format!("Roll back {agent} to {target} in {name}");
    let mut commit = environment.draft_commit(Action::Rollback, request.cause, Some(request.actor.clone()), subject);
    commit.moves = moves;
    commit.holds.insert(agent.clone(), Some(new_hold(request, now, present)));
    Ok(Ok(add(environment, plan, commit, request)))
}

fn undo(
    observed: &Observed,
    environment: &mut Working<'_>,
    undone: &[(AgentId, Option<VersionNumber>, Option<VersionNumber>)],
    request: &Request,
    now: jiff::Timestamp,
    plan: &mut Plan,
) -> Outcome {
    let name = environment.name.clone();
    let mut moves = Vec::new();
    let mut holds = BTreeMap::new();
    for (agent, put, back) in undone {
        let present = environment.version(agent);
        if present == *back {
            continue;
        }
        if present != *put {
            let shown =
                |version: Option<VersionNumber>| version.map_or("nothing".to_owned(), |version| version.to_string());
            return Err(Refusal::new(
                "moved_on",
                format!(
                    "`{agent}` in `{name}` is at {} by now, not at {} as the deployment left it",
                    shown(present),
                    shown(*put)
                ),
            )
            .hint(format!("pointsman rollback {agent} --env {name}")));
        }
        let target = match back {
            None => None,
            Some(version) => match observed.versions(agent).get(version) {
                None => return Err(unknown_version(observed, agent, *version)),
                Some(known) if known.revoked => {
                    return Err(Refusal::new(
                        "revoked",
                        format!("{agent} {version} is revoked, so nothing goes back to it"),
                    ));
                }
                Some(known) => Some((*version, *known)),
            },
        };
        moves.push(environment.planned(agent, target));
        holds.insert(agent.clone(), Some(new_hold(request, now, present)));
    }
    if moves.is_empty() {
        let serves = undone.iter().map(|(agent, _, _)| (agent.clone(), environment.version(agent))).collect();
        return Ok(Answer::Already {
            environment: name,
            serves,
            because: "the deployment is undone already".to_owned(),
        });
    }
    let subject = format!("Roll back {} in {name}", Working::shown(&moves));
    let mut commit = environment.draft_commit(Action::Rollback, request.cause, Some(request.actor.clone()), subject);
    commit.moves = moves;
    commit.holds = holds;
    Ok(add(environment, plan, commit, request))
}

fn retire(
    observed: &Observed,
    environment: &mut Working<'_>,
    agent: &AgentId,
    request: &Request,
    now: jiff::Timestamp,
    plan: &mut Plan,
) -> Outcome {
    if !observed.knows(agent) {
        return Err(unknown_agent(observed, agent));
    }
    let name = environment.name.clone();
    if !environment.serves.contains_key(agent) {
        let serves = BTreeMap::from([(agent.clone(), None)]);
        return Ok(Answer::Already { environment: name, serves, because: "it is not served there".to_owned() });
    }
    let subject = format!("Retire {agent} from {name}");
    let mut commit = environment.draft_commit(Action::Retire, request.cause, Some(request.actor.clone()), subject);
    commit.moves = vec![environment.planned(agent, None)];
    // Held, or `latest` would bring it back in the next pass.
    commit.holds.insert(agent.clone(), Some(new_hold(request, now, None)));
    Ok(add(environment, plan, commit, request))
}

fn hold(
    observed: &Observed,
    environment: &mut Working<'_>,
    agent: &AgentId,
    request: &Request,
    now: jiff::Timestamp,
    plan: &mut Plan,
) -> Outcome {
    if !observed.knows(agent) {
        return Err(unknown_agent(observed, agent));
    }
    let name = environment.name.clone();
    if let Some(held) = environment.holds.get(agent) {
        let serves = BTreeMap::from([(agent.clone(), environment.version(agent))]);
        let because = format!("it is held since {:.0} by {}", held.time, held.actor);
        return Ok(Answer::Already { environment: name, serves, because });
    }
    let subject = format!("Hold {agent} in {name}");
    let mut commit = environment.draft_commit(Action::Hold, request.cause, Some(request.actor.clone()), subject);
    commit.moves = vec![stays(environment, observed, agent)];
    commit.holds.insert(agent.clone(), Some(new_hold(request, now, None)));
    Ok(add(environment, plan, commit, request))
}

fn release_hold(
    observed: &Observed,
    environment: &mut Working<'_>,
    agent: &AgentId,
    request: &Request,
    plan: &mut Plan,
) -> Outcome {
    if !observed.knows(agent) {
        return Err(unknown_agent(observed, agent));
    }
    let name = environment.name.clone();
    if !environment.holds.contains_key(agent) {
        let serves = BTreeMap::from([(agent.clone(), environment.version(agent))]);
        return Ok(Answer::Already { environment: name, serves, because: "it is not held".to_owned() });
    }
    let subject = format!("Release the hold on {agent} in {name}");
    let mut commit = environment.draft_commit(Action::ReleaseHold, request.cause, Some(request.actor.clone()), subject);
    commit.moves = vec![stays(environment, observed, agent)];
    commit.holds.insert(agent.clone(), None);
    Ok(add(environment, plan, commit, request))
}

/// A move from a version to itself: it names the agent that a hold is about.
fn stays(environment: &Working<'_>, observed: &Observed, agent: &AgentId) -> super::PlannedMove {
    let versions = observed.versions(agent);
    let present = environment.version(agent).and_then(|version| Some((version, *versions.get(&version)?)));
    environment.planned(agent, present)
}

fn revoke(
    observed: &Observed,
    environments: &[Working<'_>],
    version: &VersionTag,
    request: &Request,
    now: jiff::Timestamp,
    plan: &mut Plan,
) -> Outcome {
    let VersionTag { agent, number } = version;
    let Some(known) = observed.versions(agent).get(number).copied() else {
        return Err(unknown_version(observed, agent, *number));
    };
    let serving = environments.iter().filter(|environment| environment.version(agent) == Some(*number));
    let served_in = serving.map(|environment| environment.name.clone()).collect();
    if !known.revoked {
        let mut marks = observed.agents.get(agent).map(|state| state.marks.clone()).unwrap_or_default();
        let mark = marks.versions.entry(VersionNumberKey(*number)).or_default();
        mark.revoked =
            Some(Revocation { actor: request.actor.to_string(), time: now, reason: plain_text(&request.reason) });
        plan.steps.push(Step::Mark { agent: agent.clone(), marks, line: format!("Revoke {version}") });
    }
    Ok(Answer::Revoked { version: version.clone(), served_in, already: known.revoked })
}
