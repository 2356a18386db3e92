//! Compression of chunks: LZ4, Zstandard, none. Pure.
//!
//! [`Codec`] is what a file says; [`Compression`] is what a writer is asked for, a level included. Which codecs are
//! built in is decided by the features `compression-lz4` and `compression-zstd`.

use std::fmt;
use std::str::FromStr;

/// How the chunks of a file are compressed, by the file itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    None = 0,
    /// LZ4 blocks.
    Lz4 = 1,
    /// Zstandard frames.
    Zstd = 2,
}

impl Codec {
    /// The codec with this number; none is made up for others.
    pub const fn from_u8(number: u8) -> Result<Codec, Error> {
        Ok(match number {
            0 => Codec::None,
            1 => Codec::Lz4,
            2 => Codec::Zstd,
            _ => return Err(Error::Unknown(number)),
        })
    }

    /// Whether this build has it.
    pub const fn is_built_in(self) -> bool {
        match self {
            Codec::None => true,
            Codec::Lz4 => cfg!(feature = "compression-lz4"),
            Codec::Zstd => cfg!(feature = "compression-zstd"),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::None => "none",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        })
    }
}

/// How chunks are to be compressed. Written as `none`, `lz4`, `zstd` or `zstd:LEVEL`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 block format: fastest.
    Lz4,
    /// Zstandard frames at this level, 1 to 19: smallest.
    Zstd(i32),
}

impl Compression {
    /// The level of Zstandard where none is named.
    pub const ZSTD_LEVEL: i32 = 3;

    /// The same for what is large, and waited for: at the usual level of Zstandard, level 1 takes its place, which takes
    /// two thirds of the time and leaves some 3 % more. Every other level is that of everything.
    #[must_use]
    pub const fn in_bulk(self) -> Compression {
        match self {
            Compression::Zstd(Compression::ZSTD_LEVEL) => Compression::Zstd(1),
            other => other,
        }
    }

    /// What a file compressed so says.
    pub const fn codec(self) -> Codec {
        match self {
            Compression::None => Codec::None,
            Compression::Lz4 => Codec::Lz4,
            Compression::Zstd(_) => Codec::Zstd,
        }
    }

    /// Refuses a level that does not exist, and what is not built in.
    ///
    /// # Errors
    ///
    /// [`Error::Level`], [`Error::NotBuiltIn`].
    pub fn check(self) -> Result<(), Error> {
        match self {
            Compression::Zstd(level) if !(1..=19).contains(&level) => Err(Error::Level(level.to_string())),
            _ if !self.codec().is_built_in() => Err(Error::NotBuiltIn(self.codec())),
            _ => Ok(()),
        }
    }
}

/// Zstandard if it is built in, else LZ4, else none.
impl Default for Compression {
    fn default() -> Compression {
        if Codec::Zstd.is_built_in() {
            Compression::Zstd(Compression::ZSTD_LEVEL)
        } else if Codec::Lz4.is_built_in() {
            Compression::Lz4
        } else {
            Compression::None
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::Zstd(level) if *level != Compression::ZSTD_LEVEL => write!(f, "zstd:{level}"),
            _ => self.codec().fmt(f),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// Also refuses what is not built in.
    fn from_str(text: &str) -> Result<Compression, Error> {
        let compression = match text {
            "none" => Compression::None,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd(Compression::ZSTD_LEVEL),
            _ => {
                let level = text.strip_prefix("zstd:").ok_or_else(|| Error::Name(text.to_owned()))?;
                Compression::Zstd(level.parse().map_err(|_| Error::Level(level.to_owned()))?)
            }
        };
        compression.check()?;
        Ok(compression)
    }
}

/// Compresses one piece after the other, and keeps what can be used again in between.
pub struct Compressor {
    compression: Compression,
    zstd: zstd::Context,
}

impl Compressor {
    /// Begins.
    ///
    /// # Errors
    ///
    /// Those of [`Compression::check`].
    pub fn new(compression: Compression) -> Result<Compressor, Error> {
        compression.check()?;
        Ok(Compressor { compression, zstd: zstd::Context::default() })
    }

    /// How it compresses.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// What the result says of itself.
    pub fn codec(&self) -> Codec {
        self.compression.codec()
    }

    /// Appends the compressed bytes to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the codec finds no memory.
    pub fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match self.compression {
            Compression::None => {
                out.extend_from_slice(raw);
                Ok(())
            }
            Compression::Lz4 => lz4::compress(raw, out),
            Compression::Zstd(level) => self.zstd.compress(level, raw, out),
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Compressor").field(&self.compression).finish()
    }
}

/// Decompresses one piece after the other, and keeps what can be used again in between: large memory that is made anew for
/// each piece is mapped, cleared and unmapped by the system each time.
#[derive(Default)]
pub struct Decompressor {
    zstd: zstd::Decoder,
    /// As long as the longest piece so far.
    raw: Vec<u8>,
}

impl Decompressor {
    /// The bytes that were compressed, of which there must be exactly `raw_len`.
    ///
    /// Allocates at most `raw_len` bytes and what the codec works with, whatever the input says of itself.
    ///
    /// # Errors
    ///
    /// [`Error::NotBuiltIn`]; [`Error::Damaged`] and [`Error::Length`] if the bytes are anything but one compressed
    /// block or frame of that length.
    pub fn decompress<'a>(&'a mut self, codec: Codec, bytes: &'a [u8], raw_len: usize) -> Result<&'a [u8], Error> {
        if codec == Codec::None {
            let error = Error::Length { expected: raw_len as u64, found: bytes.len() as u64 };
            return if bytes.len() == raw_len { Ok(bytes) } else { Err(error) };
        }
        if self.raw.len() < raw_len {
            self.raw.resize(raw_len, 0);
        }
        let raw = &mut self.raw[..raw_len];
        let found = match codec {
            Codec::Lz4 => lz4::decompress(bytes, raw)?,
            _ => self.zstd.decompress(bytes, raw)?,
        };
        if found == raw_len { Ok(raw) } else { Err(Error::Length { expected: raw_len as u64, found: found as u64 }) }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

#[cfg(feature = "compression-lz4")]
mod lz4;

#[cfg(not(feature = "compression-lz4"))]
mod lz4 {
    use super::{Codec, Error};

    pub(super) fn compress(_raw: &[u8], _out: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::NotBuiltIn(Codec::Lz4))
    }

    pub(super) fn decompress(_bytes: &[u8], _raw: &mut [u8]) -> Result<usize, Error> {
        Err(Error::NotBuiltIn(Codec::Lz4))
    }
}

#[cfg(feature = "compression-zstd")]
mod zstd;

#[cfg(not(feature = "compression-zstd"))]
mod zstd {
    use super::{Codec, Error};

    #[derive(Default)]
    pub(super) struct Context(());

    impl Context {
        pub(super) fn compress(&mut self, _level: i32, _raw: &[u8], _out: &mut Vec<u8>) -> Result<(), Error> {
            Err(Error::NotBuiltIn(Codec::Zstd))
        }
    }

    #[derive(Default)]
    pub(super) struct Decoder(());

    impl Decoder {
        pub(super) fn decompress(&mut self, _bytes: &[u8], _raw: &mut [u8]) -> Result<usize, Error> {
            Err(Error::NotBuiltIn(Codec::Zstd))
        }
    }
}

/// What is wrong with a name, a number or compressed bytes.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No codec has this number.
    #[error("compression not known: {0}")]
    Unknown(u8),
    /// No compression has this name.
    #[error("compression not known (none, lz4, zstd or zstd:LEVEL): {0:?}")]
    Name(String),
    /// There is no such level.
    #[error("level of zstd not from 1 to 19: {0}")]
    Level(String),
    /// The codec exists, but this build was made without it.
    #[error("compression not built in: {0}")]
    NotBuiltIn(Codec),
    /// The bytes are not what the codec writes.
    #[error("compressed bytes damaged ({0}): {1}")]
    Damaged(Codec, String),
    /// The bytes are whole, but not of the length that was promised.
    #[error("content of another length: {found} bytes, {expected} expected")]
    Length {
        /// The length promised.
        expected: u64,
        /// The length there is.
        found: u64,
    },
    /// The codec could not work.
    #[error("cannot compress ({0}): {1}")]
    Failed(Codec, String),
}

impl Error {
    /// A line that a person can act upon.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NotBuiltIn(codec) => Some(format!("build waloy with the feature compression-{codec}")),
            Error::Unknown(_) => Some("it was made by a newer waloy: use one at least as new".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> impl Iterator<Item = Compression> {
        let all =
            [Compression::None, Compression::Lz4, Compression::Zstd(1), Compression::Zstd(3), Compression::Zstd(19)];
        all.into_iter().filter(|compression| compression.check().is_ok())
    }

    fn decompress(codec: Codec, bytes: &[u8], raw_len: usize) -> Result<Vec<u8>, Error> {
        Decompressor::default().decompress(codec, bytes, raw_len).map(<[u8]>::to_vec)
    }

    /// Bytes that compress a little.
    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * i / 7 % 61) as u8).collect()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for compression in built_in() {
            let mut compressor = Compressor::new(compression).unwrap();
            for len in [0, 1, 511, 512, 65_536, 262_144] {
                let raw = text(len);
                let mut out = b"before".to_vec();
                compressor.compress(&raw, &mut out).unwrap();
                assert!(out.starts_with(b"before"));
                assert!(out.len() - 6 <= len + len / 255 + 64, "{compression}: {len} became {}", out.len() - 6);
                assert_eq!(decompress(compression.codec(), &out[6..], len), Ok(raw), "{compression}: {len}");
            }
        }
    }

    #[test]
    fn a_length_other_than_promised_is_refused() {
        for compression in built_in() {
            let mut out = Vec::new();
            Compressor::new(compression).unwrap().compress(&text(4096), &mut out).unwrap();
            let codec = compression.codec();
            for wrong in [0, 1, 4095, 4097, 262_144] {
                assert!(decompress(codec, &out, wrong).is_err(), "{compression}: {wrong}");
            }
            assert!(decompress(codec, &out[..out.len() - 1], 4096).is_err(), "{compression}: cut");
            out.push(0);
            assert!(decompress(codec, &out, 4096).is_err(), "{compression}: longer");
        }
    }

    /// Neither what was refused nor what was longer is left in what comes after it.
    #[test]
    fn one_decompressor_opens_one_piece_after_the_other() {
        let mut decompressor = Decompressor::default();
        for compression in built_in().chain(built_in()) {
            let (mut compressor, codec) = (Compressor::new(compression).unwrap(), compression.codec());
            for len in [262_144, 512, 0, 65_536] {
                let raw = text(len);
                let mut out = Vec::new();
                compressor.compress(&raw, &mut out).unwrap();
                let middle = out.len() / 2;
                assert!(decompressor.decompress(codec, &out[..middle], len + 1).is_err(), "{compression}: {len}");
                assert_eq!(decompressor.decompress(codec, &out, len), Ok(&raw[..]), "{compression}: {len}");
            }
        }
    }

    #[cfg(feature = "compression-zstd")]
    #[test]
    fn a_frame_that_states_no_length_or_is_followed_by_another_is_refused() {
        let mut unsized_frame = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
        std::io::Write::write_all(&mut unsized_frame, &text(4096)).unwrap();
        let unsized_frame = unsized_frame.finish().unwrap();
        assert!(matches!(decompress(Codec::Zstd, &unsized_frame, 4096), Err(Error::Damaged(..))));

        let mut two = Vec::new();
        let mut compressor = Compressor::new(Compression::Zstd(3)).unwrap();
        compressor.compress(&text(2048), &mut two).unwrap();
        compressor.compress(&text(2048), &mut two).unwrap();
        assert!(decompress(Codec::Zstd, &two, 4096).is_err());
        assert!(matches!(decompress(Codec::Zstd, &two, 2048), Err(Error::Damaged(..))));

        let skippable = [&0x184d_2a50u32.to_le_bytes()[..], &512u32.to_le_bytes(), &[0; 512]].concat();
        assert!(matches!(decompress(Codec::Zstd, &skippable, 512), Err(Error::Damaged(..))));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for compression in built_in() {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
        assert_eq!(Compression::Zstd(3).to_string(), "zstd");
        assert_eq!(Compression::Zstd(4).to_string(), "zstd:4");
        if Codec::Zstd.is_built_in() {
            assert_eq!("zstd:3".parse(), Ok(Compression::Zstd(3)));
        }
        for bad in ["", "ZSTD", "gzip", "zstd:", "zstd:0", "zstd:20", "zstd:-1", "zstd: 3", "lz4:1", "none "] {
            assert!(bad.parse::<Compression>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_built_in_is_refused_with_a_hint() {
        for compression in [Compression::Lz4, Compression::Zstd(3)] {
            let codec = compression.codec();
            if !codec.is_built_in() {
                let error = Compressor::new(compression).unwrap_err();
                assert_eq!(error, Error::NotBuiltIn(codec));
                assert_eq!(compression.to_string().parse::<Compression>(), Err(error.clone()));
                assert_eq!(decompress(codec, &[], 512), Err(error));
            }
        }
        let error = Error::NotBuiltIn(Codec::Zstd);
        assert_eq!(error.to_string(), "compression not built in: zstd");
        assert_eq!(error.hint().as_deref(), Some("build waloy with the feature compression-zstd"));
        assert_eq!(Codec::from_u8(3), Err(Error::Unknown(3)));
        assert!(Compression::default().check().is_ok());
    }
}
