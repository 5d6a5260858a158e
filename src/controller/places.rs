//! What the loop watches: refs, loose and packed, and the files of the working tree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::mirror::Place;
use crate::live::{Bell, Live, Wake};
use crate::store::Repository;
use crate::watch::{FileWatch, Places};

/// Watches the refs of `place` and rings its bell; nothing to hold on to where nothing can be watched.
pub(super) fn watch_refs(place: &Place, live: &Arc<Live>) -> Option<FileWatch> {
    // Nobody but us writes a mirror.
    if place.is_mirror() {
        return None;
    }
    let repository = Repository::open(place.dir()).ok()?;
    let git = repository.common_dir().to_owned();
    let mut places = Places::default();
    // Not what lies below: objects change without end, and say nothing that refs do not.
    places.alone(git.clone());
    places.deep(git.join("refs"));
    let live = Arc::clone(live);
    watch(&places, move |paths| {
        if let Some(wake) = wake(paths, &git) {
            live.bell.ring(wake);
        }
    })
}

/// Watches the files of the working tree `root` and rings `bell`.
pub(super) fn watch_files(root: &Path, folders: &BTreeSet<PathBuf>, bell: &Arc<Bell>) -> Option<FileWatch> {
    let mut places = Places::default();
    places.alone(root.to_owned());
    folders.iter().for_each(|folder| places.deep(folder.clone()));
    let bell = Arc::clone(bell);
    watch(&places, move |paths| {
        let of_git = |path: &PathBuf| path.iter().any(|part| part == ".git");
        if paths.is_empty() || !paths.iter().all(of_git) {
            bell.ring(Wake::WorkTree);
        }
    })
}

fn watch(places: &Places, on_change: impl Fn(&[PathBuf]) + Send + Sync + 'static) -> Option<FileWatch> {
    match FileWatch::new(on_change).and_then(|mut files| files.follow(places).map(|()| files)) {
        Ok(files) => {
            if let Some(why) = files.polling() {
                tracing::warn!(
                    why,
                    "the system cannot tell about changes: looking every second; raise fs.inotify.max_user_watches and max_user_instances"
                );
            }
            Some(files)
        }
        Err(error) => {
            tracing::warn!(%error, "changes of files are not noticed: only the timer looks");
            None
        }
    }
}

/// What a change of `paths` wakes for, if it matters. In git's own folder only refs do; no paths mean that something
/// was missed.
fn wake(paths: &[PathBuf], git: &Path) -> Option<Wake> {
    if paths.is_empty() {
        return Some(Wake::Refs);
    }
    let matters = |path: &PathBuf| {
        let Ok(inside) = path.strip_prefix(git) else { return true };
        let is_lock = inside.extension().is_some_and(|end| end == "lock");
        let name = inside.iter().next().and_then(|name| name.to_str()).unwrap_or_default();
        // A rename tells both names; the lock alone is not a ref yet.
        !is_lock && matches!(name, "refs" | "packed-refs" | "HEAD" | "reftable" | "config")
    };
    paths.iter().any(matters).then_some(Wake::Refs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refs_wake() {
        let git = std::path::Path::new("/r/.git");
        let woken = |paths: &[&str]| wake(&paths.iter().map(PathBuf::from).collect::<Vec<_>>(), git);
        assert_eq!(woken(&["/r/.git/refs/tags/a/v1.lock", "/r/.git/refs/tags/a/v1"]), Some(Wake::Refs));
        assert_eq!(woken(&["/r/.git/packed-refs"]), Some(Wake::Refs));
        assert_eq!(woken(&[]), Some(Wake::Refs));
        assert_eq!(woken(&["/r/.git/refs/tags/a/v1.lock"]), None);
        assert_eq!(woken(&["/r/.git/index.lock", "/r/.git/index"]), None);
        assert_eq!(woken(&["/r/.git/pointsman/settled"]), None);
    }
}
