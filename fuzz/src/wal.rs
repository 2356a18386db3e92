//! The header and frames of a log, and the header of a wal-index.

use waloy::wal::{ByteOrder, Chain, Checksum, FRAME_HEADER_LEN, HEADER_LEN, Header, INDEX_LEN, Index};

pub(super) fn run(input: &[u8]) {
    read(input);
    // With the checksums put right, to reach what stands behind them.
    let mut signed = input.to_vec();
    sign(&mut signed);
    read(&signed);
    if let Some(bytes) = input.first_chunk::<INDEX_LEN>() {
        index(bytes);
        let mut signed = *bytes;
        let sum = Checksum::default().update(ByteOrder::NATIVE, &bytes[..40]);
        signed[40..44].copy_from_slice(&sum.0.to_ne_bytes());
        signed[44..48].copy_from_slice(&sum.1.to_ne_bytes());
        signed.copy_within(..48, 48);
        index(&signed);
    }
}

fn read(bytes: &[u8]) {
    let Some(head) = bytes.first_chunk::<HEADER_LEN>() else { return };
    let Ok(header) = Header::parse(head) else { return };
    assert_eq!(header.bytes(), head);
    assert_eq!(header.salts()[..], head[16..24]);
    let mut chain = Chain::start(header);
    for bytes in bytes[HEADER_LEN..].chunks_exact(chain.frame_len()) {
        let (before, offset) = (chain.position(), chain.frame_offset(chain.frame()));
        match chain.accept(bytes) {
            Ok(frame) => {
                assert_eq!(frame.image, &bytes[FRAME_HEADER_LEN..]);
                assert_eq!(chain.frame().0, before.frame.0 + 1);
                assert_eq!(frame.page.get().to_be_bytes()[..], bytes[..4]);
                assert_eq!(frame.commit.unwrap_or(0).to_be_bytes()[..], bytes[4..8]);
                assert!(before.frame.0 == 0 || chain.frame_offset(chain.frame()) > offset);
            }
            Err(_) => {
                assert_eq!(chain.position(), before, "a frame that is refused changes nothing");
                return;
            }
        }
    }
}

fn index(bytes: &[u8; INDEX_LEN]) {
    if let Ok(index) = Index::parse(bytes) {
        assert_eq!(index.max_frame.0.to_ne_bytes()[..], bytes[16..20]);
        assert_eq!(bytes[..48], bytes[48..96], "both copies are equal");
    }
}

fn sign(log: &mut [u8]) {
    if log.len() < HEADER_LEN {
        return;
    }
    // What is refused before the checksum is looked at is not what this is for.
    log[..3].copy_from_slice(&[0x37, 0x7f, 0x06]);
    log[3] = 0x82 | (log[3] & 1);
    log[4..8].copy_from_slice(&3_007_000u32.to_be_bytes());
    let order = if log[3] & 1 == 1 { ByteOrder::Big } else { ByteOrder::Little };
    let size = 512 << (log[11] % 8);
    log[8..12].copy_from_slice(&(size as u32).to_be_bytes());
    let (head, frames) = log.split_at_mut(HEADER_LEN);
    let mut sum = Checksum::default().update(order, &head[..24]);
    head[24..28].copy_from_slice(&sum.0.to_be_bytes());
    head[28..].copy_from_slice(&sum.1.to_be_bytes());
    for frame in frames.chunks_exact_mut(FRAME_HEADER_LEN + size) {
        frame[8..16].copy_from_slice(&head[16..24]);
        sum = sum.update(order, &frame[..8]).update(order, &frame[FRAME_HEADER_LEN..]);
        frame[16..20].copy_from_slice(&sum.0.to_be_bytes());
        frame[20..24].copy_from_slice(&sum.1.to_be_bytes());
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let log = |magic: u8, exponent: u8, frames: usize| {
        let mut log = vec![0; HEADER_LEN + frames * (FRAME_HEADER_LEN + (512 << exponent))];
        log[3] = magic;
        log[11] = exponent;
        log[16..24].copy_from_slice(b"saltsalt");
        for (number, frame) in log[HEADER_LEN..].chunks_exact_mut(FRAME_HEADER_LEN + (512 << exponent)).enumerate() {
            frame[3] = number as u8 + 1;
            frame[7] = number as u8 % 2;
        }
        sign(&mut log);
        log
    };
    vec![log(0x82, 0, 4), log(0x83, 0, 3), log(0x82, 1, 2), log(0x83, 3, 1), log(0x82, 0, 0)]
}
