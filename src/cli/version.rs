//! `waloy version`

use serde::Serialize;

use super::context::Context;
use super::exit::Exit;

/// Show the versions of waloy and of the SQLite in it
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy version
  waloy version --json | jq -r .sqlite
")]
pub struct Args {}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    sqlite: &'static str,
    compression: Vec<&'static str>,
    encryption: bool,
}

/// Runs the command.
pub fn run(context: &Context) -> Exit {
    let built_in =
        [("none", true), ("lz4", cfg!(feature = "compression-lz4")), ("zstd", cfg!(feature = "compression-zstd"))];
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
        sqlite: rusqlite::version(),
        compression: built_in.iter().filter(|(_, built_in)| *built_in).map(|(name, _)| *name).collect(),
        encryption: false,
    };
    if context.ui.mode.json {
        context.ui.json("version", &version);
    } else {
        context.ui.line(format_args!("waloy {}", version.version));
        context.ui.line(format_args!("SQLite {}, compression {}", version.sqlite, version.compression.join(" ")));
    }
    Exit::Ok
}
