//! Counts the memory that this thread takes.
//!
//! Only Rust's own: what SQLite and Zstandard take in C is held by libFuzzer's limit for the process.

#![expect(unsafe_code, reason = "an allocator is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator of the system, and three counts.
pub struct Counting;

/// What was taken meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// The largest piece.
    pub largest: usize,
    /// The most at once.
    pub most: usize,
}

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn add(bytes: usize) {
    // While a thread ends its counts may be gone.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes as isize);
        let _ = MOST.try_with(|most| most.set(most.get().max(now.get())));
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
    });
}

fn take(bytes: usize) {
    let _ = NOW.try_with(|now| now.set(now.get() - bytes as isize));
}

// SAFETY: every call goes to the allocator of the system as it is; the counts allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        take(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(layout.size());
        add(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What this thread takes meanwhile; nothing unless [`Counting`] is the program's allocator.
pub fn during(run: impl FnOnce()) -> Taken {
    let before = NOW.get();
    MOST.set(before);
    LARGEST.set(0);
    run();
    Taken { largest: LARGEST.get(), most: (MOST.get() - before).max(0) as usize }
}
