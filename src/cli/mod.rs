//! The command line: parse, resolve, call one function of the library, render what it returned.
//!
//! Each command is a file, with its arguments and what its result looks like. Everything is printed through
//! [`ui::Ui`]; results go to standard output, what goes on and what went wrong to standard error. A command returns
//! an [`exit::Exit`], or an error that is shown once, here.

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use crate::error::{Error, Kind, Result};
use crate::storage::{Connections, Trouble};

mod anchor;
pub mod args;
pub mod argv;
mod codes;
pub mod compact;
pub mod context;
pub mod databases;
pub mod demo;
pub mod destination;
pub mod exit;
mod explain;
pub mod generated;
pub mod generations;
pub mod inspect;
#[cfg(feature = "encryption")]
pub mod key;
pub mod log;
pub mod progress;
pub mod prune;
mod reach;
mod reference;
pub mod render;
pub mod replicate;
pub mod restore;
pub mod secret;
pub mod signal;
pub mod status;
pub mod style;
pub mod sync;
pub mod ui;
pub mod usage;
pub mod verify;
pub mod version;

use args::{Cli, Command};
use context::Context;
use exit::Exit;
use signal::Signals;
use ui::{Mode, Ui};

/// How long what still runs in the background may take to end after a command was interrupted.
const GRACE: Duration = Duration::from_secs(2);

/// The whole program.
pub fn main() -> ExitCode {
    let args = argv::normalize(std::env::args_os());
    report_panics();
    match parse(args) {
        Ok(cli) => run(cli).into(),
        Err(exit) => exit.into(),
    }
}

fn parse(args: Vec<OsString>) -> Result<Cli, Exit> {
    let json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let parsed = args::command_here().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away has seen enough.
            let _ = error.print();
            Exit::Ok
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            let _ = error.print();
            Exit::Kind(Kind::Usage)
        }
        _ => {
            Ui::new(Mode { json, ..Mode::default() }).error(&usage::error(&error));
            Exit::Kind(Kind::Usage)
        }
    })
}

fn run(cli: Cli) -> Exit {
    let ui = Arc::new(Ui::new(cli.global.mode()));
    log::start(&ui);
    let context = Context {
        ui: Arc::clone(&ui),
        global: Arc::new(cli.global),
        trouble: Trouble::default(),
        connections: Connections::default(),
        #[cfg(feature = "encryption")]
        secrets: secret::Secrets::default(),
    };
    // Where the panic was has been told by the hook.
    let ended = catch_unwind(AssertUnwindSafe(|| in_runtime(&context, cli.command)));
    let ended = ended.unwrap_or(Ok(Exit::Kind(Kind::Internal)));
    match ended.and_then(|exit| ui.finish().map(|()| exit)) {
        Ok(exit) => exit,
        Err(error) => {
            ui.error(&error);
            Exit::Kind(error.kind())
        }
    }
}

fn in_runtime(context: &Context, command: Command) -> Result<Exit> {
    // Two threads are enough to wait for a store, and each costs memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // For what blocks there are 512 by default; none of that work waits long for another.
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .map_err(|error| Error::new(Kind::Failure, "runtime", "cannot start threads").because(error))?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new()
            .map_err(|error| Error::new(Kind::Failure, "runtime", "cannot wait for signals").because(error))?;
        match command {
            Command::Replicate(args) => replicate::run(context, args, &mut signals).await,
            command => tokio::select! {
                ended = one_shot(context, command) => ended,
                asked = signals.next() => {
                    signal::end_at_the_next();
                    context.ui.note("interrupted");
                    Ok(Exit::Signal(asked))
                }
            },
        }
    });
    runtime.shutdown_timeout(GRACE);
    ended
}

async fn one_shot(context: &Context, command: Command) -> Result<Exit> {
    let default = matches!(command, Command::Sync(_)).then_some(sync::TIMEOUT);
    let ends_itself = matches!(&command, Command::Verify(args) if args.is_monitoring());
    let run = async {
        match command {
            Command::Replicate(_) => unreachable!("replicate waits for signals itself"),
            Command::Restore(args) => restore::run(context, args).await,
            Command::RestoreToTime(args) => restore::run(context, args.into()).await,
            Command::Generations(args) => generations::run(context, args).await,
            Command::Inspect(args) => inspect::run(context, args).await,
            Command::Verify(args) => verify::run(context, args).await,
            Command::Sync(args) => sync::run(context, args).await,
            Command::Compact(args) => compact::run(context, args).await,
            Command::Prune(args) => prune::run(context, args).await,
            Command::Status(args) => status::run(context, args).await,
            #[cfg(feature = "encryption")]
            Command::Key(args) => key::run(context, args).await,
            Command::Demo(args) => demo::run(context, args).await,
            Command::Version(_) => Ok(version::run(context)),
            Command::Completions(args) => generated::completions(context, args),
            Command::Man(args) => generated::man(context, args),
        }
    };
    if ends_itself { run.await } else { context.within(default, run).await }
}

/// A broken invariant is told in one line, as every other error.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        let error = Error::new(Kind::Internal, "internal", format!("{}{place}", text.unwrap_or("a panic")))
            .hint("this is a bug of waloy: please report it with the line above; the database itself is untouched");
        let text = match std::env::args_os().any(|arg| arg == "--json") {
            true => render::error::json(&error),
            false => render::error::human(&error, style::Paint(false)),
        };
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }));
}
