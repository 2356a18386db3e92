//! Which pages have been taken: one bit each.

use crate::units::PageNo;

/// A set of the pages of one database.
#[derive(Debug)]
pub(crate) struct Claimed {
    words: Vec<u64>,
    /// Pages that the set may have.
    pages: u32,
    /// Pages that it lacks.
    left: u32,
}

impl Claimed {
    /// No page, of a database of so many.
    pub(crate) fn none(pages: u32) -> Claimed {
        Claimed { words: vec![0; (pages as usize).div_ceil(64)], pages, left: pages }
    }

    /// Takes a page; `false` if it was taken before, or the database has no such page.
    pub(crate) fn claim(&mut self, page: PageNo) -> bool {
        let at = page.get() - 1;
        if at >= self.pages {
            return false;
        }
        let (word, bit) = (&mut self.words[(at / 64) as usize], 1 << (at % 64));
        let free = *word & bit == 0;
        *word |= bit;
        self.left -= u32::from(free);
        free
    }

    /// How many pages nobody took.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// The first page that nobody took.
    pub(crate) fn first_left(&self) -> Option<PageNo> {
        let word = self.words.iter().position(|&word| word != u64::MAX)?;
        let page = word as u64 * 64 + u64::from(self.words[word].trailing_ones()) + 1;
        PageNo::new(u32::try_from(page).ok()?).filter(|page| page.get() <= self.pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_once() {
        let page = |n| PageNo::new(n).unwrap();
        let mut claimed = Claimed::none(65);
        assert!(claimed.claim(page(65)) && !claimed.claim(page(65)) && !claimed.claim(page(66)));
        assert_eq!((claimed.left(), claimed.first_left()), (64, Some(page(1))));
        for n in 1..=64 {
            assert_eq!(claimed.first_left(), Some(page(n)));
            assert!(claimed.claim(page(n)));
        }
        assert_eq!((claimed.left(), claimed.first_left()), (0, None));
    }
}
