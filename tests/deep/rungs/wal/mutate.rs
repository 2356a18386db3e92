//! Changes of a log: damage, and forgeries whose checksums are right, so that what stands behind them is reached.

use waloy::wal::{ByteOrder, Checksum, FRAME_HEADER_LEN, HEADER_LEN};

use super::super::chance::Chance;

/// Changes a log in one way, and says in which. `others` are logs of the same database at other moments.
pub(super) fn mutate(chance: &mut Chance, log: &mut Vec<u8>, others: &[&[u8]]) -> &'static str {
    if log.len() < HEADER_LEN || chance.one_in(3) {
        damage(chance, log, others)
    } else {
        forge(chance, &mut Forgery::of(log), others)
    }
}

/// What disks, crashes and clumsy hands do. No checksum is put right.
fn damage(chance: &mut Chance, log: &mut Vec<u8>, others: &[&[u8]]) -> &'static str {
    let frame_len = frame_len(log).unwrap_or(536);
    let frames = log.len().saturating_sub(HEADER_LEN) / frame_len;
    match chance.below(10) {
        0 => {
            for _ in 0..1 + chance.below(3) {
                let at = chance.below(log.len());
                let bit = 1 << chance.below(8);
                log.get_mut(at).into_iter().for_each(|byte| *byte ^= bit);
            }
            "bits flipped"
        }
        1 => {
            // Most bytes are those of images: half of the time, one of a header.
            let at = if chance.one_in(2) { chance.below(log.len()) } else { in_a_header(chance, frames, frame_len) };
            let value = chance.pick(&[0, 1, 0x7f, 0x80, 0xff]);
            log.get_mut(at).into_iter().for_each(|byte| *byte = value);
            "a byte set"
        }
        2 => {
            log.truncate(chance.below(log.len() + 1));
            "cut"
        }
        3 => {
            // On the boundary of a frame, or a byte beside it.
            let at = HEADER_LEN + chance.below(frames + 1) * frame_len;
            log.truncate((at + chance.below(3)).saturating_sub(1));
            "cut at a frame"
        }
        4 => {
            let len = chance.below(3 * frame_len);
            let more = if chance.one_in(2) { vec![0; len] } else { chance.bytes(len) };
            log.extend(more);
            "extended"
        }
        5 => {
            let other = chance.pick(others);
            log.extend(&other[HEADER_LEN.min(other.len())..]);
            "frames of another moment behind"
        }
        6 => {
            // A crash: each sector is as it was before, or after.
            let other = chance.pick(others);
            for (sector, old) in log.chunks_mut(512).zip(other.chunks(512)) {
                if sector.len() == old.len() && chance.one_in(3) {
                    sector.copy_from_slice(old);
                }
            }
            "sectors of another moment"
        }
        7 => {
            let (at, len) = (chance.below(log.len()), chance.pick(&[8, 512, 4096]));
            log.iter_mut().skip(at / 8 * 8).take(len).for_each(|byte| *byte = 0);
            "zeros"
        }
        8 => {
            let other = chance.pick(others);
            let len = HEADER_LEN.min(log.len()).min(other.len());
            log[..len].copy_from_slice(&other[..len]);
            "the header of another moment"
        }
        _ => rearrange(chance, log, frame_len),
    }
}

/// An offset in the header, or in that of a frame.
fn in_a_header(chance: &mut Chance, frames: usize, frame_len: usize) -> usize {
    match chance.below(frames + 1) {
        0 => chance.below(HEADER_LEN),
        frame => HEADER_LEN + (frame - 1) * frame_len + chance.below(FRAME_HEADER_LEN),
    }
}

/// Two frames change places, one is there twice, one is missing.
fn rearrange(chance: &mut Chance, log: &mut Vec<u8>, frame_len: usize) -> &'static str {
    let frames = log.len().saturating_sub(HEADER_LEN) / frame_len;
    if frames == 0 {
        return "nothing";
    }
    let at = |frame: usize| HEADER_LEN + frame * frame_len;
    let (one, other) = (at(chance.below(frames)), at(chance.below(frames)));
    let frame = log[one..one + frame_len].to_vec();
    match chance.below(3) {
        0 => {
            log.copy_within(other..other + frame_len, one);
            log[other..other + frame_len].copy_from_slice(&frame);
            "frames swapped"
        }
        1 => {
            log.splice(other..other, frame);
            "a frame doubled"
        }
        _ => {
            log.drain(one..one + frame_len);
            "a frame dropped"
        }
    }
}

/// A log that is signed again after it was changed.
struct Forgery<'l> {
    log: &'l mut Vec<u8>,
    frame_len: usize,
    frames: usize,
}

impl<'l> Forgery<'l> {
    fn of(log: &'l mut Vec<u8>) -> Forgery<'l> {
        let frame_len = frame_len(log).unwrap_or(536);
        let frames = (log.len() - HEADER_LEN) / frame_len;
        Forgery { log, frame_len, frames }
    }

    fn set(&mut self, at: usize, word: u32) {
        self.log[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }

    /// Where a frame begins that is any of them.
    fn frame(&self, chance: &mut Chance) -> Option<usize> {
        (self.frames > 0).then(|| HEADER_LEN + chance.below(self.frames) * self.frame_len)
    }

    /// The frames that have the header's salts, up to the first that has not.
    fn own(&self) -> usize {
        let salts = &self.log[16..24];
        let frames = self.log[HEADER_LEN..].chunks_exact(self.frame_len);
        frames.take_while(|frame| &frame[8..16] == salts).count()
    }

    /// Makes the checksums of the header and of so many frames right, in the byte order of the magic number.
    fn sign(&mut self, frames: usize) {
        let order = if self.log[3] & 1 == 1 { ByteOrder::Big } else { ByteOrder::Little };
        let mut sum = Checksum::default().update(order, &self.log[..24]);
        self.set(24, sum.0);
        self.set(28, sum.1);
        for frame in self.log[HEADER_LEN..].chunks_exact_mut(self.frame_len).take(frames) {
            sum = sum.update(order, &frame[..8]).update(order, &frame[FRAME_HEADER_LEN..]);
            frame[16..20].copy_from_slice(&sum.0.to_be_bytes());
            frame[20..24].copy_from_slice(&sum.1.to_be_bytes());
        }
    }

    /// Gives so many frames the header's salts.
    fn adopt(&mut self, frames: usize) {
        let (header, rest) = self.log.split_at_mut(HEADER_LEN);
        rest.chunks_exact_mut(self.frame_len)
            .take(frames)
            .for_each(|frame| frame[8..16].copy_from_slice(&header[16..24]));
    }
}

fn forge(chance: &mut Chance, forgery: &mut Forgery<'_>, others: &[&[u8]]) -> &'static str {
    let own = forgery.own();
    let word = chance.word() as u32;
    let small = 1 + chance.below(2 * forgery.frames + 4) as u32;
    let name = match chance.below(12) {
        0 => {
            let Some(frame) = forgery.frame(chance) else { return "nothing" };
            let pages = chance.pick(&[0, 0, 1, small, small, 1_000, 0x7fff_ffff, 0x8000_0000, u32::MAX, word]);
            forgery.set(frame + 4, pages);
            "a commit mark, signed"
        }
        1 => {
            let Some(frame) = forgery.frame(chance) else { return "nothing" };
            let page = chance.pick(&[0, 1, small, small, small, 0x8000_0000, u32::MAX, word]);
            forgery.set(frame, page);
            "a page number, signed"
        }
        2 => {
            forgery.set(16 + 4 * chance.below(2), word);
            if chance.one_in(2) {
                forgery.adopt(own);
            }
            "salts, signed"
        }
        3 => {
            let Some(frame) = forgery.frame(chance) else { return "nothing" };
            forgery.set(frame + 8 + 4 * chance.below(2), word);
            "the salt of a frame, signed"
        }
        4 => {
            let magic = chance.pick(&[0x377f_0680, 0x377f_0681, 0x377f_0684, 0x827f_0637, 0, word]);
            forgery.set(0, magic);
            "a magic number, signed"
        }
        5 => {
            let version = chance.pick(&[0, 3_006_999, 3_007_001, 3_008_000, u32::MAX, word]);
            forgery.set(4, version);
            "a version, signed"
        }
        6 => {
            let size = chance.pick(&[0, 1, 2, 256, 511, 512, 513, 1024, 4096, 65_535, 65_536, 131_072, 1 << 31, word]);
            forgery.set(8, size);
            if let Some(len) = frame_len(forgery.log) {
                // As frames of that size they have other salts, at first.
                (forgery.frame_len, forgery.frames) = (len, (forgery.log.len() - HEADER_LEN) / len);
                if chance.one_in(2) {
                    forgery.adopt(forgery.frames);
                }
            }
            "a page size, signed"
        }
        7 => {
            forgery.set(12, word);
            "a sequence number, signed"
        }
        8 => {
            forgery.log[3] ^= 1;
            "the other byte order, signed"
        }
        9 => {
            let Some(frame) = forgery.frame(chance) else { return "nothing" };
            let at = frame + FRAME_HEADER_LEN + chance.below(forgery.frame_len - FRAME_HEADER_LEN);
            forgery.log[at] ^= 1 << chance.below(8);
            "an image, signed"
        }
        10 => {
            let more = chance.pick(others);
            let more = &more[HEADER_LEN.min(more.len())..];
            if chance.one_in(3) {
                forgery.log.extend(more);
                forgery.frames = (forgery.log.len() - HEADER_LEN) / forgery.frame_len;
            }
            let frames = chance.below(forgery.frames + 1);
            forgery.adopt(frames);
            forgery.sign(frames);
            return "frames left of earlier logs, signed";
        }
        _ => {
            let frame_len = forgery.frame_len;
            rearrange(chance, forgery.log, frame_len);
            forgery.frames = (forgery.log.len() - HEADER_LEN) / frame_len;
            "frames in another order, signed"
        }
    };
    // All that were in use, whether or not they still are; or fewer: the rest then has the checksums of before.
    let frames = if chance.one_in(8) { chance.below(own + 1) } else { own };
    forgery.sign(frames);
    name
}

/// The length of a frame, by the page size in the header.
fn frame_len(log: &[u8]) -> Option<usize> {
    let size = u32::from_be_bytes(*log.get(8..)?.first_chunk()?) as usize;
    (size.is_power_of_two() && (512..=65_536).contains(&size)).then_some(size + FRAME_HEADER_LEN)
}
