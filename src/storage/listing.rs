//! What a store answers that is asked for the keys it has.

use super::Meta;

/// How many entries one listing has, where the store is ours: as many as S3 gives.
pub(super) const PAGE: usize = 1000;

/// One answer to a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// Objects in the byte order of their keys.
    pub objects: Vec<Meta>,
    /// With [`Depth::Folder`], the prefixes that end in `/` just below the one asked for, in order.
    pub folders: Vec<String>,
    /// There is more: list again after this key.
    pub next: Option<String>,
}

impl Listing {
    /// The answer of a store that has all its objects at hand, in the byte order of their keys: those that begin with
    /// `prefix` and come after `after`, at most `most` of them and of folders together.
    pub fn of(
        objects: impl IntoIterator<Item = Meta>,
        prefix: &str,
        after: Option<&str>,
        depth: Depth,
        most: usize,
    ) -> Listing {
        let mut listing = Listing::default();
        let mut last = None;
        for object in objects {
            let Some(below) = object.key.strip_prefix(prefix) else { continue };
            let folder = match depth {
                Depth::Folder => below.find('/').map(|at| object.key[..=prefix.len() + at].to_owned()),
                Depth::All => None,
            };
            // What one folder has comes in one piece.
            let is_told = folder.is_some() && folder.as_ref() == listing.folders.last();
            let entry = folder.as_ref().unwrap_or(&object.key);
            if is_told || after.is_some_and(|after| entry.as_str() <= after) {
                continue;
            }
            if listing.objects.len() + listing.folders.len() == most {
                listing.next = last;
                break;
            }
            last = Some(entry.clone());
            match folder {
                Some(folder) => listing.folders.push(folder),
                None => listing.objects.push(object),
            }
        }
        listing
    }
}

/// How far down a listing goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Every key that begins with the prefix.
    All,
    /// Keys without a further `/`; the others are told as folders, one each.
    Folder,
}
