//! A set of page numbers, one bit a page: what has to be read, and what changed meanwhile.

use crate::units::PageNo;

/// Page numbers in ascending order; 32 KiB of memory for each GiB of a database with pages of 4 KiB.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct PageSet {
    words: Vec<u64>,
    len: usize,
}

impl PageSet {
    /// All pages up to this count.
    pub(super) fn up_to(pages: u32) -> PageSet {
        let mut words = vec![u64::MAX; pages as usize / 64];
        if !pages.is_multiple_of(64) {
            words.push((1 << (pages % 64)) - 1);
        }
        PageSet { words, len: pages as usize }
    }

    /// These pages.
    pub(super) fn of(pages: impl IntoIterator<Item = PageNo>) -> PageSet {
        let mut set = PageSet::default();
        pages.into_iter().for_each(|page| set.insert(page));
        set
    }

    /// Adds a page.
    pub(super) fn insert(&mut self, page: PageNo) {
        let (word, bit) = ((page.get() - 1) as usize / 64, (page.get() - 1) % 64);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.len += usize::from(self.words[word] >> bit & 1 == 0);
        self.words[word] |= 1 << bit;
    }

    /// Adds all pages of another set.
    pub(super) fn merge(&mut self, other: &PageSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine |= theirs);
        self.len = self.words.iter().map(|word| word.count_ones() as usize).sum();
    }

    /// How many pages are in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many of its pages are not above this one.
    pub(super) fn up_to_page(&self, last: u32) -> u32 {
        let (whole, rest) = (last as usize / 64, last % 64);
        let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
        match self.words.get(..whole) {
            None => ones(&self.words),
            Some(words) => {
                ones(words) + self.words.get(whole).map_or(0, |word| (word & ((1 << rest) - 1)).count_ones())
            }
        }
    }

    /// Takes out the first pages after `after`, at most `count`, and none above `last`.
    pub(super) fn next(&self, after: u32, count: usize, last: u32) -> Vec<PageNo> {
        let mut found = Vec::with_capacity(count.min(self.len));
        let mut word = after as usize / 64;
        let mut mask = u64::MAX << (after % 64);
        while word < self.words.len() && found.len() < count {
            let mut bits = self.words[word] & mask;
            while bits != 0 && found.len() < count {
                let number = word as u32 * 64 + bits.trailing_zeros() + 1;
                if number > last {
                    return found;
                }
                found.extend(PageNo::new(number));
                bits &= bits - 1;
            }
            word += 1;
            mask = u64::MAX;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(pages: &[PageNo]) -> Vec<u32> {
        pages.iter().map(|page| page.get()).collect()
    }

    #[test]
    fn pages_come_in_order_and_up_to_the_last() {
        let mut set = PageSet::default();
        for page in [200, 1, 64, 65, 64] {
            set.insert(PageNo::new(page).unwrap());
        }
        assert_eq!(set.len(), 4);
        assert_eq!(numbers(&set.next(0, 10, 1000)), [1, 64, 65, 200]);
        assert_eq!(numbers(&set.next(1, 2, 1000)), [64, 65]);
        assert_eq!(numbers(&set.next(64, 10, 100)), [65]);
        assert_eq!(numbers(&set.next(200, 10, 1000)), [0u32; 0]);
    }

    #[test]
    fn every_page_up_to_a_count() {
        for count in [0, 1, 63, 64, 65, 130] {
            let set = PageSet::up_to(count);
            assert_eq!(set.len(), count as usize);
            assert_eq!(numbers(&set.next(0, 1000, u32::MAX)), (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn merging_counts_each_page_once() {
        let mut set = PageSet::up_to(70);
        let mut other = PageSet::default();
        other.insert(PageNo::new(70).unwrap());
        other.insert(PageNo::new(300).unwrap());
        set.merge(&other);
        assert_eq!(set.len(), 71);
    }
}
