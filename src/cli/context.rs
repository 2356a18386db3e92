//! What every command works with.

use std::sync::Arc;
use std::time::Duration;

use super::args::Global;
use super::destination::{Destination, s3_options, variable};
use super::progress::Bar;
use super::reach::Reached;
#[cfg(feature = "encryption")]
use super::secret;
use super::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::storage::{Connections, S3Options, Store, Trouble};

#[cfg(not(feature = "encryption"))]
mod keyless;
#[cfg(feature = "encryption")]
mod keys;

/// The streams and the options that every command takes.
#[derive(Clone, Debug)]
pub struct Context {
    /// The streams.
    pub ui: Arc<Ui>,
    /// The options.
    pub global: Arc<Global>,
    /// What a store is trying to get over at the moment.
    pub trouble: Trouble,
    /// What the stores of all databases are reached by.
    pub connections: Connections,
    /// The passphrase or key of this run: see [`secret::configured`].
    #[cfg(feature = "encryption")]
    pub secrets: secret::Secrets,
}

impl Context {
    /// How a destination is reached: as flags and environment say, and otherwise as before.
    pub fn reached(&self, destination: &Destination) -> Reached {
        Reached::new(&self.global.s3, destination.reach.as_ref(), variable)
    }

    /// The store at a destination. No request is sent yet.
    ///
    /// # Errors
    ///
    /// Options that make no sense.
    pub async fn store(&self, destination: &Destination) -> Result<Arc<dyn Store>> {
        let reached = self.reached(destination);
        if let Some(as_before) = reached.as_before() {
            tracing::debug!(destination = %destination.location, as_before, "reached as before");
        }
        let connections = self.connections.clone();
        let options = S3Options { connections, ..s3_options(&self.global.s3, reached.options, variable)? };
        destination.location.open_telling(&options, self.trouble.clone()).await
    }

    /// A bar for a long operation.
    pub fn progress(&self) -> Arc<Bar> {
        Bar::new(&self.ui)
    }

    /// Ends a command that takes too long.
    ///
    /// # Errors
    ///
    /// Those of the command, and its time being over.
    pub async fn within<T>(&self, default: Option<Duration>, command: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(limit) = self.global.timeout.or(default) else { return command.await };
        tokio::time::timeout(limit, command).await.unwrap_or_else(|_| Err(self.too_late(limit)))
    }

    /// The time is over: a store that was being tried again says why.
    fn too_late(&self, limit: Duration) -> Error {
        let shown = crate::config::duration::format(limit);
        let error = Error::new(Kind::Unavailable, "timeout", format!("not done after {shown}"));
        let Some(trouble) = self.trouble.take().map(Error::from) else { return error.hint("pass a longer --timeout") };
        let error = trouble.hints().iter().fold(error, |error, hint| error.hint(hint));
        error.because(trouble)
    }
}
