//! Which agent answers a call: a number, then the SIP headers that came with it.

use std::collections::{BTreeMap, HashMap};

use super::Environment;
use super::snapshot::{Found, Served};
use crate::domain::AgentId;
use crate::policy::routes::Route;

/// The routes of one environment, as its `routes.json` has them.
#[derive(Debug, Default, serde::Serialize)]
pub struct Routes(HashMap<String, Vec<Route>>);

/// The agent that a call gets.
#[derive(Debug)]
pub struct Routed<'s> {
    /// What is served for it.
    pub served: &'s Served,
    /// SIP headers to hand to it.
    pub set: &'s BTreeMap<String, String>,
}

/// Why a call gets nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    /// The number is not in this environment.
    #[error("no route for `{0}`")]
    UnknownNumber(String),
    /// No row of the number fits the headers.
    #[error("no route of `{0}` matches the call's headers")]
    NoMatch(String),
    /// The row names an agent that is not served here.
    #[error("`{number}` is routed to `{agent}`, which is not served in `{environment}`")]
    NotServed {
        /// The number.
        number: String,
        /// The agent.
        agent: AgentId,
        /// Where.
        environment: String,
    },
}

impl Routes {
    /// The routes in the bytes of a `routes.json`; nothing if they hold none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Routes)
    }

    /// `routes.json` again: canonical, so the same bytes that the environment branch holds; `{}` without any.
    pub fn document(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("routes have string keys only")
    }

    /// Whether `number` has a row here.
    pub fn has(&self, number: &str) -> bool {
        self.0.contains_key(number)
    }

    /// The row for a call to `number`: of those whose headers all fit, the one that asks for the most, then the first.
    /// Header names are compared without case, as SIP does (RFC 3261, section 7.3.1).
    fn choose(&self, number: &str, headers: &[(String, String)]) -> Result<&Route, Unrouted> {
        let rows = self.0.get(number).ok_or_else(|| Unrouted::UnknownNumber(number.to_owned()))?;
        let given = |name: &str, value: &str| {
            headers.iter().any(|(other, given)| other.eq_ignore_ascii_case(name) && given == value)
        };
        let mut best: Option<&Route> = None;
        for row in rows.iter().filter(|row| row.matches.iter().all(|(name, value)| given(name, value))) {
            if best.is_none_or(|best| row.matches.len() > best.matches.len()) {
                best = Some(row);
            }
        }
        best.ok_or_else(|| Unrouted::NoMatch(number.to_owned()))
    }
}

impl Environment {
    /// What a call to `number` with these SIP headers gets here.
    pub fn resolve(&self, number: &str, headers: &[(String, String)]) -> Result<Routed<'_>, Unrouted> {
        let row = self.routes.choose(number, headers)?;
        match self.agent(row.agent.as_str()) {
            Found::Served(served) => Ok(Routed { served, set: &row.set }),
            Found::Retired | Found::Nothing => Err(Unrouted::NotServed {
                number: number.to_owned(),
                agent: row.agent.clone(),
                environment: self.name.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_most_matched_headers_win_then_the_order_of_the_file() {
        let routes = Routes::parse(
            br#"{"+44":[{"agent":"plain","match":{},"set":{}},{"agent":"gold","match":{"X-Tier":"gold"},"set":{}},
                {"agent":"later","match":{"X-Tier":"gold"},"set":{}},
                {"agent":"both","match":{"X-Tier":"gold","X-Lang":"de"},"set":{}}]}"#,
        )
        .unwrap();
        let chosen = |given: &[(&str, &str)]| routes.choose("+44", &headers(given)).unwrap().agent.to_string();
        assert_eq!(chosen(&[]), "plain");
        assert_eq!(chosen(&[("x-tier", "gold")]), "gold");
        assert_eq!(chosen(&[("X-Tier", "gold"), ("X-Lang", "de")]), "both");
        assert_eq!(chosen(&[("X-Tier", "silver")]), "plain");
        assert_eq!(routes.choose("+1", &[]).unwrap_err(), Unrouted::UnknownNumber("+1".to_owned()));
    }
}
