//! How the store is asked to keep new objects.

use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};

use super::{S3Options, Sse};
use crate::error::{Error, Kind};

/// What is said with every new object.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    pub(super) class: Option<StorageClass>,
    pub(super) sse: Option<ServerSideEncryption>,
    pub(super) kms_key: Option<String>,
}

impl Keeping {
    /// # Errors
    ///
    /// A class whose objects cannot be read at once: no restore could begin.
    pub(super) fn new(options: &S3Options) -> Result<Keeping, Error> {
        let class = options.storage_class.as_deref();
        if let Some(archive) = class.filter(|class| ["GLACIER", "DEEP_ARCHIVE"].contains(class)) {
            let message = format!("objects of storage class {archive} cannot be read at once, and so not restored");
            return Err(Error::new(Kind::Usage, "storage.archive_class", message)
                .hint("GLACIER_IR and STANDARD_IA can; a lifecycle rule must not move objects to an archive either"));
        }
        let (sse, kms_key) = match &options.sse {
            None => (None, None),
            Some(Sse::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(Sse::Kms { key }) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        };
        Ok(Keeping { class: class.map(StorageClass::from), sse, kms_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_refused_and_classes_of_other_stores_pass() {
        let keeping =
            |class: &str| Keeping::new(&S3Options { storage_class: Some(class.into()), ..S3Options::default() });
        assert_eq!(keeping("DEEP_ARCHIVE").unwrap_err().code(), "storage.archive_class");
        assert_eq!(keeping("ONEZONE_IA").unwrap().class, Some(StorageClass::OnezoneIa));
        assert_eq!(keeping("OF_THE_HOUSE").unwrap().class.unwrap().as_str(), "OF_THE_HOUSE");
    }
}
