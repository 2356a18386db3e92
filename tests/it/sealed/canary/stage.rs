//! What is looked at: a replicator in good times and bad, restores, checks, and what is wrong told in full.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use bytes::Bytes;
use hkdf::Hkdf;
use rusqlite::Connection;
use sha2::Sha512;
use waloy::compact::{Level, Levels};
use waloy::compress::Compression;
use waloy::engine::{Hooks, Replicator};
use waloy::error::Error as PublicError;
use waloy::replica::{self, KeyObjects};
use waloy::restore::Anchor;
use waloy::seal::RecoveryKit;
use waloy::storage::DirStore;
use waloy::testing::faulty::FaultyStore;
use waloy::verify::{self, Level as Depth, Subset};
use waloy::{BackupConfig, EncryptionKey};

use super::super::vault::keyring;
use super::super::*;
use super::scan::{Observed, Secrets};
use crate::engine::application;
use crate::handmade::objects;
use crate::model;

/// The log of this process at its finest, from now on.
pub(super) fn keep_log() -> Arc<Mutex<Vec<u8>>> {
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log: Arc<Mutex<Vec<u8>>> = Arc::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || Kept(writer.clone()))
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
}

/// The digits of a recovery kit as bytes: version, replica, root key, checksum.
fn decoded(kit: &str) -> Vec<u8> {
    let digits = kit.bytes().filter(u8::is_ascii_alphanumeric);
    let value = |digit| b"0123456789abcdefghjkmnpqrstvwxyz".iter().position(|&known| known == digit).unwrap();
    let bits: Vec<usize> = digits.flat_map(|digit| (0..5).rev().map(move |bit| value(digit) >> bit & 1)).collect();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, &bit| byte << 1 | bit as u8)).collect()
}

/// All keys of a replica: the root key, what is derived from it, the data keys, the key of page hashes.
pub(super) async fn add_keys(secrets: &mut Secrets, memory: &MemoryStore, key: &Key) {
    let (keyring, root) = keyring(memory, key).await;
    let id = keyring.replica();
    let kit = RecoveryKit { replica: id, root }.text();
    let root = decoded(&kit)[17..49].to_vec();
    secrets.key("the root key", &root);
    // Version and replica are in its first characters.
    secrets.bytes("the recovery kit", &kit.as_bytes()[31..]);
    secrets.bytes("the recovery kit", &kit.replace('-', "").as_bytes()[28..]);
    let derived = |info: &[u8]| {
        let mut key = [0; 32];
        Hkdf::<Sha512>::new(Some(&id.0), &root).expand(info, &mut key).unwrap();
        key
    };
    let wrap_key = derived(b"waloy/v1 wrap-data-key");
    secrets.key("the wrap key", &wrap_key);
    secrets.key("the replica key", &derived(b"waloy/v1 replica"));
    for (epoch, bytes) in KeyObjects::read(memory).await.unwrap().data_keys {
        let mut data_key: [u8; 32] = bytes[60..92].try_into().unwrap();
        let nonce: [u8; 12] = bytes[48..60].try_into().unwrap();
        let tag: [u8; 16] = bytes[92..108].try_into().unwrap();
        Aes256Gcm::new_from_slice(&wrap_key)
            .unwrap()
            .decrypt_inout_detached(&Nonce::from(nonce), &bytes[..60], data_key.as_mut_slice().into(), &Tag::from(tag))
            .unwrap();
        secrets.key(&format!("data key {epoch}"), &data_key);
    }
    let replica = Replica::unlock(store(memory), key).await.unwrap();
    secrets.key("the key of page hashes", &replica::read_ids(&replica).await.unwrap().unwrap().hash_key.0);
}

/// One run, and what was seen of it.
pub(super) struct Stage {
    dir: tempfile::TempDir,
    memory: MemoryStore,
    faulty: FaultyStore,
    key: Option<Key>,
    compression: Compression,
    pages: BTreeSet<Vec<u8>>,
    pub(super) observed: Observed,
    pub(super) secrets: Secrets,
}

fn insert(app: &Connection, rows: u32) {
    for _ in 0..rows {
        let row = "INSERT INTO t(x) VALUES (randomblob(900)), ('a customer ' || hex(randomblob(300)))";
        app.execute(row, []).unwrap();
    }
}

impl Stage {
    pub(super) async fn play(key: Option<Key>, compression: Compression, large: bool) -> Stage {
        let memory = MemoryStore::new();
        let mut stage = Stage {
            dir: tempfile::tempdir().unwrap(),
            faulty: FaultyStore::new(store(&memory)),
            memory,
            key,
            compression,
            pages: BTreeSet::new(),
            observed: Observed::default(),
            secrets: Secrets::default(),
        };
        let app = application(&stage.dir.path().join("a.db"), 4096);
        let watched = Watch::begin(stage.state());
        stage.replicate(&app, large).await;
        stage.observed.absorb(watched.end());
        stage.read(&app, large).await;
        if !large {
            stage.trouble().await;
        }
        stage.secrets = match &stage.key {
            Some(key) => super::keys_of(&stage.memory, key).await,
            None => Secrets::default(),
        };
        for page in &stage.pages {
            stage.secrets.bytes("page", page);
        }
        stage
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn options(&self) -> Options {
        let mut options = Options::new(self.dir.path().join("a.db"));
        options.automatic = false;
        options.key = self.key.clone();
        options.compression = self.compression;
        options.state_dir = Some(self.state());
        options.quiet = Duration::from_millis(10);
        options.memory_budget = 4 << 20;
        options.merge = Some(Levels::new([Level { window: Duration::from_secs(3600), parts: 4 }]));
        options
    }

    async fn start(&self) -> Replicator {
        let replica = Replica::plain(Arc::new(self.faulty.clone()));
        Replicator::start(self.options(), replica, Hooks::default()).await.unwrap()
    }

    /// The store, the state directory and the pages, as they are now.
    async fn look(&mut self, app: &Connection) {
        self.look_at_files().await;
        let pages = model::pages_of(app);
        self.pages.extend(pages.chunks_exact(4096).map(<[u8]>::to_vec));
    }

    async fn look_at_files(&mut self) {
        for (name, bytes) in objects(&self.memory).await {
            self.observed.add(format!("name {name}"), name.as_bytes());
            self.observed.add(format!("object {name}"), bytes);
        }
        files(&self.state(), &mut self.observed);
    }

    async fn replicate(&mut self, app: &Connection, large: bool) {
        insert(app, 20);
        let replicator = self.start().await;
        replicator.sync().await.unwrap();
        self.look(app).await;
        for _ in 0..3 {
            insert(app, 2);
            replicator.sync().await.unwrap();
            self.look(app).await;
        }
        if !large {
            self.value("a replicator", &replicator);
        }
        self.value("a status", &replicator.status());
        // What is on its way when the process ends waits in the state directory.
        self.faulty.set_down(true);
        insert(app, 3);
        let pages = model::pages_of(app);
        self.pages.extend(pages.chunks_exact(4096).map(<[u8]>::to_vec));
        for _ in 0..4 {
            let _ = tokio::time::timeout(Duration::from_millis(100), replicator.sync()).await;
            self.look_at_files().await;
        }
        drop(replicator);
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.look(app).await;
        let payloads = self
            .observed
            .bytes
            .iter()
            .filter(|(bytes, name)| name.starts_with("state") && bytes.windows(4).any(|window| window == b"WLO1"));
        assert!(payloads.count() > 0, "no object waits in the state directory");
        self.faulty.set_down(false);

        let mut replicator = self.start().await;
        replicator.sync().await.unwrap();
        self.look(app).await;
        replicator.snapshot().await.unwrap();
        let blob = if large { 2_100_000 } else { 40_000 };
        for id in [1, 2, 3, 4, 1] {
            app.execute("INSERT OR REPLACE INTO t(id, x) VALUES (?1, randomblob(?2))", [id, blob]).unwrap();
            replicator.sync().await.unwrap();
            self.look(app).await;
        }
        for _ in 0..1500 {
            if objects(&self.memory).await.iter().any(|(name, _)| name.contains('-') && name.contains("/wal/")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.look(app).await;
        replicator.shutdown().await.unwrap();
        self.look(app).await;
        let merged = self.observed.bytes.values().any(|name| name.contains("/wal/") && name.contains('-'));
        assert!(merged, "nothing was merged");
    }

    async fn opened(&self) -> Replica {
        Replica::with(store(&self.memory), self.key.as_ref()).await.unwrap()
    }

    /// A restore and a check, with what they say; of little, everything is read.
    async fn read(&mut self, app: &Connection, large: bool) {
        let replica = self.opened().await;
        let (report, pages) = restore(&replica, Target::Latest).await.unwrap();
        assert!(pages == model::pages_of(app));
        self.value("a restore", &report);
        let depth = if large { Depth::Default } else { Depth::ReadData(Subset::All) };
        let report = verify::verify(&replica, depth, &verify::Options::default()).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        self.value("a check", &report);
        self.observed.add("value: an anchor", Anchor::of(&replica).await.unwrap().to_string());
        // In a store that shows nothing of its objects: here they are all that there is.
        let folder = DirStore::new(self.dir.path().join("copy"));
        for (name, bytes) in objects(&self.memory).await.into_iter().filter(|(name, _)| !name.contains("/wal/")) {
            folder.put(&name, bytes).await.unwrap();
        }
        self.value("a replica", &Replica::with(Arc::new(folder), self.key.as_ref()).await.unwrap());
        self.value("options", &self.options());
        if let Some(key) = self.key.clone() {
            self.value("a key", &key);
            self.value("a secret", key.secret());
            let config = EncryptionKey::from_key(key.clone());
            self.value("an encryption key", &config);
            self.value("a configuration", &BackupConfig { encryption_key: Some(config), ..BackupConfig::default() });
            let (keyring, root) = keyring(&self.memory, &key).await;
            self.value("a root key", &root);
            self.value("a key ring", &keyring);
            self.value("the key objects", &KeyObjects::read(&self.memory).await.unwrap());
            self.value("ids", &keyring.replica());
        }
        let short = [EncryptionKey::from("T#q8"), EncryptionKey::key_file(&super::RAW_KEY[..31])];
        self.value("a wrong encryption key", &short);
    }

    /// Errors of all kinds, in full.
    async fn trouble(&mut self) {
        let Some(key) = self.key.clone() else { return };
        let unlocked =
            async |memory: &MemoryStore, key: &Key| Replica::unlock(store(memory), key).await.map(drop).unwrap_err();
        self.error("a wrong passphrase", unlocked(&self.memory, &super::super::key("no such passphrase")).await);
        self.error("a wrong key", unlocked(&self.memory, &Key::new(Secret::from_key_file(&[1; 32]).unwrap())).await);
        let missing = restore(&bare(&self.memory), Target::Latest).await.map(drop).unwrap_err();
        self.error("no key", missing);
        let mut without = self.options();
        without.key = None;
        let refused = Replicator::start(without, bare(&self.memory), Hooks::default()).await.map(drop).unwrap_err();
        self.error("no key any more", refused);
        let (mut tried, mut segments) = (0, 0);
        for (name, bytes) in objects(&self.memory).await {
            let is_segment = name.contains("/wal/");
            segments += u32::from(is_segment);
            // One segment is as another.
            let places = if is_segment && segments > 3 { vec![50] } else { vec![0, 4, 20, 50, 80, bytes.len() - 1] };
            for at in places.into_iter().filter(|&at| at < bytes.len()) {
                let mut changed = bytes.to_vec();
                changed[at] ^= 0x10;
                self.memory.put(&name, Bytes::from(changed)).await.unwrap();
                match Replica::unlock(store(&self.memory), &key).await {
                    Err(error) => self.error(&name, error),
                    Ok(replica) => {
                        if let Err(error) = restore(&replica, Target::Latest).await {
                            self.error(&name, error);
                        }
                        if tried % 5 == 0 {
                            let report = verify::verify(&replica, Depth::Default, &verify::Options::default()).await;
                            match report {
                                Ok(report) => {
                                    let findings = serde_json::to_vec(&report.findings).unwrap();
                                    self.observed.add("value: findings, in JSON", findings);
                                    self.value("findings", &report);
                                }
                                Err(error) => self.error(&name, error),
                            }
                        }
                    }
                }
                tried += 1;
            }
            self.memory.put(&name, bytes).await.unwrap();
        }
        assert!(self.observed.len_of("error") > 1000);
    }

    fn value(&mut self, what: &str, value: &impl std::fmt::Debug) {
        self.observed.add(format!("value: {what}"), format!("{value:?} {value:#?}"));
    }

    fn error<E: std::error::Error + Into<PublicError>>(&mut self, what: &str, error: E) {
        let mut text = format!("{error} {error:?} {error:#?}");
        let mut next = error.source();
        while let Some(cause) = next {
            text += &format!(" {cause} {cause:?}");
            next = cause.source();
        }
        let public: PublicError = error.into();
        text += &format!(" {public} {public:?} {:?} {}", public.hints(), public.code());
        self.observed.add(format!("error: {what}"), text);
    }
}

/// Every file in a folder, with its name.
pub(super) fn files(folder: &Path, observed: &mut Observed) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        observed.add("state: a name", path.as_os_str().as_encoded_bytes());
        if kind.is_dir() {
            files(&path, observed);
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            observed.add(format!("state {}", path.display()), bytes);
        }
    }
}

/// Looks at the files of the state directory all the time, also at those without a name that this process has open.
struct Watch {
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Observed>,
}

impl Watch {
    fn begin(state: PathBuf) -> Watch {
        let over: Arc<AtomicBool> = Arc::default();
        let ends = over.clone();
        let seen: Mutex<std::collections::BTreeMap<PathBuf, Vec<u8>>> = Mutex::default();
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                nameless(&state, &mut lock(&seen));
                std::thread::sleep(Duration::from_millis(3));
            }
            let mut observed = Observed::default();
            for (path, bytes) in std::mem::take(&mut *lock(&seen)) {
                observed.add(format!("spool {}", path.display()), bytes);
            }
            observed
        });
        Watch { over, thread }
    }

    fn end(self) -> Observed {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest that each was.
fn nameless(state: &Path, seen: &mut std::collections::BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if !target.starts_with(state) || !target.as_os_str().as_encoded_bytes().ends_with(b" (deleted)") {
            continue;
        }
        let known = seen.get(&target).map_or(0, Vec::len);
        let longer = fs::metadata(entry.path()).is_ok_and(|meta| meta.len() as usize > known);
        if longer && let Ok(bytes) = fs::read(entry.path()) {
            seen.insert(target, bytes);
        }
    }
}
