//! How slots and data keys are called.

use std::fmt;
use std::str::FromStr;

use super::{Epoch, Error, What};

/// Declares an id of 8 bytes that is written in 16 lowercase hex digits.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 8]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", u64::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Reads exactly what `Display` writes.
            fn from_str(text: &str) -> Result<$name, Error> {
                let number = hex(text, 16).ok_or(Error::NotOurs { what: $what })?;
                Ok($name(number.to_be_bytes()))
            }
        }
    };
}

id! {
    /// The id of a key slot, random.
    SlotId, What::Slot
}
id! {
    /// The id of a data key: made from it, and not secret. Two keys have the same one in 2⁶⁴.
    DataKeyId, What::DataKey
}

/// The name of a key in its replica: `keys/slot-<16 hex>` or `keys/dk-<8 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyName {
    /// A key slot.
    Slot(SlotId),
    /// The data key of an epoch.
    DataKey(Epoch),
}

impl KeyName {
    /// The folder of keys.
    pub const PREFIX: &'static str = "keys/";

    /// The name that this key of an object is; `None` for whatever is not written exactly so.
    pub fn parse(key: &str) -> Option<KeyName> {
        let name = key.strip_prefix(KeyName::PREFIX)?;
        if let Some(id) = name.strip_prefix("slot-") {
            return id.parse().ok().map(KeyName::Slot);
        }
        let epoch = Epoch(u32::try_from(hex(name.strip_prefix("dk-")?, 8)?).ok()?);
        (epoch != Epoch::NONE).then_some(KeyName::DataKey(epoch))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyName::Slot(id) => write!(f, "{}slot-{id}", KeyName::PREFIX),
            KeyName::DataKey(epoch) => write!(f, "{}dk-{:08x}", KeyName::PREFIX, epoch.0),
        }
    }
}

/// The number in exactly so many lowercase hex digits.
fn hex(text: &str, digits: usize) -> Option<u64> {
    let lowercase = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let written = text.len() == digits && text.bytes().all(lowercase);
    written.then(|| u64::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_one_way() {
        for key in ["keys/slot-5de78078f3e17567", "keys/dk-00000001", "keys/dk-ffffffff"] {
            assert_eq!(KeyName::parse(key).map(|name| name.to_string()).as_deref(), Some(key));
        }
        for key in [
            "keys/dk-00000000",
            "keys/dk-1",
            "keys/dk-+0000001",
            "keys/dk-0000000A",
            "keys/slot-5de78078f3e1756",
            "keys/slot-5DE78078F3E17567",
            "slot-5de78078f3e17567",
            "keys/",
        ] {
            assert_eq!(KeyName::parse(key), None, "{key}");
        }
    }
}
