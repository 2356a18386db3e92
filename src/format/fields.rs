//! Fixed-length little-endian fields, read from and written to bytes.

use super::Error;

/// Reads fields one after the other.
pub(super) struct Fields<'a> {
    /// What they belong to, for errors.
    part: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(part: &'static str, bytes: &'a [u8]) -> Fields<'a> {
        Fields { part, bytes, at: 0 }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let rest = self.rest();
        let Some(&field) = rest.first_chunk::<N>() else {
            return Err(Error::Short { part: self.part, len: rest.len() as u64, needed: N as u64 });
        };
        self.at += N;
        Ok(field)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_le_bytes)
    }

    /// A field that is zero.
    pub(super) fn zero<const N: usize>(&mut self) -> Result<(), Error> {
        let offset = self.at;
        match self.array::<N>()? {
            field if field == [0; N] => Ok(()),
            _ => Err(Error::NotZero { part: self.part, offset }),
        }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.rest().len() {
            0 => Ok(()),
            len => Err(Error::Trailing { part: self.part, len: len as u64 }),
        }
    }
}
