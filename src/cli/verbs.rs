//! The verbs: what the help says of each, and which file does it.

use super::{
    Done, Session, chat, check, compare, completions, deliveries, demo, diff, discard, history, hold, hook, init, new,
    promote, protect, publish, reconcile, release, report, retire, revoke, rollback, schema, serve, status, test,
    token, verify, versions,
};
use crate::ops::Problem;

/// One verb and its arguments. Those of the others are not built: that is a seventh of the time the program takes to start.
#[derive(Debug, clap::Subcommand)]
#[command(defer = true)]
pub(super) enum Verb {
    /// Find the agents of this repository and write pointsman.toml
    ///
    /// Nothing is committed: you read the file, commit it, and run this again, which begins the ledger and the
    /// environments. What you wrote into the file stays as it is.
    Init(init::Args),
    /// Write a small, complete agent folder to start from
    New(new::Args),
    /// Show where everything stands: drafts, versions, environments, and what waits
    ///
    /// In a clone this is what was last fetched; --fetch asks the remote first.
    Status(status::Args),
    /// Compile drafts and tell what is wrong with them
    ///
    /// Checks one agent, or all of them with --all or outside any agent's folder; then also pointsman.toml and whether
    /// each folder can be the agent that it would be. Nothing is written, no remote is asked, and no commit is needed.
    /// The exit code is 1 if there are errors; publish refuses those too.
    Check(check::Args),
    /// Tell what the draft of an agent will do, and what of it is new compared with what is live
    ///
    /// What it will and won't say, which skill sends which fields where, guardrails, what its knowledge answers and what
    /// not, and what the compiler warns of. Lines that start with `+` are new, those with `-` are gone, compared with the
    /// version that the published environment serves.
    Report(report::Args),
    /// Show what differs between the draft, versions and environments
    ///
    /// A side is `draft` (the working tree), `draft:<branch>` or `draft:pr/<n>` (that tip), `v3` (a version) or `env:live`
    /// (what is served there). Without sides the newest version is compared with the draft; one side is compared with the
    /// draft. Two environments without an agent, or --all, compare every agent.
    ///
    /// First come the fields that differ, then the lines of each file: in two columns where the terminal has 100, in one
    /// otherwise. Files that no person reads line by line are shown in a readable form. Secrets are covered.
    Diff(diff::Args),
    /// Freeze the draft of an agent as its next version
    ///
    /// Commits the agent's folder if it differs from HEAD, makes the tag `<agent>/v<N>`, records it in the ledger, and
    /// moves it wherever `deploy = "latest"` says. An unchanged draft answers with the version that is there.
    Publish(publish::Args),
    /// List the published versions of an agent, newest first
    Versions(versions::Args),
    /// Move a version up into an environment
    ///
    /// By default the version that is in the environment before, else the newest one. Every gate of the environment must
    /// be met.
    Promote(promote::Args),
    /// Go back to a version that was live, and stay there
    ///
    /// One commit that names the older version again; nothing is compiled, no gate or freeze stops it. The agent is held
    /// in that environment until `release-hold` or an explicit promotion. Rolling back again answers with the rollback
    /// that stands; name a version with --to to go further back.
    Rollback(rollback::Args),
    /// Move several agents together, in one commit or not at all
    Release(release::Args),
    /// Keep an agent at the version it has in an environment
    Hold(hold::HoldArgs),
    /// Let an agent move again in an environment
    ///
    /// Versions that were rolled back from stay out until somebody promotes one explicitly.
    ReleaseHold(hold::ReleaseArgs),
    /// Take an agent out of an environment
    ///
    /// Nothing brings it back by itself; an explicit promotion does.
    Retire(retire::Args),
    /// Refuse every later move to a version
    ///
    /// Where it is live it stays live: roll back or promote another one there.
    Revoke(revoke::Args),
    /// Put the draft of an agent back to its newest version
    ///
    /// Folder and included files, in the working tree and in the index. Files that git ignores stay. What was there is
    /// kept for 30 days under a ref of its own, so nothing is asked before.
    Discard(discard::Args),
    /// Talk to an agent: to what is live, or with --draft to what you are editing
    ///
    /// Each line is a message; Ctrl-D ends it. Where the agent names a model, the endpoint is taken from the operator's file
    /// (--config); without one the offline responder answers. What is said is kept, and `--session` goes on with it.
    Chat(chat::Args),
    /// Run an agent's tests: against the draft, or what --against names
    ///
    /// Each file in `tests/` is a conversation and what must come of it. Where the agent names a model, the endpoint is taken
    /// from the operator's file (--config); without one the offline responder answers. Exit code 1 if a test fails.
    Test(test::Args),
    /// Show who moved what, where, when and why
    ///
    /// The same as `git log --first-parent env/<environment>`, read for you.
    History(history::Args),
    /// Put two environments side by side
    Compare(compare::Args),
    /// Run one pass over everything: accept tags, put back what was moved, deploy what policy wants
    Reconcile(reconcile::Args),
    /// Run the controller: accept tags, move environment branches, deliver and serve what is live
    ///
    /// Without --remote it works on the repository it is started in. With it, on a bare mirror of its own.
    /// SIGHUP reads the operator's file and the certificate again; the first SIGTERM or Ctrl-C drains, the second stops.
    Serve(serve::Args),
    /// Make, list and take back tokens of the control API
    ///
    /// They are kept, as hashes, in the controller's state folder; run this as the user that the controller runs as.
    Token(token::Args),
    /// Check that everything is as it must be: ledger, versions, tags, environments
    ///
    /// Reads the whole repository and changes nothing. Ends with 0 if every promise holds and the next pass has nothing to
    /// do, with 1 if not. `git fsck` is yours to run.
    Verify(verify::Args),
    /// Print the branch and tag rules for your forge, as commands to paste
    ///
    /// Versions do not move, environments and ledger are written by the controller's account only, the default branch
    /// changes by review. Nothing is sent: read the commands, then run them, or pipe them into a shell.
    Protect(protect::Args),
    /// Judge a push on your own git server, before it lands
    Hook(hook::Args),
    /// List webhook messages that were given up, and send them again
    ///
    /// A message that its receiver refused for about a day is kept below the controller's state folder. The controller
    /// tries it now and then; --replay lets it try at once. How all targets are doing is in `/status` and `/metrics` of
    /// the controller.
    Deliveries(deliveries::Args),
    /// Take a guided tour: publish, promote, roll back and serve three agents in a throwaway repository
    ///
    /// Needs no configuration and leaves nothing behind. The controller of the last stop goes on until Ctrl-C.
    Demo(demo::Args),
    /// Print JSON Schemas of agent files and of pointsman.toml, so that editors complete and check them
    ///
    /// Write them once with `pointsman schema --dir .schemas`, then name the schema in the first line of a file: in TOML
    /// with `#:schema ../../.schemas/skills.schema.json`, in YAML with
    /// `# yaml-language-server: $schema=../../.schemas/skills.schema.json`, in JSON with the key `"$schema"`. Editors with
    /// Taplo (Even Better TOML) or the YAML language server read these lines.
    Schema(schema::Args),
    /// Print what makes a shell complete the verbs and options of pointsman
    ///
    /// bash: pointsman completions bash > ~/.local/share/bash-completion/completions/pointsman
    ///
    /// zsh: pointsman completions zsh > ~/.zfunc/_pointsman, with ~/.zfunc in fpath
    ///
    /// fish: pointsman completions fish > ~/.config/fish/completions/pointsman.fish
    Completions(completions::Args),
}

impl Verb {
    /// Whether a controller can carry it out; the others are about the files and the state of this machine.
    fn is_for_a_server(&self) -> bool {
        match self {
            Verb::Status(_)
            | Verb::Report(_)
            | Verb::Diff(_)
            | Verb::Publish(_)
            | Verb::Versions(_)
            | Verb::Promote(_)
            | Verb::Rollback(_)
            | Verb::Release(_)
            | Verb::Hold(_)
            | Verb::ReleaseHold(_)
            | Verb::Retire(_)
            | Verb::Revoke(_)
            | Verb::Discard(_)
            | Verb::History(_)
            | Verb::Compare(_) => true,
            Verb::Init(_)
            | Verb::New(_)
            | Verb::Check(_)
            | Verb::Chat(_)
            | Verb::Test(_)
            | Verb::Reconcile(_)
            | Verb::Serve(_)
            | Verb::Token(_)
            | Verb::Verify(_)
            | Verb::Protect(_)
            | Verb::Hook(_)
            | Verb::Deliveries(_)
            | Verb::Demo(_)
            | Verb::Schema(_)
            | Verb::Completions(_) => false,
        }
    }

    /// Does it.
    pub(super) fn run(&self, session: &Session) -> Done {
        if session.global.server.is_some() && !self.is_for_a_server() {
            return Err(Problem::usage(
                "not_for_a_server",
                "this verb works on what is on this machine, and no server can do it",
            )
            .hint("leave out --server; where it must run over there, run it there"));
        }
        match self {
            Verb::Init(args) => init::run(args, session),
            Verb::New(args) => new::run(args, session),
            Verb::Status(args) => status::run(args, session),
            Verb::Check(args) => check::run(args, session),
            Verb::Report(args) => report::run(args, session),
            Verb::Diff(args) => diff::run(args, session),
            Verb::Publish(args) => publish::run(args, session),
            Verb::Versions(args) => versions::run(args, session),
            Verb::Promote(args) => promote::run(args, session),
            Verb::Rollback(args) => rollback::run(args, session),
            Verb::Release(args) => release::run(args, session),
            Verb::Hold(args) => hold::hold(args, session),
            Verb::ReleaseHold(args) => hold::release(args, session),
            Verb::Retire(args) => retire::run(args, session),
            Verb::Revoke(args) => revoke::run(args, session),
            Verb::Discard(args) => discard::run(args, session),
            Verb::Chat(args) => chat::run(args, session),
            Verb::Test(args) => test::run(args, session),
            Verb::History(args) => history::run(args, session),
            Verb::Compare(args) => compare::run(args, session),
            Verb::Reconcile(args) => reconcile::run(args, session),
            Verb::Serve(args) => serve::run(args, session),
            Verb::Token(args) => token::run(args, session),
            Verb::Verify(args) => verify::run(args, session),
            Verb::Protect(args) => protect::run(args, session),
            Verb::Hook(args) => hook::run(args, session),
            Verb::Deliveries(args) => deliveries::run(args, session),
            Verb::Demo(args) => demo::run(args, session),
            Verb::Schema(args) => schema::run(args, session),
            Verb::Completions(args) => completions::run(args, session),
        }
    }
}
