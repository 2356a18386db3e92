//! How units are written in a manifest, for serde's `with`.

/// A [`Timestamp`](crate::units::Timestamp), read exactly as it is written.
pub(super) mod time {
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    use crate::units::Timestamp;

    pub(in crate::format) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(at)
    }

    pub(in crate::format) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = chrono::DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        let at = Timestamp(parsed.timestamp_millis());
        if at.rfc3339() == text {
            Ok(at)
        } else {
            Err(D::Error::custom(format_args!("not a time in UTC with milliseconds: {text:?}")))
        }
    }
}

/// A [`DbChecksum`](crate::units::DbChecksum): 16 lowercase hex digits.
pub(super) mod checksum {
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    use crate::units::DbChecksum;

    pub(in crate::format) fn serialize<S: Serializer>(sum: &DbChecksum, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(sum)
    }

    pub(in crate::format) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DbChecksum, D::Error> {
        let text = String::deserialize(deserializer)?;
        let sum = u64::from_str_radix(&text, 16).map(DbChecksum).ok().filter(|sum| sum.to_string() == text);
        sum.ok_or_else(|| D::Error::custom(format_args!("not 16 lowercase hex digits: {text:?}")))
    }
}

/// A [`PageSize`](crate::units::PageSize) in bytes.
pub(super) mod page_size {
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    use crate::units::PageSize;

    pub(in crate::format) fn serialize<S: Serializer>(size: &PageSize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(size.get())
    }

    pub(in crate::format) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PageSize, D::Error> {
        let bytes = u32::deserialize(deserializer)?;
        PageSize::new(bytes).ok_or_else(|| D::Error::custom(format_args!("not a page size: {bytes}")))
    }
}

/// A [`SegmentIndex`](crate::units::SegmentIndex), a number.
pub(super) mod index {
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    use crate::units::SegmentIndex;

    pub(in crate::format) fn serialize<S: Serializer>(index: &SegmentIndex, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(index.get())
    }

    pub(in crate::format) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SegmentIndex, D::Error> {
        let index = u64::deserialize(deserializer)?;
        SegmentIndex::new(index).ok_or_else(|| D::Error::custom(format_args!("not the index of a segment: {index}")))
    }
}
