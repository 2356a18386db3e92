//! Work that blocks, kept from the threads of the runtime.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Begins something that blocks, or takes long to compute, on a thread where it may. It is done even if nobody waits.
pub(crate) fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    #[cfg(feature = "testing")]
    if one_thread::is_wanted() {
        return Blocking::Done(Some(work()));
    }
    Blocking::Running(spawn_blocking(work))
}

/// Waits for [`blocking`]. Fails as a task does: by a panic of the work, or the end of the runtime.
#[derive(Debug)]
pub(crate) enum Blocking<T> {
    /// On a thread of the runtime.
    Running(JoinHandle<T>),
    /// It was done at once; see [`one_thread`].
    #[cfg(feature = "testing")]
    Done(Option<T>),
}

impl<T> Unpin for Blocking<T> {}

impl<T> Future for Blocking<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Blocking::Running(task) => Pin::new(task).poll(context),
            #[cfg(feature = "testing")]
            Blocking::Done(done) => Poll::Ready(Ok(done.take().expect("a future is not polled after its end"))),
        }
    }
}

/// Simulations: everything happens on the thread of the runtime, one thing after the other, so that the same seed gives
/// the same run.
#[cfg(feature = "testing")]
pub(crate) mod one_thread {
    use std::sync::atomic::{AtomicBool, Ordering};

    static WANTED: AtomicBool = AtomicBool::new(false);

    /// From now on, in the whole process.
    pub(crate) fn want() {
        WANTED.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_wanted() -> bool {
        WANTED.load(Ordering::Relaxed)
    }
}
