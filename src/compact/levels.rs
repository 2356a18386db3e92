//! When ranges of segments are merged.

use std::time::Duration;

/// One level: a range of it closes after so long, or when it has so many parts, whichever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// From the time of its first segment on.
    pub window: Duration,
    /// Segments at the lowest level, ranges of the level below at others.
    pub parts: u32,
}

/// All levels, the lowest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Levels(Vec<Level>);

impl Levels {
    /// These levels, the lowest first, at most 255.
    ///
    /// # Panics
    ///
    /// If there are more.
    pub fn new(levels: impl Into<Vec<Level>>) -> Levels {
        let levels = levels.into();
        assert!(levels.len() <= 255, "a level is written in one byte");
        Levels(levels)
    }

    /// All of them, the lowest first.
    pub fn get(&self) -> &[Level] {
        &self.0
    }
}

impl Default for Levels {
    /// 30 s or 32 segments; 5 min or 10 of those; 1 h or 12 of those.
    fn default() -> Levels {
        let level = |seconds, parts| Level { window: Duration::from_secs(seconds), parts };
        Levels::new([level(30, 32), level(300, 10), level(3600, 12)])
    }
}
