//! Room for what is read.

use std::ops::Deref;

/// The size of a page of memory, in bytes, as far as that matters here.
const PAGE: usize = 4096;

/// Bytes that begin where a page of memory does, in room that can be used again.
///
/// Both are for speed. Fresh room is given by the system page by page, which takes longer than to read into it. And where the
/// destination lies up to 31 bytes behind the source within a page, AMD's Zen 3 copies five times slower (`rep movsb`, with
/// which Linux copies what is read): with glibc that is so for each large allocation, which begins 16 bytes behind the start
/// of a page, when it takes a file from its start.
#[derive(Default)]
pub struct Room {
    bytes: Vec<u8>,
    /// Where it begins in them.
    from: usize,
    len: usize,
}

impl Room {
    /// Makes it so many bytes long, whatever they are.
    pub(super) fn resize(&mut self, len: usize) {
        if self.bytes.len() < self.from + len {
            self.bytes = vec![0; len + PAGE];
            self.from = self.bytes.as_ptr().align_offset(PAGE).min(PAGE);
        }
        self.len = len;
    }

    /// Makes it empty; the room stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.from..self.from + self.len]
    }
}

impl Deref for Room {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.from..self.from + self.len]
    }
}

/// Without the bytes.
impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_begins_at_a_page_of_memory_and_is_used_again() {
        let mut room = Room::default();
        assert!(room.is_empty());
        for len in [1, 4096, 1 << 20] {
            room.resize(len);
            assert_eq!((room.len(), room.as_ptr().align_offset(PAGE)), (len, 0));
            room.bytes_mut().fill(7);
        }
        let place = room.as_ptr();
        room.clear();
        assert!(room.is_empty());
        room.resize(5000);
        assert_eq!((room.as_ptr(), &room[..]), (place, &[7; 5000][..]));
    }
}
