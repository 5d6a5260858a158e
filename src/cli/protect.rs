//! `pointsman protect`

use clap::ValueEnum;

use super::{Done, Session, views};
use crate::ops::protect::{Forge, Protection, protect};
use crate::present::escape::escape;
use crate::present::terminal::Style;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which forge
    #[arg(long, value_enum, default_value = "github")]
    forge: ForgeWord,
    /// The account that Pointsman pushes with: its number on GitHub and GitLab, its name on Gitea
    #[arg(long, value_name = "ACCOUNT")]
    controller: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ForgeWord {
    /// Rulesets, through `gh`
    Github,
    /// Protected branches and tags, through `glab`
    Gitlab,
    /// Branch and tag protections, through `curl`; Forgejo too
    Gitea,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let workspace = session.workspace()?;
    let forge = match args.forge {
        ForgeWord::Github => Forge::GitHub,
        ForgeWord::Gitlab => Forge::GitLab,
        ForgeWord::Gitea => Forge::Gitea,
    };
    let protection = protect(&workspace, forge, args.controller.as_deref())?;
    if !protection.controller_known {
        session.tell("say --controller <account>, or write it where the commands say \"CONTROLLER\"");
    }
    Ok(session.show(&protection, |style| text(&protection, style)))
}

fn text(protection: &Protection, _: &Style) -> String {
    let mut text = String::new();
    for note in &protection.notes {
        text.push_str(&comment(note));
    }
    if protection.forge == Forge::Gitea {
        text.push_str("# GITEA is the address of your server, OWNER and REPO name the repository,\n");
        text.push_str("# GITEA_TOKEN is a token with the scope write:repository\n");
    }
    for rule in &protection.rules {
        let body = serde_json::to_string_pretty(&rule.body).expect("a rule has string keys only");
        let command = match protection.forge {
            Forge::GitHub => format!("gh api --method POST {} --input -", views::shell_word(&rule.path)),
            Forge::GitLab => {
                let header = "--header 'Content-Type: application/json'";
                format!("glab api --method POST {} {header} --input -", views::shell_word(&rule.path))
            }
            Forge::Gitea => {
                let path = rule.path.replace("{owner}", "$OWNER").replace("{repo}", "$REPO");
                let headers = "-H \"Authorization: token $GITEA_TOKEN\" -H 'Content-Type: application/json'";
                format!("curl -fsS -X POST \"$GITEA/api/v1/{path}\" {headers} --data-binary @-")
            }
        };
        // The quoted word keeps the shell's hands off names in the body; JSON has no line that is only that word.
        text.push_str(&format!("\n{}{command} <<'RULE'\n{body}\nRULE\n", comment(&rule.title)));
    }
    text
}

fn comment(line: &str) -> String {
    format!("# {}\n", escape(line))
}
