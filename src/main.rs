//! The `waloy` command.

fn main() -> std::process::ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::map_large_blocks();
    waloy::cli::main()
}

/// The allocator of the process. It is the command's to set, never the library's.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    #![expect(unsafe_code, reason = "glibc's allocator is set through its C interface")]

    use std::ffi::c_int;

    /// From `malloc.h`.
    const M_MMAP_THRESHOLD: c_int = -3;

    // SAFETY: as glibc declares it.
    unsafe extern "C" {
        /// Takes any two numbers at any time, and returns 0 if it does not know what to do with them.
        safe fn mallopt(setting: c_int, value: c_int) -> c_int;
    }

    /// Blocks of 128 KiB and more are mapped, and so given back when they are freed.
    ///
    /// That is how glibc begins. But it raises the limit to the size of each mapped block that is freed, up to 32 MiB,
    /// and leaves twice as much free at the end of every heap; and nearly every thread has a heap. Segments, parts of
    /// uploads and what compresses them are such blocks: after some minutes each thread held the largest of its life.
    /// A limit that was set stays.
    pub(crate) fn map_large_blocks() {
        mallopt(M_MMAP_THRESHOLD, 128 << 10);
    }
}
