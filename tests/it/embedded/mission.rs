//! The programs as the library's user imagined them, to the letter: they compile.
//!
//! The calls of its restore section are an example of [`waloy::BackupManager`].

#[expect(dead_code, reason = "it only has to compile: it goes to AWS")]
mod quickstart {
    include!("mission/quickstart.rs");
}

#[expect(dead_code, unused_imports, reason = "it only has to compile: it serves for ever")]
mod axum_program {
    include!("mission/axum.rs");
}
