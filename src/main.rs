//! The `waloy` command.

fn main() -> std::process::ExitCode {
    waloy::cli::main()
}
