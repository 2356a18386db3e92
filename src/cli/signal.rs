//! Ctrl-C and SIGTERM.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a process to end.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// What asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Asked {
    /// 128 and the number of the signal, as shells have it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Asked::Interrupt => 130,
            Asked::Terminate => 143,
        }
    }
}

impl Signals {
    /// Takes the signals over from the system's default, which would end the process in the middle of things.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Asked::Interrupt,
            Some(()) = self.terminate.recv() => Asked::Terminate,
            else => std::future::pending().await,
        }
    }
}

/// From here on, the next of the signals ends the process at once, wherever it is: somebody waits no longer.
///
/// It has a runtime of its own, since that of the command is being shut down.
pub fn end_at_the_next() {
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async { Ok::<Asked, io::Error>(Signals::new()?.next().await) })
    };
    std::thread::spawn(move || {
        if let Ok(asked) = wait() {
            #[expect(clippy::exit, reason = "nothing is left to wait for")]
            std::process::exit(i32::from(asked.exit_code()));
        }
    });
}
