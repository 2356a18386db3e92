//! The `waloy` command.

fn main() -> std::process::ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::keep_memory_small();
    waloy::cli::main()
}

/// The allocator of the process. It is the command's to set, never the library's.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    #![expect(unsafe_code, reason = "glibc's allocator is set through its C interface")]

    use std::ffi::c_int;

    /// From `malloc.h`.
    const M_MMAP_THRESHOLD: c_int = -3;
    const M_ARENA_MAX: c_int = -8;

    // SAFETY: as glibc declares it.
    unsafe extern "C" {
        /// Takes any two numbers at any time, and returns 0 if it does not know what to do with them.
        safe fn mallopt(setting: c_int, value: c_int) -> c_int;
    }

    /// Blocks of 128 KiB and more are mapped, and so given back when they are freed.
    ///
    /// That is how glibc begins. But it raises the limit to the size of each mapped block that is freed, up to 32 MiB,
    /// and leaves twice as much free at the end of every heap. Segments, parts of uploads and what compresses them are
    /// such blocks: after some minutes each heap held the largest of its life.
    /// A limit that was set stays.
    ///
    /// And there are two heaps for all threads, where glibc makes up to eight for each core: what is free in one is of no use
    /// to the others. Threads seldom meet there: each has a small store of blocks of its own, and large ones are mapped.
    /// Whoever has set another number in the environment keeps it.
    pub(crate) fn keep_memory_small() {
        mallopt(M_MMAP_THRESHOLD, 128 << 10);
        let is_set = ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"].into_iter().any(|name| std::env::var_os(name).is_some());
        if !is_set {
            mallopt(M_ARENA_MAX, 2);
        }
    }
}
