//! Whether git takes files into the repository as they are on disk.
//!
//! Nothing is judged here: where any rule might convert a file, whatever it says, git is asked. That is so wherever there
//! are attributes at all, or settings that libgit2 does not read as git does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Repository;
use super::index::IndexFile;

/// What a folder's attributes are called.
const ATTRIBUTES: &str = ".gitattributes";

/// Attributes of the whole machine; settings too, where git was built under another prefix than the system's.
const OF_THE_MACHINE: [&str; 3] = ["/etc/gitattributes", "/usr/local/etc/gitattributes", "/usr/local/etc/gitconfig"];

impl Repository {
    /// Whether files of `folder` and below, all of which are in `index`, are sure to be taken as they are.
    pub(super) fn converts_nothing(&self, work_dir: &Path, index: &IndexFile<'_>, folder: &str) -> bool {
        let around = folder.match_indices('/').map(|(slash, _)| &folder[..slash]).chain(["", folder]);
        let of_folders = around.map(|folder| work_dir.join(folder).join(ATTRIBUTES));
        let of_clone = self.common_dir().join("info/attributes");
        let of_machine = OF_THE_MACHINE.into_iter().map(PathBuf::from);
        let mut attributes = of_folders.chain([of_clone]).chain(of_machine).chain(of_person());
        // Git reads those of the index where the file is not checked out.
        !attributes.any(|file| file.exists()) && !index.has_any_called(ATTRIBUTES) && self.settings_convert_nothing()
    }

    fn settings_convert_nothing(&self) -> bool {
        std::env::vars_os().all(|variable| is_read_by_libgit2(&variable))
            && self.git.config().and_then(|config| convert_nothing(&config)).unwrap_or(false)
    }
}

/// Where a person's attributes are by default.
fn of_person() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let settings = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(settings.join("git/attributes"))
}

/// Whether what an environment variable says of settings is what libgit2 reads, or less.
fn is_read_by_libgit2((name, value): &(OsString, OsString)) -> bool {
    let name = name.to_string_lossy();
    match &*name {
        "GIT_CONFIG_NOSYSTEM" => true,
        "GIT_CONFIG_GLOBAL" => {
            let usual = std::env::var_os("HOME").map(|home| Path::new(&home).join(".gitconfig"));
            value == "/dev/null" || usual.is_some_and(|usual| usual == Path::new(value))
        }
        name => !name.starts_with("GIT_CONFIG") && !name.starts_with("GIT_ATTR"),
    }
}

fn convert_nothing(config: &git2::Config) -> Result<bool, git2::Error> {
    let mut entries = config.entries(None)?;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let harmless = match entry.name_bytes() {
            b"core.autocrlf" => entry.has_value() && entry.value_bytes() == b"false",
            b"core.attributesfile" | b"attr.tree" => false,
            // Conditions that libgit2 does not know.
            name => !name.starts_with(b"includeif."),
        };
        if !harmless {
            return Ok(false);
        }
    }
    Ok(true)
}
