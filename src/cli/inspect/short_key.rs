//! Keys as people read and write them: without the generation, which is known, and without zeros in front.

use crate::ids::GenerationId;
use crate::replica::Name;
use crate::units::SegmentIndex;

/// `wal/37` for `01jd9q…/wal/000000000037`.
pub(super) fn short(key: &str) -> String {
    match Name::parse(key) {
        Some(Name::Snapshot(_)) => "snapshot".into(),
        Some(Name::Manifest(_)) => "manifest.json".into(),
        Some(Name::Segment(_, index)) => format!("wal/{index}"),
        Some(Name::Merged(_, first, last)) => format!("wal/{first}-{last}"),
        None => key.to_owned(),
    }
}

/// The whole key of an object of this generation; `None` if it is not the key of one.
pub(super) fn whole(generation: GenerationId, key: &str) -> Option<String> {
    let name = match key {
        "snapshot" => Name::Snapshot(generation),
        "manifest.json" | "manifest" => Name::Manifest(generation),
        _ => {
            let range = key.strip_prefix("wal/")?;
            match range.split_once('-') {
                None => Name::Segment(generation, index(range)?),
                Some((first, last)) => Name::Merged(generation, index(first)?, index(last)?),
            }
        }
    };
    Some(name.key())
}

/// With or without zeros, or an `…` for them.
fn index(digits: &str) -> Option<SegmentIndex> {
    let digits = digits.strip_prefix('…').or_else(|| digits.strip_prefix("..")).unwrap_or(digits);
    let plain = !digits.is_empty() && digits.len() <= 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
    SegmentIndex::new(digits.parse().ok().filter(|_| plain)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn short_keys_lead_back_to_whole_ones() {
        let id = GenerationId::new(Timestamp(1), [1; 10]);
        let at = |index| SegmentIndex::new(index).unwrap();
        let names =
            [Name::Snapshot(id), Name::Manifest(id), Name::Segment(id, at(37)), Name::Merged(id, at(0), at(31))];
        for name in names {
            assert_eq!(whole(id, &short(&name.key())), Some(name.key()));
        }
        for key in ["wal/…37", "wal/..37", "wal/037", "wal/000000000037"] {
            assert_eq!(whole(id, key), Some(names[2].key()), "{key}");
        }
        for key in ["wal/", "wal/x", "wal/+3", "wal/1-", "wal/0000000000037", "x", ""] {
            assert_eq!(whole(id, key), None, "{key}");
        }
        assert_eq!(short("latest"), "latest");
    }
}
