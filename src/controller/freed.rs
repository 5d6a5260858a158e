//! Memory that a large pass has freed goes back to the system.
//!
//! glibc keeps what is freed in the middle of its heaps. After a pass over 10,000 changed agents that is more than the
//! controller needs for everything else (BENCHMARKS.md), and it would stay so for months.

/// A pass of this many steps is followed by giving memory back: it takes some ten milliseconds, which a pass of a few
/// steps should not cost.
const LARGE: usize = 500;

/// Gives back what a pass of `steps` steps has freed.
pub(super) fn give_back(steps: usize) {
    if steps >= LARGE {
        trim();
    }
}

#[cfg(target_env = "gnu")]
fn trim() {
    #[expect(unsafe_code, reason = "no safe wrapper of malloc_trim is known")]
    // SAFETY: it takes the allocator's own locks and moves nothing that is in use; zero means to keep no padding.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give freed pages back by themselves, or have no way to be asked.
#[cfg(not(target_env = "gnu"))]
fn trim() {}
