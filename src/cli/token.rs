//! `pointsman token`: tokens of the control API.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Done, Session};
use crate::ops::Problem;
use crate::present::escape::escape;
use crate::present::terminal::table;
use crate::tokens::{NewToken, Scope, Token, TokenError, Tokens};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The controller's state folder, as `serve --state` has it; by default that of a controller in this repository
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token and print it, once
    Create {
        /// Whose it is; commits that it makes name it
        #[arg(long)]
        name: String,
        /// What it allows: agents:read, agents:write, chat:write, deploy:live, admin; with @emea/* only there
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
        /// After which time it ends by itself, as 90d or 12h
        #[arg(long, value_name = "TIME", value_parser = length)]
        expires: Option<jiff::Span>,
    },
    /// List tokens, those that hold no more included
    List,
    /// Take a token back, by its id or name
    Revoke {
        /// Its id or name
        token: String,
    },
}

fn length(text: &str) -> Result<jiff::Span, String> {
    let span: jiff::Span = text.parse().map_err(|_| "write it as 90d, 12h or 30m".to_owned())?;
    if span.is_positive() { Ok(span) } else { Err("a token ends in the future".to_owned()) }
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let state = match &args.state {
        Some(state) => state.clone(),
        None => session.workspace()?.repository.own_dir(),
    };
    let tokens = Tokens::in_dir(&state);
    let now = jiff::Zoned::now();
    match &args.action {
        Action::Create { name, scope, expires } => {
            if name.trim().is_empty() || name.chars().any(char::is_control) || name.len() > 100 {
                return Err(
                    Problem::usage("bad_name", "a token's name is one line of up to 100 characters").hint("--name ci")
                );
            }
            let expires = expires.map(|span| now.checked_add(span)).transpose().map_err(|error| {
                Problem::usage("bad_time", format!("the token would end too late: {error}")).hint("--expires 90d")
            })?;
            let new = NewToken { name: name.clone(), scopes: scope.clone(), expires: expires.map(|at| at.timestamp()) };
            let issued = tokens.create(new, now.timestamp()).map_err(cannot)?;
            session.tell("this is shown once; keep it where secrets are kept");
            let shown = json!({ "id": issued.token.id, "name": issued.token.name, "scopes": issued.token.scopes,
                "expires": issued.token.expires, "token": issued.secret });
            Ok(session.show(&shown, |_| format!("{}\n", issued.secret)))
        }
        Action::List => {
            let all = tokens.all().map_err(cannot)?;
            let shown: Vec<_> = all.iter().map(|token| described(token, now.timestamp())).collect();
            Ok(session.show(&shown, |style| {
                let rows: Vec<_> = all.iter().map(|token| row(token, now.timestamp())).collect();
                table(&["id", "name", "scopes", "expires", "state"], &rows, style)
            }))
        }
        Action::Revoke { token } => {
            let revoked = tokens.revoke(token, now.timestamp()).map_err(cannot)?;
            for token in &revoked {
                session.tell(&format!("took back {} ({})", token.id, escape(&token.name)));
            }
            if session.global.json {
                session.print_json(&revoked.iter().map(|token| &token.id).collect::<Vec<_>>());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn state_of(token: &Token, now: jiff::Timestamp) -> &'static str {
    match (token.revoked, token.holds(now)) {
        (Some(_), _) => "taken back",
        (None, true) => "holds",
        (None, false) => "expired",
    }
}

fn described(token: &Token, now: jiff::Timestamp) -> serde_json::Value {
    json!({ "id": token.id, "name": token.name, "scopes": token.scopes, "created": token.created,
        "expires": token.expires, "state": state_of(token, now) })
}

fn row(token: &Token, now: jiff::Timestamp) -> Vec<String> {
    let scopes: Vec<_> = token.scopes.iter().map(ToString::to_string).collect();
    let expires = token.expires.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    vec![token.id.clone(), escape(&token.name), scopes.join(" "), expires, state_of(token, now).to_owned()]
}

fn cannot(error: TokenError) -> Problem {
    match &error {
        TokenError::Unknown(_) => Problem::refused("unknown_token", error.to_string()).hint("pointsman token list"),
        TokenError::Io { .. } => {
            Problem::refused("io", error.to_string()).hint("run it as the user that the controller runs as")
        }
        TokenError::Damaged { path, .. } => Problem::refused("corrupt", error.to_string())
            .hint(format!("move `{}` away and make tokens again", path.display())),
    }
}
