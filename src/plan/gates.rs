//! Gates: what a version must meet before it may enter an environment.

use std::fmt;

use super::environment::Working;
use super::{History, Sight};
use crate::domain::{AgentId, EnvironmentName, VersionNumber};
use crate::policy::Environment;

/// A condition that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// Nothing enters before pointsman.toml can be read.
    Closed {
        /// What is wrong with it.
        reason: String,
    },
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
            Unmet::Closed { .. } => "policy",
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
            Unmet::Closed { reason } => write!(f, "nothing enters before pointsman.toml can be read: {reason}"),
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

/// When all of `unmet` may be over by itself; nothing if one of them needs somebody to do something.
pub(super) fn over_by_itself(unmet: &[Unmet]) -> Option<jiff::Timestamp> {
    let all: Option<Vec<_>> = unmet.iter().map(Unmet::until).collect();
    all?.into_iter().max()
}

/// All of `unmet` in one sentence.
pub(super) fn joined(unmet: &[Unmet]) -> String {
    unmet.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The gates of `environment` that `version` of `agent` does not meet now, seen from the environment `before` as it is
/// at this point of the plan. `confirm` is not asked of what happens by itself.
pub(super) fn unmet<H: History>(
    environment: &Environment,
    agent: &AgentId,
    version: VersionNumber,
    before: Option<&Working<'_>>,
    sight: &Sight<'_, H>,
) -> Result<Vec<Unmet>, H::Error> {
    let now = sight.now;
    let mut unmet = Vec::new();
    if let Some(reason) = &environment.gates.closed {
        unmet.push(Unmet::Closed { reason: reason.clone() });
    }
    if sight.versions.get(agent, version).is_some_and(|known| known.revoked) {
        unmet.push(Unmet::Revoked);
    }
    if let Some(from) = &environment.from {
        unmet.extend(arrival(environment, from, agent, version, before, sight)?);
    }
    if environment.gates.merged && !sight.history.merged(agent, version)? {
        unmet.push(Unmet::Merged);
    }
    if let Some(frozen) = environment.frozen(now) {
        unmet.push(Unmet::Frozen { until: frozen.until, reason: frozen.reason });
    }
    Ok(unmet)
}

/// What is missing of having been in `from`, for long enough and without being rolled back there.
fn arrival<H: History>(
    environment: &Environment,
    from: &EnvironmentName,
    agent: &AgentId,
    version: VersionNumber,
    before: Option<&Working<'_>>,
    sight: &Sight<'_, H>,
) -> Result<Option<Unmet>, H::Error> {
    if before.is_some_and(|before| before.was_rolled_back(agent, version)) {
        return Ok(Some(Unmet::RolledBackIn { from: from.clone() }));
    }
    let there = before.is_some_and(|before| before.version(agent) == Some(version));
    // History is walked only where what is there now does not answer.
    if there && environment.gates.soak.is_none() {
        return Ok(None);
    }
    let stays = sight.history.stays(from, agent, version)?;
    if !there && stays.is_empty() {
        return Ok(Some(Unmet::From { from: from.clone() }));
    }
    let Some(needed) = environment.gates.soak else { return Ok(None) };
    let now = sight.now;
    let lengths = stays.iter().map(|stay| now.min(stay.until.unwrap_or(now)).duration_since(stay.since));
    // Clocks differ between machines: a stay that began in the future has no length yet.
    let been = lengths
        .map(|length| length.max(jiff::SignedDuration::ZERO))
        .fold(jiff::SignedDuration::ZERO, |sum, length| sum.saturating_add(length));
    if been >= needed {
        return Ok(None);
    }
    let ready = if there { now.checked_add(needed - been).ok() } else { None };
    Ok(Some(Unmet::Soak { from: from.clone(), been, needed, ready }))
}
