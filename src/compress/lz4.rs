//! LZ4 blocks, decoded in safe code.

use super::{Codec, Error};
use lz4_flex::block;

pub(super) fn compress(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    out.resize(start + block::get_maximum_output_size(raw.len()), 0);
    let len = block::compress_into(raw, &mut out[start..]).map_err(|e| Error::Failed(Codec::Lz4, e.to_string()))?;
    out.truncate(start + len);
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    block::decompress_into(bytes, raw).map_err(|e| Error::Damaged(Codec::Lz4, e.to_string()))
}
