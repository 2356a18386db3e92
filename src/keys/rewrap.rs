//! Data keys on their way from one root key to another, and `replica` with them.

use bytes::Bytes;

use super::Error;
use super::roots::Root;
use super::unlocked::{put_new, put_over};
use crate::format::ReplicaIds;
use crate::replica::{self, KEY_LIMIT, REPLICA, ids_under, key_names, located};
use crate::seal::{self, DataKeyHeader, Epoch, KeyName, Keyring, RootKey};
use crate::storage::Store;
use crate::units::Timestamp;

/// How often the keys are gone through until nothing is left to do.
const ROUNDS: usize = 8;

/// The data keys on their way from one root key to another.
pub(super) struct Work<'a> {
    store: &'a dyn Store,
    ids: ReplicaIds,
    sources: Vec<(RootKey, Keyring)>,
}

impl<'a> Work<'a> {
    /// From any of these root keys.
    pub(super) fn new(store: &'a dyn Store, ids: ReplicaIds, sources: &[Root]) -> Work<'a> {
        let keyring = |root: &Root| (root.key.clone(), Keyring::new(&root.key, ids.replica, ids.database));
        Work { store, ids, sources: sources.iter().map(keyring).collect() }
    }

    fn keyring(&self, root: &RootKey) -> Keyring {
        Keyring::new(root, self.ids.replica, self.ids.database)
    }

    async fn epochs(&self) -> Result<Vec<Epoch>, Error> {
        let epoch = |name| match name {
            KeyName::DataKey(epoch) => Some(epoch),
            KeyName::Slot(_) => None,
        };
        Ok(key_names(self.store).await?.into_iter().filter_map(epoch).collect())
    }

    /// Opens every data key, and says whether all of them are under the root key to come.
    pub(super) async fn survey(&mut self, target: Option<&Root>) -> Result<bool, Error> {
        let mut target = target.map(|root| self.keyring(&root.key));
        let mut all_new = true;
        for epoch in self.epochs().await? {
            let bytes = self.get(epoch).await?;
            let is_new = match &mut target {
                Some(target) => self.is_under(target, epoch, &bytes)?,
                None => false,
            };
            if !is_new {
                self.source(epoch, &bytes)?;
                all_new = false;
            }
        }
        Ok(all_new)
    }

    /// Wraps every data key under this root key, then seals `replica` with it, then makes a new data key; all over until
    /// nothing was left to do. Says the epoch of the new one, and how many there are.
    pub(super) async fn rewrap_all(&mut self, root: &RootKey, now: Timestamp) -> Result<(Epoch, usize), Error> {
        let mut target = self.keyring(root);
        let mut made = None;
        for _ in 0..ROUNDS {
            let mut is_done = true;
            for epoch in self.epochs().await? {
                is_done &= !self.rewrap(epoch, root, &mut target).await?;
            }
            is_done &= !self.seal_ids(root, &target).await?;
            match made {
                Some(epoch) if is_done => return Ok((epoch, target.data_keys().count())),
                Some(_) => {}
                None => made = self.make(&mut target, now).await?,
            }
        }
        Err(Error::Busy { location: self.store.location() })
    }

    /// Puts a data key under the new root key; says if it was not.
    async fn rewrap(&mut self, epoch: Epoch, root: &RootKey, target: &mut Keyring) -> Result<bool, Error> {
        let bytes = self.get(epoch).await?;
        if self.is_under(target, epoch, &bytes)? {
            return Ok(false);
        }
        let at = self.source(epoch, &bytes)?;
        let source = &self.sources[at].1;
        let damaged = |error| self.damaged(epoch, error);
        let created = DataKeyHeader::parse(&bytes, epoch).map_err(damaged)?.created;
        let wrapped = source.rewrap(epoch, root, created).map_err(damaged)?;
        // What is put over the only copy opens, to the same key.
        let id = source.data_keys().find_map(|(known, id)| (known == epoch).then_some(id));
        let mut proof = self.keyring(root);
        if proof.add(&wrapped, epoch).map_err(damaged).ok() != id {
            return Err(Error::NotKept { object: located(self.store, &KeyName::DataKey(epoch).to_string()) });
        }
        put_over(self.store, &KeyName::DataKey(epoch).to_string(), &wrapped).await?;
        target.add(&wrapped, epoch).map_err(|error| self.damaged(epoch, error))?;
        Ok(true)
    }

    /// Puts `replica` under the new root key; says if it was not.
    async fn seal_ids(&self, root: &RootKey, target: &Keyring) -> Result<bool, Error> {
        let bytes = self.store.get(REPLICA, KEY_LIMIT).await?;
        if ids_under(root, self.ids.replica, &bytes).is_ok_and(|ids| ids == self.ids) {
            return Ok(false);
        }
        let known = |(root, _): &(RootKey, _)| ids_under(root, self.ids.replica, &bytes).is_ok_and(|it| it == self.ids);
        if !self.sources.iter().any(known) {
            return Err(replica::Error::Rotated { location: self.store.location() }.into());
        }
        put_over(self.store, REPLICA, &target.replica_key().seal(&self.ids.encode())).await?;
        Ok(true)
    }

    /// Puts a data key of the next epoch. `None` if somebody else's is there now.
    async fn make(&self, target: &mut Keyring, now: Timestamp) -> Result<Option<Epoch>, Error> {
        let newest = target.data_keys().next_back().map_or(Epoch::NONE, |(epoch, _)| epoch);
        let epoch = newest.next().ok_or(Error::NoEpoch)?;
        let fresh = target.new_data_key(epoch, now);
        match put_new(self.store, KeyName::DataKey(epoch), &fresh).await {
            Ok(()) => Ok(Some(epoch)),
            Err(Error::NotKept { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, epoch: Epoch) -> Result<Bytes, Error> {
        Ok(self.store.get(&KeyName::DataKey(epoch).to_string(), KEY_LIMIT).await?)
    }

    fn is_under(&self, keyring: &mut Keyring, epoch: Epoch, bytes: &Bytes) -> Result<bool, Error> {
        match keyring.add(bytes, epoch) {
            Ok(_) => Ok(true),
            Err(seal::Error::Tampered { .. }) => Ok(false),
            Err(error) => Err(self.damaged(epoch, error)),
        }
    }

    /// Which of the sources it is under.
    fn source(&mut self, epoch: Epoch, bytes: &Bytes) -> Result<usize, Error> {
        for at in 0..self.sources.len() {
            match self.sources[at].1.add(bytes, epoch) {
                Ok(_) => return Ok(at),
                Err(seal::Error::Tampered { .. }) => {}
                Err(error) => return Err(self.damaged(epoch, error)),
            }
        }
        Err(Error::StrayDataKey { object: located(self.store, &KeyName::DataKey(epoch).to_string()) })
    }

    fn damaged(&self, epoch: Epoch, error: seal::Error) -> Error {
        replica::Error::seal(self.store, &KeyName::DataKey(epoch).to_string(), error).into()
    }
}
