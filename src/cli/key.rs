//! `waloy key`: the passphrases and keys of a replica.

use clap::Subcommand;

use super::context::Context;
use super::exit::Exit;
use crate::error::Result;

mod generate;

/// Make passphrases and keys
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key generate                           a passphrase, on standard output
  waloy key generate -o /etc/waloy/passphrase  the same into a file for you alone
  waloy key generate --raw -o waloy.key        a key of 32 bytes
")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Args),
}

/// Runs the command.
///
/// # Errors
///
/// Those of each of them.
pub fn run(context: &Context, args: Args) -> Result<Exit> {
    match args.command {
        Command::Generate(args) => generate::run(context, &args),
    }
}
