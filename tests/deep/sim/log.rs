//! What waloy logs as an error: that needs a person, and no accident of this world does. It is a fault of waloy's own,
//! or what it noticed of one in time.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static ERRORS: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENS: Once = Once::new();

/// Where errors are written to.
struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        errors().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps them from now on, in the whole process; those of earlier runs are forgotten.
pub(crate) fn keep_errors() {
    LISTENS.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::ERROR)
            .without_time()
            .with_writer(|| Kept)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
    });
    errors().clear();
}

/// The first one, if there is any.
pub(crate) fn first_error() -> Option<String> {
    String::from_utf8_lossy(&errors()).lines().next().map(str::to_owned)
}

fn errors() -> MutexGuard<'static, Vec<u8>> {
    ERRORS.lock().unwrap_or_else(PoisonError::into_inner)
}
