//! With which key a replica is read, and with which it is written.

use std::sync::Arc;

use super::Context;
use crate::cli::destination::Destination;
use crate::cli::secret::{self, Encrypt};
use crate::error::Result;
use crate::replica::{Key, Replica, has_keys};
use crate::storage::Store;

impl Context {
    /// The replica at a destination, to read what is in it: opened with the passphrase or key that is configured. Where
    /// none is, somebody at a terminal is asked for that of a replica that is sealed.
    ///
    /// # Errors
    ///
    /// Options that make no sense; those of the source of the secret, and a wrong one; those of the store.
    pub async fn open(&self, destination: &Destination) -> Result<Replica> {
        let store = self.store(destination).await?;
        let secrets = &self.global.secret;
        let location = destination.location.to_string();
        let found = match secret::configured(self).await? {
            Some(found) => Some(found),
            None if secrets.encrypt == Encrypt::Off => None,
            None if secrets.encrypt == Encrypt::Required => Some(secret::required(self, &location).await?),
            // Somebody may have put another one in its place, in the clear.
            None if destination.sealed => Some(secret::required(self, &location).await?),
            None if secret::is_typed(self) && has_keys(&*store).await? => {
                Some(secret::required(self, &location).await?)
            }
            None => None,
        };
        let key = found.map(|found| secrets.key(found.secret.clone()));
        Ok(Replica::with(store, key.as_ref()).await?)
    }

    /// The same, for what also shows something to those who have no key: nobody is asked for one.
    ///
    /// # Errors
    ///
    /// As [`Context::open`].
    pub async fn open_as_it_is(&self, destination: &Destination) -> Result<Replica> {
        let store = self.store(destination).await?;
        let secrets = &self.global.secret;
        let found = match secret::configured(self).await? {
            None if secrets.encrypt == Encrypt::Required => {
                return Err(secret::missing(secrets, &destination.location.to_string()));
            }
            found => found,
        };
        let key = found.map(|found| secrets.key(found.secret.clone()));
        Ok(Replica::with(store, key.as_ref()).await?)
    }

    /// What a replica is sealed with by who writes to it; `None`: it is not. A new passphrase is asked for twice.
    ///
    /// # Errors
    ///
    /// As [`Context::open`]; `key.missing` if encryption is required, and there is neither a secret nor somebody to ask.
    pub async fn key_to_write(&self, destination: &Destination, store: &Arc<dyn Store>) -> Result<Option<Key>> {
        let secrets = &self.global.secret;
        let location = destination.location.to_string();
        let found = match secret::configured(self).await? {
            Some(found) => Some(found),
            None if secrets.encrypt == Encrypt::Off => None,
            None if !secret::is_typed(self) => match secrets.encrypt {
                Encrypt::Required => return Err(secret::missing(secrets, &location)),
                _ => None,
            },
            None if has_keys(&**store).await? => Some(secret::required(self, &location).await?),
            None if secrets.encrypt == Encrypt::Required => Some(secret::new(self, &location).await?),
            None => None,
        };
        Ok(found.map(|found| secrets.key(found.secret.clone())))
    }
}
