//! PolyAI's three environments and those of the policy.
//!
//! A policy that has all three names, or has no others, is taken by name. Any other three environments are taken in their
//! order. What else a policy has does not fit, and every call that is about environments says so.

use crate::api::call::Call;
use crate::domain::EnvironmentName;
use crate::ops::Problem;

const NAMES: [&str; 3] = ["sandbox", "pre-release", "live"];

/// One of the three, and the environment of the policy that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    /// What PolyAI calls it.
    pub(super) name: &'static str,
    /// What we call it.
    pub(super) environment: EnvironmentName,
    /// Whether the newest version goes there by itself.
    pub(super) takes_latest: bool,
    /// Whether versions come to it from another environment.
    pub(super) has_before: bool,
}

/// Those of the three that there are, in order.
#[derive(Debug)]
pub(super) struct Ladder(Vec<Rung>);

impl Ladder {
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        let environments = call.workspace.policy()?.environments;
        let names: Vec<&str> = environments.iter().map(|environment| environment.name.as_str()).collect();
        let place = by_name(&names).or_else(|| by_order(&names)).ok_or_else(|| {
            let message = format!("the environments {} cannot be told as sandbox, pre-release and live", shown(&names));
            Problem::refused("unknown_environment", message)
                .hint("name three environments in pointsman.toml, or use /api/v1, which knows any number of them")
        })?;
        let rungs = NAMES.into_iter().zip(place).filter_map(|(name, place)| {
            let environment = &environments[place?];
            let (takes_latest, has_before) = (environment.deploy_latest, environment.from.is_some());
            Some(Rung { name, environment: environment.name.clone(), takes_latest, has_before })
        });
        Ok(Ladder(rungs.collect()))
    }

    /// The environment that PolyAI calls `name`; nothing where the policy has none in that place.
    pub(super) fn named(&self, name: &str) -> Result<Option<&Rung>, Problem> {
        if !NAMES.contains(&name) {
            let message = format!("`environment` is one of sandbox, pre-release and live, not `{}`", short(name));
            return Err(Problem::usage("unknown_environment", message).hint("?environment=sandbox"));
        }
        Ok(self.0.iter().find(|rung| rung.name == name))
    }

    /// The same where something is to go there.
    pub(super) fn must_have(&self, name: &str) -> Result<&Rung, Problem> {
        self.named(name)?.ok_or_else(|| {
            Problem::usage("unknown_environment", format!("pointsman.toml has no environment in the place of `{name}`"))
                .hint("GET /v1/agents/{agentId}/deployments/active lists those that there are")
        })
    }

    pub(super) fn of_environment(&self, environment: &EnvironmentName) -> Option<&Rung> {
        self.0.iter().find(|rung| rung.environment == *environment)
    }

    pub(super) fn after(&self, rung: &Rung) -> Option<&Rung> {
        self.0.iter().skip_while(|other| *other != rung).nth(1)
    }

    /// All three names with what they stand for.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, Option<&Rung>)> {
        NAMES.into_iter().map(|name| (name, self.0.iter().find(|rung| rung.name == name)))
    }
}

type Places = [Option<usize>; 3];

fn by_name(names: &[&str]) -> Option<Places> {
    let places = NAMES.map(|name| names.iter().position(|other| *other == name));
    let fits = places.iter().all(Option::is_some) || names.iter().all(|name| NAMES.contains(name));
    fits.then_some(places)
}

fn by_order(names: &[&str]) -> Option<Places> {
    (names.len() == NAMES.len()).then_some([Some(0), Some(1), Some(2)])
}

fn shown(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(names: &[&str]) -> Option<Places> {
        by_name(names).or_else(|| by_order(names))
    }

    #[test]
    fn environments_are_told_by_name_or_by_order() {
        assert_eq!(places(&["sandbox", "pre-release", "live"]), Some([Some(0), Some(1), Some(2)]));
        assert_eq!(places(&["sandbox", "canary", "pre-release", "live"]), Some([Some(0), Some(2), Some(3)]));
        assert_eq!(places(&["sandbox", "live"]), Some([Some(0), None, Some(1)]));
        assert_eq!(places(&["dev", "staging", "production"]), Some([Some(0), Some(1), Some(2)]));
        assert_eq!(places(&["dev", "production"]), None);
        assert_eq!(places(&["dev", "qa", "staging", "live"]), None);
    }
}
