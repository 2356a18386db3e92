//! Zstandard frames, one to a piece.

use super::{Codec, Error};
use zstd::{bulk, zstd_safe};

/// Every frame begins with it; skippable frames and those of versions before 0.8 do not.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn failed(error: impl ToString) -> Error {
    Error::Failed(Codec::Zstd, error.to_string())
}

fn damaged(problem: impl ToString) -> Error {
    Error::Damaged(Codec::Zstd, problem.to_string())
}

/// A compressor, made when it is first needed, and the room that it writes to.
#[derive(Default)]
pub(super) struct Context(Option<bulk::Compressor<'static>>, Vec<u8>);

impl Context {
    pub(super) fn compress(&mut self, level: i32, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let compressor = match &mut self.0 {
            Some(compressor) => compressor,
            none => none.insert(bulk::Compressor::new(level).map_err(failed)?),
        };
        // Several times what comes of it, and not to be cleared or mapped anew for each piece.
        self.1.clear();
        self.1.reserve(zstd_safe::compress_bound(raw.len()));
        compressor.compress_to_buffer(raw, &mut self.1).map_err(failed)?;
        out.extend_from_slice(&self.1);
        Ok(())
    }
}

/// A decompressor, made when it is first needed.
#[derive(Default)]
pub(super) struct Decoder(Option<bulk::Decompressor<'static>>);

impl Decoder {
    pub(super) fn decompress(&mut self, bytes: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        if !bytes.starts_with(&MAGIC) {
            return Err(damaged("not a frame"));
        }
        let expected = raw.len() as u64;
        match zstd_safe::get_frame_content_size(bytes).map_err(|_| damaged("header of the frame damaged"))? {
            None => return Err(damaged("the frame does not state the length of its content")),
            Some(found) if found != expected => return Err(Error::Length { expected, found }),
            Some(_) => (),
        }
        let frame_len =
            zstd_safe::find_frame_compressed_size(bytes).map_err(|code| damaged(zstd_safe::get_error_name(code)))?;
        if frame_len != bytes.len() {
            return Err(damaged("bytes after the frame"));
        }
        let decompressor = match &mut self.0 {
            Some(decompressor) => decompressor,
            none => none.insert(bulk::Decompressor::new().map_err(failed)?),
        };
        decompressor.decompress_to_buffer(bytes, raw).map_err(damaged)
    }
}
