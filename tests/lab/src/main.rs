//! A rollout in small on one machine: real tracker, real agents, and what it cost. See tests/README.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    narrows_lab::main(std::env::args_os())
}
