//! The stops of the tour, in order.

use super::{AGENTS, SETTINGS, Tour, write};
use crate::ops::Problem;

impl Tour<'_> {
    pub(super) fn take(&mut self) -> Result<(), Problem> {
        self.quietly(&["init", "-q", "-b", "main", "--template=", "."])?;
        for (key, value) in SETTINGS {
            self.quietly(&["config", key, value])?;
        }
        for (agent, files) in AGENTS {
            write(&self.dir.join("agents").join(agent), files)?;
        }
        self.stop(
            "Agents are folders",
            "Three agents: a dental practice's front desk (one prompt), an insurer's claims line (a graph), and a\n\
             restaurant's bookings (a PolyAI project). `init` finds them and writes the policy, which you commit.",
        );
        self.pointsman("init")?;
        self.git("add -A")?;
        self.git("commit -q -m 'Three agents'")?;
        self.pointsman("reconcile --once")?;
        self.git("branch")?;

        self.stop(
            "Publish: the working tree is the draft, a tag is a version",
            "A version is frozen: compiled, checked, numbered, and kept for ever. `sandbox` takes each one by itself.",
        );
        self.pointsman("publish front-desk --note 'As on the old system'")?;
        self.pointsman("publish claims --note 'As on the old system'")?;
        self.pointsman("publish reservations --note 'As on the old system'")?;
        self.git("tag -n1")?;

        self.stop(
            "Promote: a branch per environment says what is live",
            "Several agents move in one commit or not at all. `live` wants to hear that you mean it.",
        );
        self.pointsman("release front-desk claims reservations --to pre-release")?;
        self.refused("release front-desk claims reservations --to live")?;
        self.pointsman("release front-desk claims reservations --to live --confirm")?;
        self.git("log --first-parent --format='%h %an: %s' env/live")?;

        self.stop(
            "Change something and publish again",
            "Here somebody edits the greeting of the front desk. Nothing has to be committed first.",
        );
        self.greet("Linden Dental, this is Robin. This call is recorded. How can I help?")?;
        self.pointsman("diff front-desk")?;
        self.git("diff --unified=0 agents/front-desk")?;
        self.pointsman("publish front-desk --note 'Say that calls are recorded'")?;
        self.git("cat-file -p front-desk/v2")?;
        self.pointsman("promote front-desk --to pre-release")?;
        self.pointsman("promote front-desk --to live --confirm")?;
        self.pointsman("status")?;

        self.stop(
            "What is live is a published version, byte for byte",
            "The environment names the very tree that the ledger keeps for the version. Anybody can check that.",
        );
        self.git("rev-parse env/live:agents/front-desk")?;
        self.git("rev-parse pointsman/ledger:agents/front-desk/v2")?;

        self.stop(
            "Roll back: one commit forward that names the older version again",
            "Nothing is compiled. The agent is held there, so nothing automatic brings the bad version back.",
        );
        self.pointsman("rollback front-desk --reason 'Callers hang up at the notice'")?;
        self.git("rev-parse env/live:agents/front-desk")?;
        self.git("rev-parse pointsman/ledger:agents/front-desk/v1")?;
        self.git("diff --stat env/pre-release env/live -- agents/front-desk/source")?;

        self.stop("The audit trail", "Who moved what, where, when and why. In git it is the first-parent history.");
        self.pointsman("history front-desk --env live")?;
        self.git("log --first-parent --format='%h %an: %s' env/live -- agents/front-desk")?;

        self.stop(
            "Check everything",
            "Each promise is checked over the whole repository, from git alone. Git's own check says nothing where \
             nothing is wrong.",
        );
        self.pointsman("verify")?;
        self.git("fsck --strict --no-progress")?;
        Ok(())
    }
}
