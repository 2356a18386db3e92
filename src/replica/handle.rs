//! One replica in hand.

use std::ops::Deref;
use std::sync::Arc;

use super::sealing::Opening;
use super::{Name, Sealing};
use crate::storage::Store;

/// One prefix of one store, and how what is in its objects is sealed.
///
/// Whatever reads or writes what is *inside* an object takes this; what only lists, deletes or names objects takes the
/// [`Store`], which it derefs to. A clone is the same replica.
#[derive(Clone, Debug)]
pub struct Replica {
    store: Arc<dyn Store>,
}

impl Replica {
    /// The replica at this store, not sealed: whoever reads the store reads the database.
    pub fn plain(store: Arc<dyn Store>) -> Replica {
        Replica { store }
    }

    /// Where its objects are.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Begins the bytes of the snapshot or segment of this name, as they are stored. An object that is made anew, also
    /// of the same content, takes a new one.
    pub fn sealing(&self, name: Name) -> Sealing {
        Sealing::new(name)
    }

    /// How the object of this name and, by the listing, this size is opened.
    pub(super) fn opening(&self, name: Name, size: u64) -> Opening {
        Opening::new(name, size)
    }
}

impl Deref for Replica {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl From<Arc<dyn Store>> for Replica {
    fn from(store: Arc<dyn Store>) -> Replica {
        Replica::plain(store)
    }
}
