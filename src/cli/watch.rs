//! Says when files changed. A wake-up carries no facts: whoever is woken reads everything again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, PollWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Session;
use crate::ops::Problem;

/// Editors write a file in several steps; what comes this close together is one change.
const SETTLED: Duration = Duration::from_millis(200);

/// Something that never stops writing is looked at all the same.
const LONGEST_CHANGE: Duration = Duration::from_secs(2);

/// How often files are looked at where the system cannot tell.
const POLL: Duration = Duration::from_secs(1);

/// Folders to watch: the root itself, and others with everything below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    root: PathBuf,
    deep: BTreeSet<PathBuf>,
}

impl Places {
    /// The folder `root` alone.
    pub(super) fn of(root: &Path) -> Self {
        Places { root: root.to_owned(), deep: BTreeSet::new() }
    }

    /// Adds `folder`, seen from the root, with everything below it.
    pub(super) fn add(&mut self, folder: &str) {
        self.deep.insert(self.root.join(folder));
    }

    /// Each folder once: none that stands in another one that is watched with everything below it.
    fn modes(&self) -> Vec<(&Path, RecursiveMode)> {
        let inside = |path: &Path| path.ancestors().skip(1).any(|above| self.deep.contains(above));
        let deep = self.deep.iter().map(PathBuf::as_path).filter(|path| !inside(path));
        let mut modes: Vec<_> = deep.map(|path| (path, RecursiveMode::Recursive)).collect();
        if !self.deep.contains(&self.root) {
            modes.push((&self.root, RecursiveMode::NonRecursive));
        }
        modes
    }
}

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
    watcher: Box<dyn Watcher>,
    polling: bool,
    followed: Vec<PathBuf>,
}

impl<'s> Watch<'s> {
    /// A watch over nothing yet.
    pub(super) fn new(session: &'s Session) -> Result<Self, Problem> {
        let wake = Arc::new(Notify::new());
        let (watcher, polling): (Box<dyn Watcher>, _) = match notify::recommended_watcher(waker(&wake)) {
            Ok(watcher) => (Box::new(watcher), false),
            Err(error) => (poll(&wake, session, &error)?, true),
        };
        Ok(Watch { session, wake, end: Arc::new(Notify::new()), watcher, polling, followed: Vec::new() })
    }

    /// Watches `places` in place of what was watched before. Also a folder that is watched already is registered
    /// again, because another one may have taken its name.
    pub(super) fn follow(&mut self, places: &Places) -> Result<(), Problem> {
        for path in std::mem::take(&mut self.followed) {
            let _ = self.watcher.unwatch(&path);
        }
        for (path, mode) in places.modes() {
            match self.watcher.watch(path, mode) {
                Ok(()) => self.followed.push(path.to_owned()),
                // What is gone is noticed by the watch over the folder around it.
                Err(error) if is_gone(&error) => {}
                Err(error) if self.polling => return Err(cannot(&error)),
                Err(error) => {
                    self.watcher = poll(&self.wake, self.session, &error)?;
                    self.polling = true;
                    self.followed.clear();
                    return self.follow(places);
                }
            }
        }
        Ok(())
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

/// Wakes for everything but reading, which a check does itself, and what git keeps for itself.
fn waker(wake: &Arc<Notify>) -> impl Fn(notify::Result<Event>) + Send + 'static + use<> {
    let wake = Arc::clone(wake);
    move |event| {
        let of_git = |path: &PathBuf| path.iter().any(|part| part == ".git");
        let matters = match event {
            Ok(event) if event.need_rescan() => true,
            Ok(event) => !event.kind.is_access() && !event.paths.iter().all(of_git),
            // Events may have been lost.
            Err(_) => true,
        };
        if matters {
            wake.notify_one();
        }
    }
}

fn poll(wake: &Arc<Notify>, session: &Session, why: &notify::Error) -> Result<Box<dyn Watcher>, Problem> {
    session.tell(&format!("the system cannot tell about changes ({why}): looking every second"));
    // Contents, because times are compared by the second.
    let config = notify::Config::default().with_poll_interval(POLL).with_compare_contents(true);
    let watcher = PollWatcher::new(waker(wake), config).map_err(|error| cannot(&error))?;
    Ok(Box::new(watcher))
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn cannot(error: &notify::Error) -> Problem {
    Problem::refused("io", format!("cannot watch for changes: {error}"))
        .hint("raise the limit: sysctl fs.inotify.max_user_watches")
}
