//! The one door that all local files go through: SQLite's and waloy's, under one directory.
//!
//! ```text
//!  SQLite, waloy ──► open, write, ftruncate, fsync, rename, unlink, … of the C library, defined here (`calls`)
//!                        │ 1. counted, and the plan is asked: go on, fail, be cut short, end the process   (`plan`)
//!                        │ 2. what a loss of power would take back is noted                                (`disk`)
//!                        ▼
//!                     the kernel
//! ```
//!
//! A program's own definition of a function goes before the C library's, so nothing in the process can pass by: neither
//! the standard library nor SQLite, and no line of waloy is other than in production. (`rustix` asks the kernel without
//! the C library: locks, and the exchange of two names. Both are not counted.)
//!
//! Who acts is told by whoever steers: calls of the application and those of each waloy are counted apart. One that is
//! dead gets an error for each call that would change something, without effect, until everything of it is dropped: its
//! locks go as those of a killed process do.

mod calls;
mod disk;
mod plan;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::disk::Disk;
pub(crate) use self::disk::Loss;
pub(crate) use self::plan::{Fault, Plan};

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Who {
    /// Whoever looks: not counted, and nothing fails.
    Nobody,
    /// The application.
    Application,
    /// The waloy of this host.
    Waloy(u8),
}

/// What is done with a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Act {
    /// A new file.
    Create,
    /// Bytes.
    Write,
    /// A new length.
    Truncate,
    /// Made durable; also of a directory.
    Sync,
    /// A new name.
    Rename,
    /// A second name.
    Link,
    /// No name any more.
    Unlink,
    /// A directory made or removed.
    Directory,
    /// Bytes are read: no change, only a moment in which others may act.
    Read,
}

/// The door is open: calls are looked at.
static OPEN: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<Option<State>> = Mutex::new(None);

struct State {
    root: PathBuf,
    disk: Disk,
    plan: Plan,
}

thread_local! {
    /// The model of the disk uses files itself, and is not looked at.
    static UNSEEN: Cell<bool> = const { Cell::new(false) };
    static WHO: Cell<Who> = const { Cell::new(Who::Nobody) };
    /// What somebody else does in the middle of a call.
    static MEANWHILE: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at everything under this directory from now on: an absolute path without links.
pub(crate) fn open(root: &Path, plan: Plan) {
    let grave = root.join(".grave");
    std::fs::create_dir_all(&grave).expect("a directory for files without a name");
    *state() = Some(State { root: root.to_owned(), disk: Disk::new(grave), plan });
    OPEN.store(true, Ordering::SeqCst);
}

/// Looks at nothing any more.
pub(crate) fn close() {
    OPEN.store(false, Ordering::SeqCst);
    *state() = None;
    MEANWHILE.with(|meanwhile| *meanwhile.borrow_mut() = None);
}

/// Does something as somebody.
pub(crate) fn acting<T>(who: Who, act: impl FnOnce() -> T) -> T {
    struct Back(Who);
    impl Drop for Back {
        fn drop(&mut self) {
            WHO.with(|now| now.set(self.0));
        }
    }
    let _back = Back(WHO.with(|now| now.replace(who)));
    act()
}

/// What is done when the plan says that somebody else acts in the middle of a call of waloy's.
pub(crate) fn meanwhile(act: impl FnMut() + 'static) {
    MEANWHILE.with(|meanwhile| *meanwhile.borrow_mut() = Some(Box::new(act)));
}

/// Changes the plan, or looks at it.
pub(crate) fn plan<T>(change: impl FnOnce(&mut Plan) -> T) -> T {
    change(&mut state().as_mut().expect("the door is open").plan)
}

/// The machine loses power, and starts again: what was not made durable is gone, wholly or in part. Nobody may have a
/// file open.
pub(crate) fn lose_power(loss: Loss) {
    let mut state = state();
    let state = state.as_mut().expect("the door is open");
    unseen(|| state.disk.lose_power(loss));
}

/// Does something with files that the door does not look at.
fn unseen<T>(act: impl FnOnce() -> T) -> T {
    let before = UNSEEN.replace(true);
    let done = act();
    UNSEEN.set(before);
    done
}

/// What becomes of a call.
enum Verdict {
    GoOn,
    /// Only so many bytes of a write arrive, then it fails.
    CutShort(usize, i32),
    Fail(i32),
}

/// Asks the plan. Somebody else may act before it answers.
fn ask(act: Act, path: Option<&Path>, len: usize) -> Verdict {
    let who = WHO.with(Cell::get);
    if who == Who::Nobody {
        return Verdict::GoOn;
    }
    let (verdict, others) = match state().as_mut() {
        Some(state) => state.plan.decide(who, act, path, len),
        None => return Verdict::GoOn,
    };
    if others {
        // Taken out while it runs: what it does is not interrupted again.
        let taken = MEANWHILE.with(|meanwhile| meanwhile.try_borrow_mut().ok().and_then(|mut act| act.take()));
        if let Some(mut act) = taken {
            acting(Who::Application, &mut act);
            MEANWHILE.with(|meanwhile| *meanwhile.borrow_mut() = Some(act));
        }
    }
    verdict
}

/// Somebody wants to see what happens: `WALOY_TELL=1`.
pub(crate) fn tells() -> bool {
    static TELLS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TELLS.get_or_init(|| std::env::var_os("WALOY_TELL").is_some())
}
