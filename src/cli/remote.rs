//! `--server`: which controller, with which token, and which agent is meant where none is named.

use std::path::PathBuf;

use super::Session;
use super::serve::own_state;
use crate::client::{Client, is_this_machine};
use crate::domain::AgentId;
use crate::domain::agent_id::InvalidAgentId;
use crate::domain::nearest::nearest;
use crate::ops::{Problem, Workspace};
use crate::tokens::Tokens;

/// A controller that a verb is carried out by.
pub struct Remote {
    /// Its API.
    pub client: Client,
    /// The repository that the command was started in, if it was started in one.
    here: Option<Workspace>,
}

impl Remote {
    /// The controller at `address`.
    pub(super) fn new(address: String, session: &Session) -> Result<Self, Problem> {
        let global = &session.global;
        if global.local {
            return Err(Problem::usage("two_places", "`--local` means this repository and `--server` another machine")
                .hint("leave one of them out"));
        }
        if global.author.is_some() {
            return Err(Problem::usage(
                "two_identities",
                "a server acts as whoever its token names, not as `--author`",
            )
            .hint("leave out --author; pointsman token create --name <who> makes a token for somebody"));
        }
        let here = Workspace::open(&global.dir, false, jiff::Timestamp::now(), None).ok();
        let token = token(&address, here.as_ref())?;
        if address.starts_with("http://") && !is_this_machine(&address) {
            session.warn("the token goes over the network unprotected: use https://, or a tunnel");
        }
        Ok(Remote { client: Client::new(&address, &token)?, here })
    }

    /// The agent called `given`; without a name, the one whose folder this is, or the controller's only one.
    pub(super) fn agent(&self, given: Option<&str>) -> Result<AgentId, Problem> {
        if let Some(given) = given {
            // A path is taken too, because shells complete paths.
            let trimmed = given.trim_end_matches('/');
            let parsed = trimmed.strip_prefix("agents/").unwrap_or(trimmed).parse();
            return parsed.map_err(|error: InvalidAgentId| self.misspelt(given, error.into()));
        }
        if let Some(agent) = self.agent_in_this_folder() {
            return Ok(agent);
        }
        let (agents, total) = self.client.agents()?;
        match &agents[..] {
            [only] => Ok(only.clone()),
            [] => Err(Problem::usage("no_agents", "the controller has no agents, or none that this token may read")
                .hint("pointsman status --server <URL>")),
            many => {
                let names: Vec<_> = many.iter().take(8).map(ToString::to_string).collect();
                let more = if total > names.len() { ", …" } else { "" };
                Err(Problem::usage("which_agent", "there are several agents and none is named")
                    .hint(format!("name one of: {}{more}", names.join(", "))))
            }
        }
    }

    /// The refusal of a name that no agent can have, with the nearest one that there is.
    fn misspelt(&self, given: &str, problem: Problem) -> Problem {
        let agents = self.client.agents().map(|(agents, _)| agents).unwrap_or_default();
        match nearest(&given.to_lowercase(), agents.iter().map(AgentId::as_str)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        }
    }

    /// The agent in whose folder the command was started.
    pub(super) fn agent_in_this_folder(&self) -> Option<AgentId> {
        self.here.as_ref()?.agent_in_this_folder().ok()?
    }
}

/// The token to show: the variable's, else the one that a controller of this machine keeps for its administrator. That
/// one never leaves the machine.
fn token(address: &str, here: Option<&Workspace>) -> Result<String, Problem> {
    let set = std::env::var("POINTSMAN_TOKEN").ok().map(|token| token.trim().to_owned());
    if let Some(token) = set.filter(|token| !token.is_empty()) {
        return Ok(token);
    }
    let missing = Problem::usage("no_token", format!("there is no token to show to `{address}`"));
    if !is_this_machine(address) {
        return Err(missing.hint("set POINTSMAN_TOKEN; pointsman token create makes one, where the controller runs"));
    }
    let states =
        std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).into_iter().chain(here.into_iter().flat_map(|here| {
            let origin = here.repository.config("remote.origin.url").and_then(|origin| own_state(&origin));
            [Some(here.repository.own_dir()), origin].into_iter().flatten()
        }));
    let found = states.into_iter().find_map(|state| Tokens::in_dir(&state).kept_admin());
    found.ok_or_else(|| missing.hint("set POINTSMAN_TOKEN to what is in admin-token of the controller's state folder"))
}
