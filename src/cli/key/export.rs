//! `waloy key export-recovery`

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Place, generate};
use crate::cli::context::Context;
use crate::cli::destination::quoted;
use crate::cli::exit::Exit;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Kind, Result};
use crate::keys;

/// Write the recovery kit: it opens the replica when every passphrase is lost
///
/// 88 digits and letters, to be printed and kept elsewhere. Whoever has them reads the backup, without a passphrase, and
/// can forge one. They are good until `waloy key rotate --root`.
///
/// They are shown on a terminal, or written into a new file, and go nowhere else.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key export-recovery app.db             on the terminal
  waloy key export-recovery app.db -o kit.txt  into a file for you alone
  waloy restore app.db --key-file kit.txt      what it is good for
")]
pub(super) struct Args {
    /// The database whose replica it is, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// Write it into this file, mode 0600; a file that exists stays as it is
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json {
    output: String,
}

/// Runs the command.
///
/// # Errors
///
/// `key.no_terminal` if there is neither a terminal nor a file; `key.target_exists`; those of the library.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    if args.output.is_none() && (!ui.out_is_terminal || ui.mode.json) {
        let message = "a recovery kit is shown on a terminal or written into a file, and standard output is neither";
        return Err(Error::new(Kind::Usage, "key.no_terminal", message)
            .hint("name a file, which is made for you alone:  -o FILE"));
    }
    let place = Place::of(context, args.source).await?;
    let replica = place.unlocked(context).await?;
    let kit = keys::export_recovery(&replica).map_err(|error| place.explain(error, ui))?;
    let (location, at) = (place.store.location(), ui.time(SystemClock.now()));
    // Lines that begin with # are left out when it is read.
    let front = format!(
        "# Recovery kit of a waloy backup, made {at}\n# {}\n# waloy restore SOURCE --key-file THIS_FILE\n",
        location.escape_debug()
    );
    let text = Zeroizing::new([front.as_str(), &kit].concat());
    let Some(path) = &args.output else {
        ui.raw(&text);
        ui.note("whoever has it reads the backup: write it down, and clear the screen");
        return Ok(Exit::Ok);
    };
    generate::write(path, text.as_bytes())?;
    let shown = path.to_string_lossy();
    if ui.mode.json {
        ui.json("key_export_recovery", &Json { output: shown.into_owned() });
    } else {
        ui.note(format_args!("wrote the recovery kit to {shown}, for --key-file {}", quoted(&shown)));
        ui.note("whoever has it reads the backup: print it, keep it elsewhere, and delete the file");
    }
    Ok(Exit::Ok)
}
