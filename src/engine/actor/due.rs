//! When there is something to do that nobody asks for.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::db;
use crate::engine::context::Context;
use crate::engine::session::Session;
use crate::engine::wake::Wake;
use crate::units::Timestamp;

/// How long after a write to the WAL was noticed it is looked for commits, and how long after each look again.
const LOOKS: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(4), Duration::from_millis(15), Duration::from_millis(60)];

/// Returns when there is something to do that nobody asks for.
pub(super) async fn due(
    session: Option<&Session>,
    snapshot_waits: bool,
    wake: &mut Wake,
    not_before: Instant,
    now: Timestamp,
) {
    sleep_until(not_before).await;
    let Some(session) = session.filter(|_| !snapshot_waits) else { return };
    let mut pulse = session.observer.pulse();
    let listening = session.observer.listening();
    let merge = session.merging.wait(now).map(|wait| Instant::now() + wait);
    // Looks that follow a write to the WAL: a commit counts some time after its last byte, which may have to be synced.
    let mut pauses = LOOKS.iter();
    let mut look_at = None;
    loop {
        let now = *pulse.borrow_and_update();
        if now.pending || now.lost || now.failing || session.broken || session.outbox.is_some() || !session.goes_on() {
            return;
        }
        if look_at.is_none() {
            let is_new = wake.arm();
            listening.set(wake.is_armed());
            if is_new {
                session.observer.nudge();
            }
        }
        tokio::select! {
            biased;
            changed = pulse.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep_until(merge.unwrap_or_else(Instant::now)), if merge.is_some() => return,
            () = sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => {
                look_at = pauses.next().map(|&pause| Instant::now() + pause);
                session.observer.written(look_at.is_none());
            }
            // Those that come while it is looked are seen by the looks to come, or by the one when it is armed again.
            () = wake.written(), if look_at.is_none() => {
                listening.set(false);
                pauses = LOOKS.iter();
                look_at = pauses.next().map(|&pause| Instant::now() + pause);
            }
        }
    }
}

/// Watches the WAL of the file that the path leads to now.
pub(super) fn wake(context: &Context) -> Wake {
    let given = &context.options.db_path;
    Wake::new(&db::resolve(given).unwrap_or_else(|_| given.clone()))
}
