//! Gates: what a version must meet before it may enter an environment.

use std::collections::BTreeMap;
use std::fmt;

use super::environment::Working;
use super::{History, Served};
use crate::domain::{AgentId, EnvironmentName, VersionNumber};
use crate::policy::Environment;

/// A condition that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The version never was in the environment before.
    From {
        /// That environment.
        from: EnvironmentName,
    },
    /// The version was rolled back there.
    RolledBackIn {
        /// That environment.
        from: EnvironmentName,
    },
    /// Its content never was on the default branch.
    Merged,
    /// It has not been there long enough.
    Soak {
        /// In which environment.
        from: EnvironmentName,
        /// How long it has been there.
        been: jiff::SignedDuration,
        /// How long it must be.
        needed: jiff::SignedDuration,
        /// When it will have been long enough, if it stays.
        ready: Option<jiff::Timestamp>,
    },
    /// Nothing enters now.
    Frozen {
        /// When the freeze ends; nothing if that is not within a year.
        until: Option<jiff::Timestamp>,
        /// What the policy says about it.
        reason: Option<String>,
    },
    /// The caller did not say that they mean it.
    Confirm,
    /// The version is revoked.
    Revoked,
    /// The policy pins another version.
    Pinned {
        /// That one.
        pin: VersionNumber,
    },
}

impl Unmet {
    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Unmet::From { .. } => "from",
            Unmet::RolledBackIn { .. } => "rolled_back",
            Unmet::Merged => "merged",
            Unmet::Soak { .. } => "soak",
            Unmet::Frozen { .. } => "freeze",
            Unmet::Confirm => "confirm",
            Unmet::Revoked => "revoked",
            Unmet::Pinned { .. } => "pinned",
        }
    }

    /// When it may be over by itself.
    pub fn until(&self) -> Option<jiff::Timestamp> {
        match self {
            Unmet::Soak { ready, .. } => *ready,
            Unmet::Frozen { until, .. } => *until,
            _ => None,
        }
    }
}

/// A length of time to the second or coarser: `12m`, `1h 30m`.
fn length(span: jiff::SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let shown: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).take(2).map(|(n, unit)| format!("{n}{unit}")).collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.join(" ") }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmet::From { from } => write!(f, "it never was in `{from}`"),
            Unmet::RolledBackIn { from } => write!(f, "it was rolled back in `{from}`"),
            Unmet::Merged => f.write_str("its content never was on the default branch"),
            Unmet::Soak { from, been, needed, ready } => {
                write!(f, "it has been in `{from}` for {} of {}", length(*been), length(*needed))?;
                ready.map_or(Ok(()), |ready| write!(f, ", ready at {ready:.0}"))
            }
            Unmet::Frozen { until, reason } => {
                f.write_str("nothing enters now")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))?;
                until.map_or(Ok(()), |until| write!(f, ", until {until:.0}"))
            }
            Unmet::Confirm => f.write_str("it asks for confirmation"),
            Unmet::Revoked => f.write_str("the version is revoked"),
            Unmet::Pinned { pin } => write!(f, "pointsman.toml pins {pin} there"),
        }
    }
}

/// What the environment before serves at this point of the plan.
#[derive(Default)]
pub(super) struct Elsewhere {
    serves: BTreeMap<AgentId, Served>,
    rolled_back: BTreeMap<AgentId, Vec<VersionNumber>>,
}

impl Elsewhere {
    pub(super) fn of(before: Option<&Working<'_>>) -> Self {
        before.map_or_else(Elsewhere::default, |before| Elsewhere {
            serves: before.serves.clone(),
            rolled_back: before.rolled_back.clone(),
        })
    }
}

/// The gates of `environment` that `version` of `agent` does not meet now. `confirm` is not asked of what happens by
/// itself.
pub(super) fn unmet<H: History>(
    environment: &Environment,
    agent: &AgentId,
    version: VersionNumber,
    before: &Elsewhere,
    history: &H,
    now: jiff::Timestamp,
) -> Result<Vec<Unmet>, H::Error> {
    let mut unmet = Vec::new();
    if let Some(from) = &environment.from {
        let there = before.serves.get(agent) == Some(&Served::Version(version));
        let rolled_back = before.rolled_back.get(agent).is_some_and(|versions| versions.contains(&version));
        // History is walked only where what is there now does not answer.
        let stays =
            if there && environment.gates.soak.is_none() { Vec::new() } else { history.stays(from, agent, version)? };
        if rolled_back {
            unmet.push(Unmet::RolledBackIn { from: from.clone() });
        } else if !there && stays.is_empty() {
            unmet.push(Unmet::From { from: from.clone() });
        } else if let Some(needed) = environment.gates.soak {
            let been = stays
                .iter()
                .map(|stay| {
                    now.min(stay.until.unwrap_or(now)).duration_since(stay.since).max(jiff::SignedDuration::ZERO)
                })
                .fold(jiff::SignedDuration::ZERO, |sum, stay| sum.saturating_add(stay));
            if been < needed {
                let ready = if there { now.checked_add(needed - been).ok() } else { None };
                unmet.push(Unmet::Soak { from: from.clone(), been, needed, ready });
            }
        }
    }
    if environment.gates.merged && !history.merged(agent, version)? {
        unmet.push(Unmet::Merged);
    }
    if let Some(freeze) = environment.freeze.iter().find(|freeze| freeze.active(now)) {
        unmet.push(Unmet::Frozen { until: freeze.ends(now), reason: freeze.reason.clone() });
    }
    Ok(unmet)
}
