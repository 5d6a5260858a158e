//! Files that the program carries with it, listed by `build.rs`.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A folder of embedded files, by path.
pub type Folder = &'static [(&'static str, &'static [u8])];
