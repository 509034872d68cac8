//! `narrows-agent`: see [`narrows_agent::cli`].

fn main() -> std::process::ExitCode {
    narrows_agent::cli::main()
}
