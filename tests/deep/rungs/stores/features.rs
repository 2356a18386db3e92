//! What a server can do beyond what the promises say, in words for a table.

use bytes::Bytes;
use waloy::storage::{Put, Store};

use crate::ladder::Tally;

/// Counts a line for each feature that is there, and one for each that is not.
pub(super) async fn probe(store: &dyn Store, tally: &mut Tally) -> anyhow::Result<()> {
    let bytes = Bytes::from_static(b"0123456789");
    for key in ["put", "upload"] {
        store.delete(key).await?;
    }
    let mut tell = |feature: &str, there: bool| {
        tally.add(&format!("{feature}: {}", if there { "yes" } else { "no" }), 1);
    };

    store.put("put", bytes.clone()).await?;
    let again = store.put_if_absent("put", bytes.clone()).await?;
    tell("If-None-Match of a put", again == Put::Exists);
    tell("a time of modification", store.head("put").await?.modified.is_some());
    tell("a time of modification in listings", {
        let listing = store.list("put", None, waloy::storage::Depth::All).await?;
        listing.objects.iter().all(|meta| meta.modified.is_some())
    });
    tell("ranged reads", store.get_range("put", 3..5).await.is_ok_and(|found| found == bytes.slice(3..5)));

    let large = Bytes::from(vec![7; 9 << 20]);
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let mut upload = store.upload("upload").await?;
        upload.write(large.clone()).await?;
        outcomes.push(upload.finish_if_absent().await?);
    }
    tell("multipart uploads", store.get("upload", 64 << 20).await? == large);
    tell("If-None-Match of a multipart upload", outcomes == [Put::Created, Put::Exists]);
    tell("asked for conditions after that", store.is_conditional());
    tell("delete_many", store.delete_many(&["put".to_owned(), "upload".to_owned()]).await?.is_empty());
    Ok(())
}
