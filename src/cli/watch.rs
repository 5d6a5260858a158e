//! `--watch`: waits until files changed and stay as they are, or until Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::Session;
use crate::ops::Problem;
use crate::watch::{FileWatch, Places};

/// Editors write a file in several steps; what comes this close together is one change.
const SETTLED: Duration = Duration::from_millis(200);

/// Something that never stops writing is looked at all the same.
const LONGEST_CHANGE: Duration = Duration::from_secs(2);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Files changed and then stayed as they are for a moment.
    Changed,
    /// Ctrl-C.
    Ended,
}

/// A watch over files, until Ctrl-C.
pub(super) struct Watch<'s> {
    session: &'s Session,
    wake: Arc<Notify>,
    end: Arc<Notify>,
    files: FileWatch,
}

impl<'s> Watch<'s> {
    /// A watch over nothing yet.
    pub(super) fn new(session: &'s Session) -> Result<Self, Problem> {
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        let files = FileWatch::new(move |paths| {
            // What git keeps for itself is written by the check that looks.
            let of_git = |path: &PathBuf| path.iter().any(|part| part == ".git");
            if paths.is_empty() || !paths.iter().all(of_git) {
                waker.notify_one();
            }
        });
        let watch =
            Watch { session, wake, end: Arc::new(Notify::new()), files: files.map_err(|error| cannot(&error))? };
        watch.tell_polling(false);
        Ok(watch)
    }

    /// Watches `places` in place of what was watched before.
    pub(super) fn follow(&mut self, places: &Places) -> Result<(), Problem> {
        let polled = self.files.polling().is_some();
        self.files.follow(places).map_err(|error| cannot(&error))?;
        self.tell_polling(polled);
        Ok(())
    }

    fn tell_polling(&self, told: bool) {
        if let Some(why) = self.files.polling().filter(|_| !told) {
            self.session.tell(&format!("the system cannot tell about changes ({why}): looking every second"));
        }
    }

    /// Waits for a change that has settled, or for Ctrl-C.
    pub(super) async fn changed(&self) -> Woken {
        let settled = async {
            self.wake.notified().await;
            let quiet = async { while timeout(SETTLED, self.wake.notified()).await.is_ok() {} };
            let _ = timeout(LONGEST_CHANGE, quiet).await;
        };
        tokio::select! {
            biased;
            () = self.end.notified() => Woken::Ended,
            () = settled => Woken::Changed,
        }
    }

    /// Whether Ctrl-C was pressed.
    pub(super) async fn is_over(&self) -> bool {
        timeout(SETTLED, self.end.notified()).await.is_ok()
    }

    /// Lets Ctrl-C end the watch in place of the process.
    pub(super) fn end_on_ctrl_c(&self) {
        let end = Arc::clone(&self.end);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                end.notify_one();
            }
        });
    }
}

fn cannot(error: &notify::Error) -> Problem {
    Problem::refused("io", format!("cannot watch for changes: {error}"))
        .hint("raise the limit: sysctl fs.inotify.max_user_watches")
}
