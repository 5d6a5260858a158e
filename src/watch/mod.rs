//! Watching files: says that something changed, never what. Whoever is told reads everything again, because events get
//! lost: of folders that are new, of file systems without them, and where the system's limits are reached.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, PollWatcher, RecursiveMode, Watcher};

/// How often files are looked at where the system cannot tell.
const POLL: Duration = Duration::from_secs(1);

/// Folders to watch: some alone, others with everything below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    alone: BTreeSet<PathBuf>,
    deep: BTreeSet<PathBuf>,
}

impl Places {
    /// Adds `folder` without what is in the folders below it.
    pub fn alone(&mut self, folder: PathBuf) {
        self.alone.insert(folder);
    }

    /// Adds `folder` with everything below it.
    pub fn deep(&mut self, folder: PathBuf) {
        self.deep.insert(folder);
    }

    /// Each folder once: none that stands in another one that is watched with everything below it.
    fn modes(&self) -> Vec<(&Path, RecursiveMode)> {
        let inside = |path: &Path| path.ancestors().skip(1).any(|above| self.deep.contains(above));
        let deep = self.deep.iter().map(PathBuf::as_path).filter(|path| !inside(path));
        let mut modes: Vec<_> = deep.map(|path| (path, RecursiveMode::Recursive)).collect();
        let alone = self.alone.iter().map(PathBuf::as_path).filter(|path| !self.deep.contains(*path) && !inside(path));
        modes.extend(alone.map(|path| (path, RecursiveMode::NonRecursive)));
        modes
    }
}

/// What changed, for telling one kind of file from another.
pub type Changed<'e> = &'e [PathBuf];

type OnChange = Arc<dyn Fn(Changed<'_>) + Send + Sync>;

/// A watch over files.
pub struct FileWatch {
    on_change: OnChange,
    watcher: Box<dyn Watcher + Send>,
    polling: Option<String>,
    followed: Vec<PathBuf>,
}

impl FileWatch {
    /// A watch over nothing yet. `on_change` is called for everything but reading, with no paths where events may have
    /// been lost.
    pub fn new(on_change: impl Fn(Changed<'_>) + Send + Sync + 'static) -> notify::Result<Self> {
        let on_change: OnChange = Arc::new(on_change);
        let (watcher, polling): (Box<dyn Watcher + Send>, _) = match notify::recommended_watcher(teller(&on_change)) {
            Ok(watcher) => (Box::new(watcher), None),
            Err(error) => (poll(&on_change)?, Some(error.to_string())),
        };
        Ok(FileWatch { on_change, watcher, polling, followed: Vec::new() })
    }

    /// Why files are looked at again and again, if the system cannot tell about changes.
    pub fn polling(&self) -> Option<&str> {
        self.polling.as_deref()
    }

    /// Watches `places` in place of what was watched before. Also a folder that is watched already is registered
    /// again, because another one may have taken its name.
    pub fn follow(&mut self, places: &Places) -> notify::Result<()> {
        for path in std::mem::take(&mut self.followed) {
            let _ = self.watcher.unwatch(&path);
        }
        for (path, mode) in places.modes() {
            match self.watcher.watch(path, mode) {
                Ok(()) => self.followed.push(path.to_owned()),
                // What is gone is noticed by the watch over the folder around it.
                Err(error) if is_gone(&error) => {}
                Err(error) if self.polling.is_some() => return Err(error),
                Err(error) => {
                    self.watcher = poll(&self.on_change)?;
                    self.polling = Some(error.to_string());
                    self.followed.clear();
                    return self.follow(places);
                }
            }
        }
        Ok(())
    }
}

fn teller(on_change: &OnChange) -> impl Fn(notify::Result<Event>) + Send + 'static + use<> {
    let on_change = Arc::clone(on_change);
    move |event| match event {
        Ok(event) if event.need_rescan() => on_change(&[]),
        Ok(event) if event.kind.is_access() => {}
        Ok(event) => on_change(&event.paths),
        Err(_) => on_change(&[]),
    }
}

fn poll(on_change: &OnChange) -> notify::Result<Box<dyn Watcher + Send>> {
    // Contents, because times are compared by the second.
    let config = notify::Config::default().with_poll_interval(POLL).with_compare_contents(true);
    Ok(Box::new(PollWatcher::new(teller(on_change), config)?))
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
