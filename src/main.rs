//! The `pointsman` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pointsman::cli::main()
}
