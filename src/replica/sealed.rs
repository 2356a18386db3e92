//! A replica that is unlocked: its keys, which of them an object takes, and that they stay where they belong.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::error::located;
use super::key_objects::{KeyObjects, key_names};
use super::{Document, Error, Name, REPLICA};
use crate::format::ReplicaIds;
use crate::ids::GenerationId;
use crate::seal::{
    self, DataKeyId, Epoch, HEAD_LEN, KeyName, Keyring, Opener, Place, RootKey, Sealer, Slot, SlotId, TAG_LEN,
};
use crate::storage::{Put, Store};

/// How often a writer that is at work looks whether its keys are where they belong.
const LOOK_AFTER: Duration = Duration::from_secs(60 * 60);
/// Heads that are read at the same time.
const CONCURRENCY: usize = 8;

/// The keys of one replica, and what its objects are sealed with.
#[derive(Debug)]
pub(crate) struct Sealed {
    root: RootKey,
    slot: Option<SlotId>,
    ids: ReplicaIds,
    /// This process has begun the replica.
    begun: bool,
    keyring: RwLock<Keyring>,
    /// Data keys that do not open. What is sealed with others can be read all the same.
    damaged: Vec<(Epoch, seal::Error)>,
    /// The key objects as they were read or written: what a writer puts back.
    kept: Mutex<BTreeMap<String, Bytes>>,
    /// The data keys of generations, by their snapshots.
    epochs: Mutex<BTreeMap<GenerationId, Epoch>>,
    looked: Mutex<Instant>,
}

impl Sealed {
    /// With the data keys among these objects that open.
    pub(super) fn new(root: RootKey, slot: Option<SlotId>, ids: ReplicaIds, mut objects: KeyObjects) -> Sealed {
        let (mut keyring, mut damaged) = (Keyring::new(&root, ids.replica, ids.database), Vec::new());
        objects.data_keys.retain(|(epoch, bytes)| match keyring.add(bytes, *epoch) {
            Ok(_) => true,
            Err(error) => {
                damaged.push((*epoch, error));
                false
            }
        });
        Sealed {
            slot,
            kept: Mutex::new(objects.into_kept(ids.replica)),
            root,
            ids,
            begun: false,
            keyring: RwLock::new(keyring),
            damaged,
            epochs: Mutex::default(),
            looked: Mutex::new(Instant::now()),
        }
    }

    /// The same, of a replica that was begun by this process.
    pub(super) fn begun(self) -> Sealed {
        Sealed { begun: true, ..self }
    }

    /// The error of a data key that does not open: a writer does not go on without it.
    pub(super) fn damage(&self, store: &dyn Store) -> Option<Error> {
        let (epoch, error) = self.damaged.last()?;
        Some(Error::seal(store, &KeyName::DataKey(*epoch).to_string(), error.clone()))
    }

    pub(crate) fn ids(&self) -> &ReplicaIds {
        &self.ids
    }

    pub(crate) fn root(&self) -> &RootKey {
        &self.root
    }

    /// The slot that opened; none for a recovery kit.
    pub(crate) fn slot(&self) -> Option<SlotId> {
        self.slot
    }

    pub(crate) fn keyring(&self) -> RwLockReadGuard<'_, Keyring> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epochs(&self) -> MutexGuard<'_, BTreeMap<GenerationId, Epoch>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest data key; none before the first was made.
    pub(crate) fn newest(&self) -> Option<(Epoch, DataKeyId)> {
        self.keyring().data_keys().next_back()
    }

    /// Takes a data key that was read from the store or put there.
    pub(super) fn add(&self, store: &dyn Store, epoch: Epoch, bytes: &Bytes) -> Result<DataKeyId, Error> {
        let key = KeyName::DataKey(epoch).to_string();
        let mut keyring = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        let id = keyring.add(bytes, epoch).map_err(|source| Error::seal(store, &key, source))?;
        self.kept().insert(key, bytes.clone());
        Ok(id)
    }

    /// Reads a data key that was made after this replica was unlocked.
    async fn fetch(&self, store: &dyn Store, epoch: Epoch) -> Result<(), Error> {
        let key = KeyName::DataKey(epoch).to_string();
        let bytes = store.get(&key, super::key_objects::LIMIT).await?;
        self.add(store, epoch, &bytes).map(drop)
    }

    /// Begins to seal an object: a snapshot with the newest data key, all else of a generation with that of its
    /// snapshot.
    pub(super) async fn sealer(&self, store: &dyn Store, name: Name) -> Result<Sealer, Error> {
        let epoch = match name {
            Name::Snapshot(generation) => {
                self.look_after(store).await?;
                let (epoch, _) = self.newest().ok_or_else(|| no_data_key(store))?;
                self.epochs().insert(generation, epoch);
                epoch
            }
            _ => self.epoch(store, name.generation()).await?,
        };
        let sealer = self.keyring().sealer(&place(name), epoch);
        sealer.map_err(|source| Error::seal(store, &name.key(), source))
    }

    /// The data key of a generation: that of its snapshot, of which the head is read if there are several.
    pub(crate) async fn epoch(&self, store: &dyn Store, generation: GenerationId) -> Result<Epoch, Error> {
        if let Some(epoch) = self.only_epoch() {
            return Ok(epoch);
        }
        if let Some(&epoch) = self.epochs().get(&generation) {
            return Ok(epoch);
        }
        let name = Name::Snapshot(generation);
        let head = store.get_range(&name.key(), 0..HEAD_LEN as u64).await?;
        // The length is not asked for: the head is proven without it.
        let opener = self.open(store, &place(name), &name.key(), &head, (HEAD_LEN + TAG_LEN) as u64).await?;
        self.epochs().insert(generation, opener.epoch());
        Ok(opener.epoch())
    }

    /// Whether this generation can be opened, as far as its data key and the head of its snapshot go.
    pub(super) async fn opens(&self, store: &dyn Store, generation: GenerationId) -> Result<bool, Error> {
        match self.epoch(store, generation).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_damage() || matches!(error, Error::Seal { .. }) => {
                tracing::warn!(%error, "cannot open a generation");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether there is a newer data key than that of this generation, as far as its snapshot can be opened.
    pub(super) async fn is_outdated(&self, store: &dyn Store, generation: GenerationId) -> Result<bool, Error> {
        match self.epoch(store, generation).await {
            Ok(ours) => Ok(self.newest().is_some_and(|(newest, _)| ours < newest)),
            Err(Error::Store(error)) if !error.is_not_found() => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// No generation before this one has a newer data key: whoever has stolen an old one could make a generation with it.
    pub(super) async fn require_order(&self, store: &dyn Store, generation: GenerationId) -> Result<(), Error> {
        let ours = self.epoch(store, generation).await?;
        if self.newest().is_none_or(|(newest, _)| ours >= newest) {
            return Ok(());
        }
        let before = super::generations(store).await?.into_iter().rev().filter(|&before| before < generation);
        let mut epochs = stream::iter(before)
            .map(|before| async move { (before, self.epoch(store, before).await) })
            .buffered(CONCURRENCY);
        while let Some((before, epoch)) = epochs.next().await {
            match epoch {
                Ok(epoch) if epoch > ours => {
                    let says = format!("data key {ours}, and generation {before} before it has {epoch}");
                    return Err(Error::misplaced(store, &Name::Snapshot(generation).key(), says));
                }
                Ok(_) => {}
                // What is wrong with that one is told when it is asked for.
                Err(error) if error.is_missing() || error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The data key of every generation: no other was ever made. A later one may be alone because those before it are gone.
    fn only_epoch(&self) -> Option<Epoch> {
        let keyring = self.keyring();
        let mut keys = keyring.data_keys();
        let (epoch, _) = keys.next()?;
        (epoch == Epoch::FIRST && keys.next().is_none()).then_some(epoch)
    }

    /// Opens the head of an object, and holds it to the data key of its generation.
    pub(super) async fn opener(&self, store: &dyn Store, name: Name, head: &[u8], size: u64) -> Result<Opener, Error> {
        let opener = self.open(store, &place(name), &name.key(), head, size).await?;
        if let Name::Snapshot(generation) = name {
            self.epochs().insert(generation, opener.epoch());
            return Ok(opener);
        }
        let expected = match self.epoch(store, name.generation()).await {
            Ok(expected) => expected,
            // A segment without its snapshot is of no use, but no fault of its own.
            Err(error) if error.is_missing() => return Ok(opener),
            Err(error) => return Err(error),
        };
        match opener.epoch() == expected {
            true => Ok(opener),
            false => Err(Error::misplaced(
                store,
                &name.key(),
                format!("data key {}, and its generation has {expected}", opener.epoch()),
            )),
        }
    }

    async fn open(&self, store: &dyn Store, place: &Place, key: &str, head: &[u8], size: u64) -> Result<Opener, Error> {
        let opened = self.keyring().opener(place, head, size);
        let opened = match opened {
            Err(seal::Error::NoDataKey(epoch)) => {
                match self.fetch(store, epoch).await {
                    Err(error) if error.is_missing() => {}
                    fetched => fetched?,
                }
                self.keyring().opener(place, head, size)
            }
            opened => opened,
        };
        opened.map_err(|source| Error::seal(store, key, source))
    }

    /// The content of a document.
    pub(super) async fn open_document(
        &self,
        store: &dyn Store,
        document: Document,
        bytes: Bytes,
    ) -> Result<Bytes, Error> {
        let key = document.key();
        let opened = match document {
            Document::Replica => self.keyring().replica_key().open(bytes.into()),
            Document::Manifest(generation) => {
                let opener = self.opener(store, Name::Manifest(generation), &bytes, bytes.len() as u64).await?;
                opener.open_whole(bytes.into())
            }
            Document::Latest => {
                let opener = self.open(store, &Place::latest(), &key, &bytes, bytes.len() as u64).await?;
                opener.open_whole(bytes.into())
            }
        };
        opened.map(Bytes::from).map_err(|source| Error::seal(store, &key, source))
    }

    /// The bytes to store for a document.
    pub(super) async fn seal_document(
        &self,
        store: &dyn Store,
        document: Document,
        content: &[u8],
    ) -> Result<Bytes, Error> {
        let key = document.key();
        let sealed = match document {
            Document::Replica => Ok(self.keyring().replica_key().seal(content)),
            Document::Manifest(generation) => {
                let epoch = self.epoch(store, generation).await?;
                self.keyring().seal(&Place::manifest(generation), epoch, content)
            }
            Document::Latest => {
                let (epoch, _) = self.newest().ok_or_else(|| no_data_key(store))?;
                self.keyring().seal(&Place::latest(), epoch, content)
            }
        };
        sealed.map(Bytes::from).map_err(|source| Error::seal(store, &key, source))
    }

    /// Takes data keys that were made meanwhile, and puts back what went missing or was damaged: data keys, `replica`, and
    /// slots; of those that are gone only if none is left, as a single one may have been removed by somebody who had a
    /// right to.
    ///
    /// When this returns, all of it is durable. One listing, and a small read each.
    ///
    /// # Errors
    ///
    /// [`Error::Rotated`] if the root key was changed; those of the store.
    pub(super) async fn look_after(&self, store: &dyn Store) -> Result<(), Error> {
        let there = KeyObjects::read(store).await?;
        let opened = there.replica.as_ref().map(|bytes| self.keyring().replica_key().open(bytes.to_vec()));
        // Of a replica that was begun by this process, another one may have been begun in the same moment.
        if !self.begun && matches!(opened, Some(Err(seal::Error::Commitment))) {
            return Err(Error::Rotated { location: store.location() });
        }
        let mut damaged: Vec<String> = there.damaged.iter().map(|(id, _)| KeyName::Slot(*id).to_string()).collect();
        for (epoch, bytes) in &there.data_keys {
            match self.add(store, *epoch, bytes) {
                Ok(_) => {}
                Err(error @ Error::Seal { source: seal::Error::Tampered { .. }, .. }) => {
                    return Err(self.explained(store, error).await);
                }
                // Of another replica: whoever is the right one puts its own over it, see `put_over`.
                Err(Error::Seal { source: seal::Error::Misplaced { .. }, .. }) => {}
                Err(_) => damaged.push(KeyName::DataKey(*epoch).to_string()),
            }
        }
        let no_slot = there.of(self.ids.replica).next().is_none() && self.has_no_slot(store, &there).await?;
        let has_ids = there.replica.is_some();
        let there = there.into_kept(self.ids.replica);
        self.keep_slots(&there, &damaged);
        // Slots first, data keys last: cut short, it is a start that can be taken up.
        let (mut missing, mut keys) = (Vec::new(), Vec::new());
        for (key, bytes) in self.kept().iter() {
            let is_slot = matches!(KeyName::parse(key), Some(KeyName::Slot(_)));
            let is_gone = !there.contains_key(key) && (!is_slot || no_slot);
            if is_gone || damaged.contains(key) {
                let all = if is_slot { &mut missing } else { &mut keys };
                all.push((key.clone(), bytes.clone()));
            }
        }
        if !has_ids {
            let bytes = self.seal_document(store, Document::Replica, &self.ids.encode()).await?;
            missing.push((REPLICA.to_owned(), bytes));
        }
        missing.append(&mut keys);
        for (key, bytes) in missing {
            let object = located(store, &key);
            if damaged.contains(&key) {
                tracing::warn!(object, "was damaged, and was put back");
                store.put(&key, bytes).await?;
            } else if store.put_if_absent(&key, bytes).await? == Put::Created {
                tracing::warn!(object, "was gone, and was put back");
            }
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(())
    }

    /// Whether there is no slot but those that were read, and are damaged or another replica's. One that was removed between
    /// the listing and its reading may have been replaced by one that the listing has not.
    async fn has_no_slot(&self, store: &dyn Store, read: &KeyObjects) -> Result<bool, Error> {
        let others: Vec<SlotId> =
            read.slots.iter().map(Slot::id).chain(read.damaged.iter().map(|(id, _)| *id)).collect();
        let names = key_names(store).await?;
        Ok(!names.iter().any(|name| matches!(name, KeyName::Slot(id) if !others.contains(id))))
    }

    /// Of several slots, those that are there now are the ones to be put back later; one that is damaged stays known.
    fn keep_slots(&self, there: &BTreeMap<String, Bytes>, damaged: &[String]) {
        let is_slot = |key: &str| matches!(KeyName::parse(key), Some(KeyName::Slot(_)));
        if !there.keys().any(|key| is_slot(key)) {
            return;
        }
        let mut kept = self.kept();
        kept.retain(|key, _| !is_slot(key) || there.contains_key(key) || damaged.contains(key));
        kept.extend(there.iter().filter(|(key, _)| is_slot(key)).map(|(key, bytes)| (key.clone(), bytes.clone())));
    }

    /// The same, if it was not done for an hour.
    pub(super) async fn look_after_at_times(&self, store: &dyn Store) -> Result<(), Error> {
        let last = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < LOOK_AFTER { Ok(()) } else { self.look_after(store).await }
    }

    /// On a store that replaces what is there, whoever began in the same moment may have put its keys over ours. Once `replica`
    /// is known to be ours, so are they. A data key of this replica under another root key is left as it is: somebody is
    /// changing the root key. So are slots that are gone, if others are left.
    pub(super) async fn put_over(&self, store: &dyn Store) -> Result<(), Error> {
        let there = KeyObjects::read(store).await?;
        self.same_root(store, &there).await?;
        let no_slot = there.of(self.ids.replica).next().is_none() && self.has_no_slot(store, &there).await?;
        let damaged: Vec<String> = there.damaged.iter().map(|(id, _)| KeyName::Slot(*id).to_string()).collect();
        let there = there.into_kept(self.ids.replica);
        let kept: Vec<(String, Bytes)> = self.kept().iter().map(|(key, bytes)| (key.clone(), bytes.clone())).collect();
        for (key, bytes) in kept {
            let is_slot = matches!(KeyName::parse(&key), Some(KeyName::Slot(_)));
            let was_removed = is_slot && !there.contains_key(&key) && !damaged.contains(&key) && !no_slot;
            if !was_removed && there.get(&key) != Some(&bytes) {
                tracing::warn!(object = located(store, &key), "another writer had put its key in the place of ours");
                store.put(&key, bytes).await?;
            }
        }
        Ok(())
    }

    /// The data keys that are there are under this root key, as far as they are of this replica: those of another are of
    /// somebody who began in the same moment, on a store that replaces what is there.
    pub(super) async fn require_root(&self, store: &dyn Store) -> Result<(), Error> {
        self.same_root(store, &KeyObjects::read(store).await?).await
    }

    async fn same_root(&self, store: &dyn Store, there: &KeyObjects) -> Result<(), Error> {
        let mut keyring = Keyring::new(&self.root, self.ids.replica, self.ids.database);
        for (epoch, bytes) in &there.data_keys {
            // Whole, and of this replica; other damage is made good.
            if let Err(error @ seal::Error::Tampered { .. }) = keyring.add(bytes, *epoch) {
                let error = Error::seal(store, &KeyName::DataKey(*epoch).to_string(), error);
                return Err(self.explained(store, error).await);
            }
        }
        Ok(())
    }

    /// A data key that does not open may be one under another root.
    async fn explained(&self, store: &dyn Store, error: Error) -> Error {
        let tampered = matches!(&error, Error::Seal { source: seal::Error::Tampered { .. }, .. });
        if !tampered {
            return error;
        }
        match store.get(REPLICA, super::key_objects::LIMIT).await {
            Ok(bytes) => match self.keyring().replica_key().open(bytes.into()) {
                Err(seal::Error::Commitment) => Error::Rotated { location: store.location() },
                _ => error,
            },
            Err(_) => error,
        }
    }
}

fn no_data_key(store: &dyn Store) -> Error {
    Error::missing(store, &KeyName::DataKey(Epoch::FIRST).to_string())
}

/// What binds an object to its name.
fn place(name: Name) -> Place {
    match name {
        Name::Snapshot(generation) => Place::snapshot(generation),
        Name::Segment(generation, index) => Place::segment(generation, index),
        Name::Merged(generation, first, last) => Place::merged(generation, first, last),
        Name::Manifest(generation) => Place::manifest(generation),
    }
}
