//! What a token allows: a right, and which agents it is about. Nothing is allowed that no scope says.

use std::fmt;
use std::str::FromStr;

use crate::domain::{AgentId, EnvironmentName};

/// Something that may be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read drafts, versions, reports and history.
    AgentsRead,
    /// Change drafts, publish, mark versions.
    AgentsWrite,
    /// Talk to agents.
    ChatWrite,
    /// Approve versions for an environment.
    Approve(EnvironmentName),
    /// Move versions in an environment.
    Deploy(EnvironmentName),
    /// Everything.
    Admin,
}

/// A right, for all agents or for those below a prefix: `deploy:live@emea/*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// What may be done.
    pub right: Right,
    /// Whose ids begin with this, a slash at its end included; or the one agent of exactly this id.
    within: Option<String>,
}

/// A text that is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope: write agents:read, agents:write, chat:write, approve:<env>, deploy:<env> or admin, each with \
     an optional @<agent> or @<group>/*"
)]
pub struct InvalidScope(pub String);

/// What a call needs.
#[derive(Clone, Debug)]
pub struct Need<'n> {
    /// The right.
    pub right: Right,
    /// The agent that the call is about; nothing if it is about none, or about many.
    pub agent: Option<&'n AgentId>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Right::AgentsRead => f.write_str("agents:read"),
            Right::AgentsWrite => f.write_str("agents:write"),
            Right::ChatWrite => f.write_str("chat:write"),
            Right::Approve(environment) => write!(f, "approve:{environment}"),
            Right::Deploy(environment) => write!(f, "deploy:{environment}"),
            Right::Admin => f.write_str("admin"),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.right.fmt(f)?;
        match &self.within {
            Some(prefix) if prefix.ends_with('/') => write!(f, "@{prefix}*"),
            Some(agent) => write!(f, "@{agent}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let invalid = || InvalidScope(text.to_owned());
        let (right, within) = match text.split_once('@') {
            Some((right, within)) => (right, Some(within)),
            None => (text, None),
        };
        let environment = |name: &str| name.parse::<EnvironmentName>().map_err(|_| invalid());
        let right = match right.split_once(':') {
            Some(("agents", "read")) => Right::AgentsRead,
            Some(("agents", "write")) => Right::AgentsWrite,
            Some(("chat", "write")) => Right::ChatWrite,
            Some(("approve", name)) => Right::Approve(environment(name)?),
            Some(("deploy", name)) => Right::Deploy(environment(name)?),
            None if right == "admin" => Right::Admin,
            _ => return Err(invalid()),
        };
        let within = match within {
            None => None,
            // What is before the star is an agent's id or the beginning of one.
            Some(within) => {
                let id = within.strip_suffix("/*").unwrap_or(within);
                id.parse::<AgentId>().map_err(|_| invalid())?;
                Some(within.strip_suffix('*').unwrap_or(within).to_owned())
            }
        };
        Ok(Scope { right, within })
    }
}

crate::domain::as_text!(Scope);

impl Scope {
    /// Everything, everywhere.
    pub fn admin() -> Self {
        Scope { right: Right::Admin, within: None }
    }

    /// Whether this scope is about `agent`.
    pub fn covers(&self, agent: &AgentId) -> bool {
        match &self.within {
            None => true,
            Some(prefix) if prefix.ends_with('/') => agent.as_str().starts_with(prefix.as_str()),
            Some(only) => agent.as_str() == only,
        }
    }

    /// Whether this scope allows `need`. A call that is about no agent in particular needs the right for any: what it
    /// answers with is cut to the agents that are covered.
    pub fn allows(&self, need: &Need<'_>) -> bool {
        (self.right == Right::Admin || self.right == need.right) && need.agent.is_none_or(|agent| self.covers(agent))
    }

    /// Whether this scope allows `right` over every agent there is.
    pub fn allows_everywhere(&self, right: &Right) -> bool {
        self.within.is_none() && (self.right == Right::Admin || self.right == *right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(scope: &str, right: &str, agent: Option<&str>) -> bool {
        let agent: Option<AgentId> = agent.map(|agent| agent.parse().unwrap());
        let right = right.parse::<Scope>().unwrap().right;
        scope.parse::<Scope>().unwrap().allows(&Need { right, agent: agent.as_ref() })
    }

    #[test]
    fn scopes_are_read_and_written_the_same() {
        for text in ["agents:read", "deploy:live@emea/*", "approve:live@emea/support", "admin", "chat:write@support"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in
            ["", "agents", "agents:delete", "deploy:", "deploy:Live", "admin@", "admin@*", "agents:read@a/../b", "x@y"]
        {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_allowed_that_no_scope_says() {
        assert!(allows("deploy:live@emea/*", "deploy:live", Some("emea/support")));
        assert!(!allows("deploy:live@emea/*", "deploy:live", Some("emeax")));
        assert!(!allows("deploy:live@emea/*", "deploy:live", Some("apac/support")));
        assert!(!allows("deploy:live", "deploy:sandbox", Some("support")));
        assert!(!allows("agents:write", "agents:read", None));
        assert!(allows("agents:read@support", "agents:read", None));
        assert!(!allows("agents:read@support", "agents:read", Some("support/more")));
        assert!(allows("admin", "deploy:live", Some("support")));
        assert!(!allows("admin@emea/*", "deploy:live", Some("support")));
    }
}
