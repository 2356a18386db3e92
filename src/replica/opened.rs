//! A sealed object on its way out of a store.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{Error, Name, Replica};
use crate::seal::{self, Content, Epoch};

/// Bytes that are opened where they are wanted; more are on a thread that may take its time.
const AT_ONCE: usize = 256 << 10;

/// What opens it, once it was begun.
#[derive(Debug, Default)]
pub(super) struct Opened {
    content: Option<Arc<Content>>,
    /// The data key that it was sealed with, once its head is proven.
    pub(super) epoch: Option<Epoch>,
}

impl Opened {
    /// Proves head and length. `tail` is the end of the object, its last chunk at least.
    pub(super) async fn begin(
        &mut self,
        replica: &Replica,
        name: Name,
        size: u64,
        head: &[u8],
        tail: &[u8],
    ) -> Result<(), Error> {
        let opener = replica.opener(name, head, size).await?;
        self.epoch = Some(opener.epoch());
        let last = opener.last_chunk();
        let start = tail.len().saturating_sub((last.end - last.start) as usize);
        let proven = opener.prove(&tail[start..]);
        self.content = Some(Arc::new(proven.map_err(|source| Error::seal(&**replica, &name.key(), source))?));
        Ok(())
    }

    /// The content of a whole object.
    pub(super) async fn whole(
        &mut self,
        replica: &Replica,
        name: Name,
        size: u64,
        object: Bytes,
    ) -> Result<Bytes, Error> {
        let opener = replica.opener(name, &object, size).await?;
        self.epoch = Some(opener.epoch());
        let content = apart(object, move |object| opener.open_whole(object)).await;
        content.map_err(|source| Error::seal(&**replica, &name.key(), source))
    }

    /// These bytes of the content, of the whole chunks that hold them.
    pub(super) async fn content(&self, range: &Range<u64>, stored: Bytes) -> Result<Bytes, seal::Error> {
        let content = self.content.clone().expect("an object is begun before it is read");
        let range = range.clone();
        apart(stored, move |stored| content.open(range, stored)).await
    }
}

/// Opens bytes, on another thread if there are many.
async fn apart(
    bytes: Bytes,
    open: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, seal::Error> + Send + 'static,
) -> Result<Bytes, seal::Error> {
    let opened = if bytes.len() <= AT_ONCE {
        open(bytes.into())
    } else {
        let opening = crate::task::blocking(move || open(bytes.into()));
        opening.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    };
    opened.map(Bytes::from)
}
