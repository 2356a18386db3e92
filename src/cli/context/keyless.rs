//! Replicas of a program that cannot encrypt.

use super::Context;
use crate::cli::destination::Destination;
use crate::cli::secret;
use crate::error::Result;
use crate::replica::Replica;

impl Context {
    /// The replica at a destination.
    ///
    /// # Errors
    ///
    /// Options that make no sense; encryption, which is refused rather than left out.
    pub async fn open(&self, destination: &Destination) -> Result<Replica> {
        secret::refuse(self, destination).await?;
        Ok(Replica::plain(self.store(destination).await?))
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// As [`Context::open`].
    pub async fn open_as_it_is(&self, destination: &Destination) -> Result<Replica> {
        self.open(destination).await
    }
}
