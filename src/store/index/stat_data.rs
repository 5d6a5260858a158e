//! What an index remembers of a file, so that one that nobody touched need not be read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Where the fields are that are looked at alone.
const MTIME: usize = 8;
const DEVICE: std::ops::Range<usize> = 16..20;
const MODE: usize = 24;

/// How a file looked: its times, inode, mode, owner and size, as the index writes them.
#[derive(Clone, Copy)]
pub(in crate::store) struct StatData([u8; Self::SIZE]);

/// A moment as file systems tell it, in seconds and nanoseconds; git keeps 32 bits of each.
pub(in crate::store) type FileTime = (u32, u32);

/// The lower half of a number, which is what git keeps of it.
fn low(number: impl Into<i128>) -> u32 {
    let number: i128 = number.into();
    (number & i128::from(u32::MAX)) as u32
}

/// When the file was written last.
pub(in crate::store) fn mtime(file: &Metadata) -> FileTime {
    (low(file.mtime()), low(file.mtime_nsec()))
}

impl StatData {
    pub(super) const SIZE: usize = 40;

    pub(super) fn read(bytes: [u8; Self::SIZE]) -> Self {
        StatData(bytes)
    }

    /// How `file` looks, a link as itself.
    pub(in crate::store) fn of(file: &Metadata) -> Self {
        let mode: u32 = match file.file_type() {
            kind if kind.is_symlink() => 0o120_000,
            kind if !kind.is_file() => 0o040_000,
            _ if file.mode() & 0o100 == 0 => 0o100_644,
            _ => 0o100_755,
        };
        let fields = [
            low(file.ctime()),
            low(file.ctime_nsec()),
            low(file.mtime()),
            low(file.mtime_nsec()),
            low(file.dev()),
            low(file.ino()),
            mode,
            file.uid(),
            file.gid(),
            low(file.size()),
        ];
        let mut bytes = [0; Self::SIZE];
        for (place, field) in bytes.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        StatData(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// What kind of file it is, as the index writes it.
    pub(in crate::store) fn mode(&self) -> u32 {
        self.number(MODE)
    }

    /// Whether nothing tells the two apart. Git does not look at the device either: network mounts change theirs.
    pub(in crate::store) fn is_like(&self, other: &Self) -> bool {
        self.0[..DEVICE.start] == other.0[..DEVICE.start] && self.0[DEVICE.end..] == other.0[DEVICE.end..]
    }

    /// Whether a file that looks like `now` must be the one that was remembered, in an index that was `written` then. The
    /// clock of a file system ticks slowly: one as young as that may have changed after it was read, and look the same.
    pub(in crate::store) fn is_surely(&self, now: &Self, written: FileTime) -> bool {
        self.is_like(now) && (self.number(MTIME), self.number(MTIME + 4)) < written
    }

    /// Whether git tells the two apart. As it is mostly built, it looks at whole seconds.
    pub(in crate::store) fn is_like_to_git(&self, other: &Self) -> bool {
        let seconds = |stat: &Self| (stat.number(0), stat.number(MTIME));
        seconds(self) == seconds(other) && self.0[DEVICE.end..] == other.0[DEVICE.end..]
    }

    /// Whether git will not trust that the file is as it was, in an index that was `written` then, but read it.
    pub(in crate::store) fn is_young_to_git(&self, written: FileTime) -> bool {
        self.number(MTIME) >= written.0
    }
}
