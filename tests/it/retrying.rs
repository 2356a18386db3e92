//! Trying again, over a store that fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use waloy::storage::{ErrorKind, MemoryStore, Put, Retry, Retrying, Store};
use waloy::testing::faulty::{FaultyStore, Operation, When};

/// After a failed put of either kind there is an object, ours or another writer's: it is looked for, and nothing is
/// put a second time, whatever the store makes of conditions.
#[tokio::test]
async fn before_an_object_is_put_again_it_is_looked_whether_there_is_one() {
    let retry = Retry { tries: 4, first: Duration::from_micros(1), cap: Duration::from_micros(1) };
    for when in [When::Before, When::After] {
        let memory = Arc::new(MemoryStore::default());
        let faulty = FaultyStore::new(memory.clone());
        let store = Retrying::new(Arc::new(faulty.clone()), retry);
        let bytes = Bytes::from_static(b"ours");
        let meanwhile = async |key| {
            if when == When::Before {
                memory.put(key, Bytes::from_static(b"theirs")).await.unwrap();
            }
        };

        meanwhile("put").await;
        faulty.fail_nth_of(Operation::PutIfAbsent, 1, when, ErrorKind::Unavailable);
        assert_eq!(store.put_if_absent("put", bytes.clone()).await.unwrap(), Put::Exists);
        assert_eq!((faulty.requests_of(Operation::Head), faulty.requests_of(Operation::PutIfAbsent)), (1, 1));

        let mut upload = store.upload("upload").await.unwrap();
        upload.write(bytes.clone()).await.unwrap();
        meanwhile("upload").await;
        faulty.fail_nth_of(Operation::Finish, 1, when, ErrorKind::Unavailable);
        assert_eq!(upload.finish_if_absent().await.unwrap(), Put::Exists);
        assert_eq!((faulty.requests_of(Operation::Head), faulty.requests_of(Operation::Finish)), (2, 1));
    }
}

#[tokio::test]
async fn what_is_not_there_yet_is_put_again() {
    let retry = Retry { tries: 4, first: Duration::from_micros(1), cap: Duration::from_micros(1) };
    let faulty = FaultyStore::new(Arc::new(MemoryStore::default()));
    let store = Retrying::new(Arc::new(faulty.clone()), retry);
    faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::Before, ErrorKind::Unavailable);
    assert_eq!(store.put_if_absent("a", Bytes::from_static(b"ours")).await.unwrap(), Put::Created);
    assert_eq!((faulty.requests_of(Operation::Head), faulty.requests_of(Operation::PutIfAbsent)), (1, 2));
}
