//! Listing a prefix.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;

use super::Inner;
use super::error::Call;
use super::read::timestamp;
use crate::storage::{Depth, Error, ErrorKind, Listing, Meta, key};

impl Inner {
    pub(super) async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        key::check_prefix(&self.location(), prefix)?;
        let call = self.call("list", "ListObjectsV2", prefix);
        let _turn = self.turn().await;
        // What comes before the prefix comes before every key under it. Garage begins there all the same, meets a key
        // that is not under the prefix, and says that there are none.
        let after = after.filter(|after| *after >= prefix);
        let mut token = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.full(prefix));
            let request = request.set_start_after(after.map(|after| self.full(after)));
            let request = request.set_delimiter((depth == Depth::Folder).then(|| "/".into()));
            let answer = request.set_continuation_token(token.take()).send().await;
            let mut answer = answer.map_err(|error| call.failed(&error))?;
            let next = answer.next_continuation_token.take();
            let truncated = answer.is_truncated.unwrap_or(next.is_some());
            let mut page = self.page(&call, prefix, after, answer)?;
            if !truncated {
                page.listing.next = None;
                return Ok(page.listing);
            }
            // A page of which nothing is left (all of it came before `after`, as a folder told before does): go on.
            match (page.last, next) {
                (Some(last), _) => {
                    page.listing.next = Some(resumable(&call, last)?);
                    return Ok(page.listing);
                }
                (None, Some(next)) => token = Some(next),
                (None, None) => {
                    return Err(call.error(ErrorKind::Other, "the store says that there is more, not where"));
                }
            }
        }
    }

    /// What an answer says of this store's part of the bucket.
    fn page(&self, call: &Call, prefix: &str, after: Option<&str>, answer: ListObjectsV2Output) -> Result<Page, Error> {
        let mut listing = Listing::default();
        let relative = |key: Option<String>| match key.as_deref().and_then(|key| key.strip_prefix(&self.prefix)) {
            Some(key) if key.starts_with(prefix) => Ok(key.to_owned()),
            _ => Err(call.error(ErrorKind::Other, "the listing has keys of another prefix")),
        };
        for object in answer.contents.unwrap_or_default() {
            let key = relative(object.key)?;
            let size = object.size.and_then(|size| u64::try_from(size).ok());
            let size = size.ok_or_else(|| call.error(ErrorKind::Other, "the listing has an object without a size"))?;
            // Consoles mark a "folder" by an empty object of its name: that of our own prefix has no name here.
            if !key.is_empty() && after.is_none_or(|after| *key > *after) {
                listing.objects.push(Meta { key, size, modified: object.last_modified.as_ref().and_then(timestamp) });
            }
        }
        for folder in answer.common_prefixes.unwrap_or_default() {
            let folder = relative(folder.prefix)?;
            if after.is_none_or(|after| *folder > *after) {
                listing.folders.push(folder);
            }
        }
        let ordered = listing.objects.is_sorted_by(|a, b| a.key < b.key) && listing.folders.is_sorted_by(|a, b| a < b);
        if !ordered {
            return Err(call.error(ErrorKind::Other, "the store does not list in the order of keys"));
        }
        let last = listing.objects.last().map(|object| &object.key).max(listing.folders.last()).cloned();
        Ok(Page { listing, last })
    }
}

struct Page {
    listing: Listing,
    last: Option<String>,
}

/// The key to go on after, unless it is not what the store calls the object.
fn resumable(call: &Call, key: String) -> Result<String, Error> {
    // What stores put in the place of a character that XML cannot carry. It sorts far behind the real one.
    if key.contains(char::REPLACEMENT_CHARACTER) {
        let message = format!("cannot list beyond {}, whose name the store cannot tell", key.escape_debug());
        return Err(call.error(ErrorKind::Other, message));
    }
    Ok(key)
}
