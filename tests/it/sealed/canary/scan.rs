//! Looking for bytes that must not be seen.

use std::collections::{BTreeMap, BTreeSet};

/// How long a run of secret bytes is that counts.
const WINDOW: usize = 16;
/// How many distinct bytes it has then.
const DISTINCT: usize = 8;
/// What is indexed: every window has one of these, at a multiple of its length.
const WORD: usize = 8;
/// Bits of the filter in front of the index.
const FILTER: u32 = 24;

/// Everything that was seen, by what it is; no bytes twice.
#[derive(Default)]
pub(super) struct Observed {
    pub(super) bytes: BTreeMap<Vec<u8>, String>,
}

impl Observed {
    pub(super) fn add(&mut self, what: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.bytes.entry(bytes.into()).or_insert_with(|| what.into());
    }

    /// How many bytes of what is called so.
    pub(super) fn len_of(&self, what: &str) -> usize {
        let of = self.bytes.iter().filter(|(_, name)| name.starts_with(what));
        of.map(|(bytes, _)| bytes.len()).sum()
    }

    pub(super) fn absorb(&mut self, other: Observed) {
        self.bytes.extend(other.bytes);
    }
}

/// What must not be seen, with what each is.
#[derive(Default)]
pub(super) struct Secrets {
    all: BTreeMap<Vec<u8>, String>,
}

impl Secrets {
    /// Bytes, as they are.
    pub(super) fn bytes(&mut self, what: &str, bytes: &[u8]) {
        self.all.insert(bytes.to_vec(), what.to_owned());
    }

    /// A key or a passphrase: as it is, and as people and programs write bytes.
    pub(super) fn key(&mut self, what: &str, key: &[u8]) {
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<String> = key.iter().map(u8::to_string).collect();
        self.bytes(what, key);
        self.bytes(&format!("{what}, in hex"), hex.as_bytes());
        self.bytes(&format!("{what}, in capital hex"), hex.to_uppercase().as_bytes());
        self.bytes(&format!("{what}, as numbers"), numbers.join(", ").as_bytes());
        self.bytes(&format!("{what}, as JSON"), numbers.join(",").as_bytes());
        self.bytes(&format!("{what}, in base64"), base64(key).as_bytes());
    }

    /// What was seen of them, at most one of each thing: what, and where.
    pub(super) fn found_in(&self, observed: &Observed) -> BTreeSet<(String, String)> {
        let index = Index::new(self.all.keys().map(Vec::as_slice));
        let names: Vec<&String> = self.all.values().collect();
        let mut found = BTreeSet::new();
        for (bytes, place) in &observed.bytes {
            if let Some(secret) = index.first_in(bytes) {
                found.insert((names[secret].clone(), place.clone()));
            }
        }
        found
    }
}

/// Where words of secrets are.
struct Index<'a> {
    secrets: Vec<&'a [u8]>,
    /// Word, secret, offset.
    words: Vec<(u64, u32, u32)>,
    filter: Vec<u64>,
}

fn filter_bit(word: u64) -> (usize, u64) {
    let bit = word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER);
    ((bit / 64) as usize, 1 << (bit % 64))
}

impl<'a> Index<'a> {
    fn new(secrets: impl Iterator<Item = &'a [u8]>) -> Index<'a> {
        let secrets: Vec<&[u8]> = secrets.collect();
        let (mut words, mut filter) = (Vec::new(), vec![0u64; 1 << (FILTER - 6)]);
        for (secret, bytes) in secrets.iter().enumerate() {
            for (at, word) in bytes.chunks_exact(WORD).enumerate() {
                // A word that is one byte again and again is in no window that counts but beside others that are indexed.
                if word.iter().all(|&byte| byte == word[0]) {
                    continue;
                }
                let word = u64::from_le_bytes(word.try_into().unwrap());
                words.push((word, secret as u32, (at * WORD) as u32));
                let (place, bit) = filter_bit(word);
                filter[place] |= bit;
            }
        }
        words.sort_unstable();
        Index { secrets, words, filter }
    }

    /// The first secret of which a window is in these bytes.
    fn first_in(&self, bytes: &[u8]) -> Option<usize> {
        let mut word = 0u64;
        for (end, &byte) in bytes.iter().enumerate() {
            word = word >> 8 | u64::from(byte) << 56;
            let (place, bit) = filter_bit(word);
            if end + 1 < WORD || self.filter[place] & bit == 0 {
                continue;
            }
            let from = self.words.partition_point(|&(known, ..)| known < word);
            for &(_, secret, at) in self.words[from..].iter().take_while(|&&(known, ..)| known == word).take(64) {
                if self.is_window(secret as usize, at as usize, bytes, end + 1 - WORD) {
                    return Some(secret as usize);
                }
            }
        }
        None
    }

    /// Whether the run that both have around this word has a window that counts.
    fn is_window(&self, secret: usize, at: usize, bytes: &[u8], place: usize) -> bool {
        let (secret, reach) = (self.secrets[secret], WINDOW - WORD);
        let before = (1..=reach.min(at).min(place)).take_while(|&n| secret[at - n] == bytes[place - n]).count();
        let (ours, theirs) = (&secret[at + WORD..], &bytes[place + WORD..]);
        let after = ours.iter().zip(theirs).take(reach).take_while(|(a, b)| a == b).count();
        bytes[place - before..place + WORD + after].windows(WINDOW).any(counts)
    }
}

fn counts(window: &[u8]) -> bool {
    window.iter().collect::<BTreeSet<_>>().len() >= DISTINCT
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |three: &[u8]| {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        let text: String = (0..4).map(|at| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize])).collect();
        text[..three.len() + 1].to_owned()
    };
    bytes.chunks(3).map(digits).collect()
}

#[test]
fn a_window_is_found_wherever_it_is_and_nothing_shorter() {
    let page: Vec<u8> = (0..64u8).map(|at| at.wrapping_mul(37) ^ 0x5a).collect();
    let other = (0..=255).find(|byte| !page.contains(byte)).unwrap();
    let mut secrets = Secrets::default();
    secrets.bytes("a page", &page);
    secrets.key("a key", b"0123456789abcdef0123456789abcdef");
    let sees = |bytes: &[u8]| {
        let mut observed = Observed::default();
        observed.add("somewhere", bytes);
        !secrets.found_in(&observed).is_empty()
    };
    for at in 0..=page.len() - WINDOW {
        for around in 0..20 {
            let window = [&vec![other; around], &page[at..at + WINDOW], &vec![other; around]].concat();
            assert!(sees(&window), "{at} {around}");
            let shorter = [&vec![other; around], &page[at..at + WINDOW - 1], &vec![other; around]].concat();
            assert!(!sees(&shorter), "{at} {around}");
        }
    }
    assert!(sees(b"key=3031323334353637383961626364") && sees(b"[48, 49, 50, 51, 52, 53, 54]"));
    assert!(sees(base64(b"0123456789abcdef0123456789abcdef").as_bytes()));
    assert!(!sees(&[7; 100]));
}
