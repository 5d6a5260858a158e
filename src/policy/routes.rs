//! Which agent answers a phone number: `[[environments.numbers]]` and the `routes.json` derived from it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Environment, PolicyError};
use crate::domain::{AgentId, EnvironmentName};

/// One row of `[[environments.numbers]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRoute {
    /// In international form: `+` and digits.
    pub number: String,
    /// Who answers.
    pub agent: AgentId,
    /// SIP headers that must be there, with these values.
    pub matches: BTreeMap<String, String>,
    /// SIP headers handed to the agent.
    pub set: BTreeMap<String, String>,
}

/// The row as people write it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NumberEntry {
    /// The number in international form, as a text: `"+442071234567"`.
    number: String,
    /// The agent that answers.
    agent: String,
    /// SIP headers that must be there, with these values; names are case-sensitive.
    #[serde(default, rename = "match")]
    matches: BTreeMap<String, String>,
    /// SIP headers handed to the agent.
    #[serde(default)]
    set: BTreeMap<String, String>,
}

/// One row of `routes.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// SIP headers that must be there; the row with the most wins, then the order of the file.
    #[serde(rename = "match")]
    pub matches: BTreeMap<String, String>,
    /// Who answers.
    pub agent: AgentId,
    /// SIP headers handed to the agent.
    pub set: BTreeMap<String, String>,
}

impl NumberEntry {
    pub(super) fn parse(self, environment: &EnvironmentName) -> Result<NumberRoute, PolicyError> {
        let digits = self.number.strip_prefix('+').unwrap_or_default();
        if !(5..=15).contains(&digits.len()) || !digits.bytes().all(|c| c.is_ascii_digit()) {
            let mut error = PolicyError::new(format!("`{}` in `{environment}` is not a phone number", self.number));
            error.hint = Some("write `+`, the country code and the number, digits only: `+442071234567`".to_owned());
            return Err(error);
        }
        let agent = self
            .agent
            .parse()
            .map_err(|error| PolicyError::new(format!("number `{}` in `{environment}`: {error}", self.number)))?;
        for (name, value) in self.matches.iter().chain(&self.set) {
            let token = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
            if !token || value.chars().any(char::is_control) {
                return Err(PolicyError::new(format!("`{name}` in `{environment}` is not a SIP header")));
            }
        }
        Ok(NumberRoute { number: self.number, agent, matches: self.matches, set: self.set })
    }
}

/// `routes.json` of an environment as canonical JSON, or nothing where it has no numbers.
pub fn document(environment: &Environment) -> Option<Vec<u8>> {
    if environment.numbers.is_empty() {
        return None;
    }
    let mut routes: BTreeMap<&str, Vec<Route>> = BTreeMap::new();
    for NumberRoute { number, agent, matches, set } in &environment.numbers {
        let row = Route { matches: matches.clone(), agent: agent.clone(), set: set.clone() };
        routes.entry(number).or_default().push(row);
    }
    Some(serde_json_canonicalizer::to_vec(&routes).expect("routes have string keys only"))
}

/// The canonical form of the `routes.json` in `bytes`; nothing if they hold no routes.
pub fn canonical(bytes: &[u8]) -> Option<Vec<u8>> {
    let routes: BTreeMap<String, Vec<Route>> = serde_json::from_slice(bytes).ok()?;
    serde_json_canonicalizer::to_vec(&routes).ok()
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn routes_keep_the_order_of_the_file_within_a_number() {
        let policy = Policy::parse(
            r#"
            [[environments]]
            name = "live"
            numbers = [
              { number = "+442071234567", agent = "b" },
              { number = "+442071234567", agent = "a", match = { X-Tier = "gold" }, set = { X-Q = "1" } },
            ]
            "#,
        )
        .unwrap();
        let document = String::from_utf8(super::document(&policy.environments[0]).unwrap()).unwrap();
        assert_eq!(
            document,
            r#"{"+442071234567":[{"agent":"b","match":{},"set":{}},{"agent":"a","match":{"X-Tier":"gold"},"set":{"X-Q":"1"}}]}"#
        );
    }

    #[test]
    fn a_number_belongs_to_one_environment() {
        let two = "[[environments]]\nname='a'\nnumbers=[{number='+4420712345',agent='x'}]\n\
                   [[environments]]\nname='b'\nnumbers=[{number='+4420712345',agent='x'}]";
        assert!(Policy::parse(two).unwrap_err().message.contains("two environments"));
        let local = "[[environments]]\nname='a'\nnumbers=[{number='0207',agent='x'}]";
        assert!(Policy::parse(local).unwrap_err().message.contains("not a phone number"));
    }
}
