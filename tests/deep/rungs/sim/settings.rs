//! How a world is set up, by chance.

use std::path::Path;
use std::time::Duration;

use waloy::compact::{Level, Levels};
use waloy::compress::Compression;
use waloy::engine::{Checkpoints, OnConflict, Options};
use waloy::replica::Key;
use waloy::retention::Policy;
use waloy::seal::Secret;
use waloy::testing::dice::Dice;

/// Settings of waloy's, of all the kinds that there are. Sizes are small, so that a small database meets their limits.
pub(super) fn options(db: &Path, dice: &mut Dice, key: Option<&Key>) -> Options {
    let mut options = Options::new(db);
    options.automatic = dice.one_in(2);
    options.sync_interval = Duration::from_millis(*dice.pick(&[10, 200, 1000, 5000]));
    options.checkpoint_threshold = *dice.pick(&[4 << 10, 32 << 10, 256 << 10, 4 << 20]);
    options.checkpoints = if dice.one_in(6) { Checkpoints::Off } else { Checkpoints::Auto };
    options.memory_budget = *dice.pick(&[2 << 10, 16 << 10, 16 << 20, 16 << 20]);
    options.compression = *dice.pick(&[Compression::None, Compression::Lz4, Compression::Zstd(3)]);
    options.snapshot_interval = dice.one_in(4).then(|| Duration::from_secs(60));
    options.merge = match dice.below(4) {
        0 => None,
        1 => Some(Levels::default()),
        _ => Some(Levels::new([
            Level { window: Duration::from_secs(3), parts: 4 },
            Level { window: Duration::from_secs(30), parts: 4 },
        ])),
    };
    if dice.one_in(3) {
        let mut policy = Policy::new(Some(Duration::from_secs(*dice.pick(&[60, 3600]))));
        policy.grace = Duration::from_secs(*dice.pick(&[5, 60]));
        policy.orphans = dice.one_in(2);
        options.retention = Some(policy);
    }
    options.on_conflict = if dice.one_in(2) { OnConflict::Stop } else { OnConflict::NewGeneration };
    options.rival_check = Duration::from_secs(*dice.pick(&[1, 60]));
    options.key = key.cloned();
    options
}

/// A key file: unlike a passphrase it needs no Argon2.
pub(super) fn key(dice: &mut Dice) -> Key {
    let bytes = dice.bytes(32);
    Key::new(Secret::from_key_file(&bytes).expect("32 bytes are a raw key"))
}
