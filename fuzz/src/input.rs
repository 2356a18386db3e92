//! Takes an input apart.

/// What is left of an input.
pub(super) struct Input<'i>(pub(super) &'i [u8]);

impl<'i> Input<'i> {
    /// The next byte; 0 at the end.
    pub(super) fn byte(&mut self) -> u8 {
        let (&byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        byte
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// At most so many bytes.
    pub(super) fn take(&mut self, len: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Gives the result of something that waits for nothing.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
