//! Protect: the rules with which a forge keeps people from undoing what Pointsman promises.
//!
//! Four rules, the same everywhere: versions do not move, environment and ledger branches are written by the controller
//! alone, nobody rewrites or deletes those, and the default branch changes by review. Each becomes the requests that
//! the forge's own API takes. Patterns differ: GitHub's `*` stops at a slash, GitLab's does not, and Gitea's does so for
//! branches but not for tags.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Problem, Workspace};
use crate::policy::Policy;

/// Where the repository is hosted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Forge {
    /// GitHub, by rulesets.
    GitHub,
    /// GitLab, by protected branches and tags.
    GitLab,
    /// Gitea and Forgejo, by branch and tag protections.
    Gitea,
}

/// One request to the forge.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// What it is for, in one line.
    pub title: String,
    /// The path of the API, with the placeholders of the forge's own tool.
    pub path: String,
    /// What is posted.
    pub body: Value,
}

/// All rules of a repository.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Protection {
    /// For which forge.
    pub forge: Forge,
    /// The controller's account, or the word that stands for it.
    pub controller: String,
    /// Whether the caller said which account that is.
    pub controller_known: bool,
    /// What a person should know before.
    pub notes: Vec<String>,
    /// The requests.
    pub rules: Vec<Rule>,
}

/// What stands in the rules where the controller's account is not given.
const PLACEHOLDER: &str = "CONTROLLER";

/// What is protected.
struct Names {
    default_branch: String,
    prefix: String,
}

/// The rules that the repository's policy asks for.
pub fn protect(workspace: &Workspace, forge: Forge, controller: Option<&str>) -> Result<Protection, Problem> {
    let repository = &workspace.repository;
    let world = workspace.world()?;
    let (default_branch, tip) = world.default_branch(repository)?;
    // The draft's prefix counts before the policy is committed: protecting comes before the first push.
    let policy = match tip.map(|tip| repository.policy_text(tip)).transpose()?.flatten() {
        Some(text) => Policy::parse(&text)?,
        None => workspace.draft_policy()?,
    };
    let names = Names { default_branch, prefix: policy.branch_prefix.clone() };
    let given = controller.unwrap_or(PLACEHOLDER);
    let account = account(forge, controller)?;
    let rules = match forge {
        Forge::GitHub => github(&names, &account),
        Forge::GitLab => gitlab(&names, &account),
        Forge::Gitea => gitea(&names, &account),
    };
    let environments: Vec<_> =
        policy.environments.iter().map(|environment| format!("{}{}", names.prefix, environment.name)).collect();
    let mut notes = vec![format!("environment branches now: {}", environments.join(", "))];
    notes.extend(advice(forge).iter().map(|note| (*note).to_owned()));
    notes.push(
        "on a git server of your own there is more: `pointsman hook pre-receive` judges what is pushed".to_owned(),
    );
    Ok(Protection { forge, controller: given.to_owned(), controller_known: controller.is_some(), notes, rules })
}

/// GitHub and GitLab name accounts by number, Gitea by name.
fn account(forge: Forge, given: Option<&str>) -> Result<Value, Problem> {
    let Some(given) = given else { return Ok(json!(PLACEHOLDER)) };
    match (forge, given.parse::<u64>()) {
        (Forge::Gitea, _) => Ok(json!(given)),
        (_, Ok(number)) => Ok(json!(number)),
        (Forge::GitHub, Err(_)) => Err(Problem::usage("controller", "GitHub names accounts by number in rulesets")
            .hint(format!("--controller \"$(gh api users/{given} --jq .id)\""))),
        (Forge::GitLab, Err(_)) => Err(Problem::usage("controller", "GitLab names accounts by number in protections")
            .hint(format!("--controller \"$(glab api 'users?username={given}' | jq '.[0].id')\""))),
    }
}

fn advice(forge: Forge) -> &'static [&'static str] {
    match forge {
        Forge::GitHub => &[
            "`User` as actor_type is an account; for a GitHub App write `Integration` and the app's id, for a team `Team`",
            "a refused tag stays where it is under these rules: the next number is used",
            "the last rule asks for one review: make it 0 where one person works alone",
        ],
        Forge::GitLab => &[
            "naming one account in `allowed_to_push` needs Premium; without it write \"push_access_level\": 40 and make the controller a maintainer",
            "protected tags can be made by developers and changed by nobody with git; maintainers can delete them on the website",
            "GitLab may protect the default branch already: then the last request answers 409, and that is fine",
        ],
        Forge::Gitea => &[
            "Gitea has no rule by which people may make a tag but not move it: with the first rule the controller alone makes version tags",
            "where people publish from their own clones, leave the first rule out: a tag that was moved is put back by the next pass",
            "tag protections have an API since Gitea 1.23; before, and on some Forgejo versions, add them under Settings > Tags",
        ],
    }
}

/// Two rulesets for our branches: whoever bypasses the first one must not bypass the second.
fn github(names: &Names, controller: &Value) -> Vec<Rule> {
    let ours = json!([format!("refs/heads/{}*", names.prefix), "refs/heads/pointsman/*"]);
    let ruleset = |title: &str, name: &str, target: &str, include: Value, bypass: Value, rules: Value| Rule {
        title: title.to_owned(),
        path: "repos/{owner}/{repo}/rulesets".to_owned(),
        body: json!({
            "name": name,
            "target": target,
            "enforcement": "active",
            "bypass_actors": bypass,
            "conditions": { "ref_name": { "include": include, "exclude": [] } },
            "rules": rules,
        }),
    };
    let review = json!({
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": true,
        "require_code_owner_review": false,
        "require_last_push_approval": false,
        "required_review_thread_resolution": false,
    });
    vec![
        ruleset(
            "versions: anybody who may push makes one, nobody moves or deletes one",
            "Pointsman: versions do not move",
            "tag",
            json!(["refs/tags/*/v*", "refs/tags/**/v*"]),
            json!([]),
            json!([{ "type": "update" }, { "type": "deletion" }, { "type": "non_fast_forward" }]),
        ),
        ruleset(
            "environments and ledger: the controller alone writes them",
            "Pointsman: only the controller writes",
            "branch",
            ours.clone(),
            json!([{ "actor_type": "User", "actor_id": controller, "bypass_mode": "always" }]),
            json!([{ "type": "creation" }, { "type": "update" }]),
        ),
        ruleset(
            "environments and ledger: nobody rewrites or deletes them, the controller neither",
            "Pointsman: history only grows",
            "branch",
            ours,
            json!([]),
            json!([{ "type": "deletion" }, { "type": "non_fast_forward" }]),
        ),
        ruleset(
            "the default branch, where the policy is: changed by reviewed pull requests",
            "Pointsman: sources are reviewed",
            "branch",
            json!([format!("refs/heads/{}", names.default_branch)]),
            json!([]),
            json!([
                { "type": "deletion" },
                { "type": "non_fast_forward" },
                { "type": "pull_request", "parameters": review },
            ]),
        ),
    ]
}

/// Access levels of GitLab: nobody, developers, maintainers.
const NOBODY: u8 = 0;
const DEVELOPERS: u8 = 30;
const MAINTAINERS: u8 = 40;

/// Protected branches are never deleted or, with `allow_force_push` off, rewritten by a push.
fn gitlab(names: &Names, controller: &Value) -> Vec<Rule> {
    let branches = |title: &str, pattern: String| Rule {
        title: title.to_owned(),
        path: "projects/:id/protected_branches".to_owned(),
        body: json!({
            "name": pattern,
            "allow_force_push": false,
            "merge_access_level": NOBODY,
            "allowed_to_push": [{ "user_id": controller }],
        }),
    };
    vec![
        Rule {
            title: "versions: developers make them, nobody moves or deletes one with git".to_owned(),
            path: "projects/:id/protected_tags".to_owned(),
            // The star crosses slashes here, so this is `**/v*` too.
            body: json!({ "name": "*/v*", "create_access_level": DEVELOPERS }),
        },
        branches("environments: the controller alone writes them, nobody rewrites them", format!("{}*", names.prefix)),
        branches("the ledger: the same", "pointsman/*".to_owned()),
        Rule {
            title: "the default branch, where the policy is: changed by merge requests".to_owned(),
            path: "projects/:id/protected_branches".to_owned(),
            body: json!({
                "name": names.default_branch,
                "allow_force_push": false,
                "push_access_level": NOBODY,
                "merge_access_level": MAINTAINERS,
            }),
        },
    ]
}

/// A protected branch of Gitea can be neither deleted nor, without `enable_force_push`, rewritten.
fn gitea(names: &Names, controller: &Value) -> Vec<Rule> {
    let branches = |title: &str, pattern: String| Rule {
        title: title.to_owned(),
        path: "repos/{owner}/{repo}/branch_protections".to_owned(),
        body: json!({
            "rule_name": pattern,
            "enable_push": true,
            "enable_push_whitelist": true,
            "push_whitelist_usernames": [controller],
            "enable_force_push": false,
            "enable_merge_whitelist": true,
            "merge_whitelist_usernames": [],
        }),
    };
    vec![
        Rule {
            title: "versions: made by the controller, moved by nobody else".to_owned(),
            path: "repos/{owner}/{repo}/tag_protections".to_owned(),
            // The star crosses slashes here, so this is `**/v*` too.
            body: json!({ "name_pattern": "*/v*", "whitelist_usernames": [controller], "whitelist_teams": [] }),
        },
        branches("environments: the controller alone writes them, nobody rewrites them", format!("{}*", names.prefix)),
        branches("the ledger: the same", "pointsman/*".to_owned()),
        Rule {
            title: "the default branch, where the policy is: changed by reviewed pull requests".to_owned(),
            path: "repos/{owner}/{repo}/branch_protections".to_owned(),
            body: json!({
                "rule_name": names.default_branch,
                "enable_push": false,
                "enable_force_push": false,
                "required_approvals": 1,
                "dismiss_stale_approvals": true,
            }),
        },
    ]
}
