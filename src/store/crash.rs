//! Points between two effects at which a test may stop the process, as a power cut would.

/// Stops the process here if `POINTSMAN_CRASH_AT` says so; `POINTSMAN_CRASH_TRACE` names a file in which the points
/// that were passed are listed, so that a test can go through all of them. Debug builds only.
pub fn crash_point(name: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    if let Some(list) = std::env::var_os("POINTSMAN_CRASH_TRACE") {
        use std::io::Write as _;
        let file = std::fs::File::options().append(true).create(true).open(list);
        let written = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()));
        written.expect("a test's list of crash points can be written");
    }
    if std::env::var("POINTSMAN_CRASH_AT").is_ok_and(|at| at == name) {
        std::process::abort();
    }
}
