//! The functions of the C library, with a look at what they do.
#![expect(unsafe_code, reason = "they stand in for functions of the C library, and take what those take")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use libc::{AT_FDCWD, mode_t, off_t, size_t, ssize_t, syscall};

use super::{Act, OPEN, UNSEEN, Verdict, ask, state, unseen};

/// The files under the root that are open, by descriptor.
static FILES: Mutex<Vec<Option<PathBuf>>> = Mutex::new(Vec::new());

fn files() -> std::sync::MutexGuard<'static, Vec<Option<PathBuf>>> {
    FILES.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn is_open() -> bool {
    OPEN.load(Ordering::Relaxed) && !UNSEEN.get()
}

/// The path of a file that is looked at.
fn path_of(fd: c_int) -> Option<PathBuf> {
    if !is_open() {
        return None;
    }
    files().get(usize::try_from(fd).ok()?).cloned().flatten()
}

/// A path that is looked at.
///
/// # Safety
///
/// `path` is a string of the C library.
unsafe fn watched(path: *const c_char) -> Option<PathBuf> {
    if !is_open() || path.is_null() {
        return None;
    }
    // SAFETY: by the caller's promise.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    let root = state().as_ref().map(|state| state.root.clone())?;
    (path.starts_with(&root) && !path.starts_with(root.join(".grave"))).then(|| path.to_owned())
}

fn fail(error: c_int) -> c_int {
    // SAFETY: the place of the error number of this thread.
    unsafe { *libc::__errno_location() = error };
    -1
}

fn with_disk(act: impl FnOnce(&mut super::Disk)) {
    if let Some(state) = state().as_mut() {
        unseen(|| act(&mut state.disk));
    }
}

/// Lends a descriptor that is open.
fn lent<'a>(fd: c_int) -> BorrowedFd<'a> {
    // SAFETY: the caller of the function has it open for as long as the function runs.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

fn opens(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are those of `open`.
    let plain = || unsafe { syscall(libc::SYS_openat, AT_FDCWD, path, flags, mode) as c_int };
    // SAFETY: the same.
    let Some(watched) = (unsafe { watched(path) }) else { return plain() };
    let creates = flags & libc::O_CREAT != 0 && !exists(&watched);
    if creates && let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Create, Some(&watched), 0) {
        return fail(error);
    }
    // What is cut to nothing as it is opened was something before.
    let cuts = flags & libc::O_TRUNC != 0 && !creates;
    if cuts {
        if let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Truncate, Some(&watched), 0) {
            return fail(error);
        }
        if let Ok(file) = std::fs::File::open(&watched) {
            use std::os::fd::AsFd as _;
            with_disk(|disk| disk.truncates(file.as_fd(), 0));
        }
    }
    let fd = plain();
    if fd < 0 {
        return fd;
    }
    if creates {
        with_disk(|disk| disk.creates(lent(fd), &watched));
    }
    let mut files = files();
    let place = fd as usize;
    if files.len() <= place {
        files.resize(place + 1, None);
    }
    files[place] = Some(watched);
    fd
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opens(path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opens(path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    // Also while nobody looks: the number goes to another file.
    let file = usize::try_from(fd).ok().and_then(|place| files().get_mut(place).and_then(Option::take));
    drop(file);
    // SAFETY: the argument is that of `close`.
    unsafe { syscall(libc::SYS_close, fd) as c_int }
}

/// Writes at a place, as the plan says. `None`: it goes on as it was asked for.
fn writes(fd: c_int, bytes: *const c_void, len: size_t, at: impl FnOnce() -> u64) -> Option<ssize_t> {
    let path = path_of(fd)?;
    let verdict = ask(Act::Write, Some(&path), len);
    if let Verdict::Fail(error) = verdict {
        return Some(fail(error) as ssize_t);
    }
    let at = at();
    with_disk(|disk| disk.writes(lent(fd), at, len as u64));
    let Verdict::CutShort(some, error) = verdict else { return None };
    // SAFETY: fewer of the bytes that the caller has given.
    unsafe { syscall(libc::SYS_pwrite64, fd, bytes, some, at as off_t) };
    Some(fail(error) as ssize_t)
}

#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t {
    let at = || {
        // SAFETY: only descriptors and numbers.
        unsafe {
            let flags = syscall(libc::SYS_fcntl, fd, libc::F_GETFL);
            let whence = if flags & i64::from(libc::O_APPEND) != 0 { libc::SEEK_END } else { libc::SEEK_CUR };
            syscall(libc::SYS_lseek, fd, 0, whence).max(0) as u64
        }
    };
    // SAFETY: the arguments are those of `write`.
    writes(fd, bytes, len, at).unwrap_or_else(|| unsafe { syscall(libc::SYS_write, fd, bytes, len) as ssize_t })
}

fn writes_at(fd: c_int, bytes: *const c_void, len: size_t, at: off_t) -> ssize_t {
    // SAFETY: the arguments are those of `pwrite`.
    let plain = || unsafe { syscall(libc::SYS_pwrite64, fd, bytes, len, at) as ssize_t };
    writes(fd, bytes, len, || at as u64).unwrap_or_else(plain)
}

#[unsafe(no_mangle)]
extern "C" fn pwrite(fd: c_int, bytes: *const c_void, len: size_t, at: off_t) -> ssize_t {
    writes_at(fd, bytes, len, at)
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, len: size_t, at: off_t) -> ssize_t {
    writes_at(fd, bytes, len, at)
}

fn truncates(fd: c_int, to: off_t) -> c_int {
    if let Some(path) = path_of(fd) {
        if let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Truncate, Some(&path), 0) {
            return fail(error);
        }
        with_disk(|disk| disk.truncates(lent(fd), to as u64));
    }
    // SAFETY: the arguments are those of `ftruncate`.
    unsafe { syscall(libc::SYS_ftruncate, fd, to) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, to: off_t) -> c_int {
    truncates(fd, to)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, to: off_t) -> c_int {
    truncates(fd, to)
}

fn syncs(fd: c_int) -> c_int {
    let Some(path) = path_of(fd) else {
        // SAFETY: the argument is that of `fsync`.
        return unsafe { syscall(libc::SYS_fsync, fd) as c_int };
    };
    if let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Sync, Some(&path), 0) {
        return fail(error);
    }
    // The model stands for the disk: nothing is waited for.
    let directory = path.is_dir().then_some(path);
    with_disk(|disk| disk.synced(lent(fd), directory.as_deref()));
    0
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    syncs(fd)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    syncs(fd)
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the arguments are those of `rename`.
    if let (Some(old), Some(new)) = unsafe { (watched(from), watched(to)) } {
        if let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Rename, Some(&new), 0) {
            return fail(error);
        }
        if exists(&old) {
            with_disk(|disk| disk.renames(&old, &new));
        }
    }
    // SAFETY: the same.
    unsafe { syscall(libc::SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the argument is that of `unlink`.
    if let Some(watched) = unsafe { watched(path) } {
        if let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Unlink, Some(&watched), 0) {
            return fail(error);
        }
        with_disk(|disk| disk.unlinks(&watched));
    }
    // SAFETY: the same.
    unsafe { syscall(libc::SYS_unlinkat, AT_FDCWD, path, 0) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn linkat(of: c_int, from: *const c_char, at: c_int, to: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the arguments are those of `linkat`.
    let linked = unsafe { watched(to) };
    if let Some(to) = &linked
        && let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Link, Some(to), 0)
    {
        return fail(error);
    }
    // SAFETY: the same.
    let done = unsafe { syscall(libc::SYS_linkat, of, from, at, to, flags) as c_int };
    if let (0, Some(to)) = (done, &linked) {
        with_disk(|disk| disk.links(to));
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the argument is that of `mkdir`.
    let made = unsafe { watched(path) }.filter(|path| !exists(path));
    if let Some(made) = &made
        && let Verdict::Fail(error) | Verdict::CutShort(_, error) = ask(Act::Directory, Some(made), 0)
    {
        return fail(error);
    }
    // SAFETY: the same.
    let done = unsafe { syscall(libc::SYS_mkdirat, AT_FDCWD, path, mode) as c_int };
    if let (0, Some(made)) = (done, &made) {
        with_disk(|disk| disk.makes(made));
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn read(fd: c_int, bytes: *mut c_void, len: size_t) -> ssize_t {
    if let Some(path) = path_of(fd) {
        let _ = ask(Act::Read, Some(&path), len);
    }
    // SAFETY: the arguments are those of `read`.
    unsafe { syscall(libc::SYS_read, fd, bytes, len) as ssize_t }
}

/// Copies go through `read` and `write`, which are looked at.
#[unsafe(no_mangle)]
extern "C" fn copy_file_range() -> ssize_t {
    fail(libc::ENOSYS) as ssize_t
}

/// The same.
#[unsafe(no_mangle)]
extern "C" fn sendfile64() -> ssize_t {
    fail(libc::EINVAL) as ssize_t
}
