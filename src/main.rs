//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    konektor_bridge::cli::run(std::env::args_os())
}
