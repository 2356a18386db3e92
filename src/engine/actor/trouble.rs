//! What fails: tried again by itself, told when it lasts, or the end.

use std::time::Duration;

use tokio::time::Instant;

use super::Actor;
use crate::db;
use crate::engine::error::Error;
use crate::engine::event::Event;
use crate::engine::options::OnConflict;
use crate::error::Error as PublicError;
use crate::units::Timestamp;

/// How soon something that failed is tried again: the store has tried several times by itself already.
const AGAIN: Duration = Duration::from_millis(500);
/// How late it is tried again at most, at first, and when it has failed for an hour.
const AGAIN_AT_MOST: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// What has failed since when.
#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    attempts: u32,
}

impl Actor {
    /// Notes how something ended that nobody asked for: what helps itself is tried again, the rest ends the task.
    pub(super) fn judge(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        let error = match outcome {
            Ok(()) => {
                self.recovered();
                return Ok(());
            }
            Err(Error::Interrupted) => return Ok(()),
            Err(error @ Error::Overtaken { .. }) if self.may_take_back() => {
                tracing::warn!(%error, "opening the database anew");
                error
            }
            Err(error @ (Error::Overtaken { .. } | Error::Busy { .. } | Error::Full(_))) => return Err(error),
            Err(error) if error.is_of_old_root() => return Err(error),
            Err(error) => error,
        };
        self.doubt(&error);
        let (attempt, behind) = self.trouble(&error);
        // Every page is compared again each time; the right file may still come back.
        let replaced = matches!(error, Error::Replaced { .. } | Error::AnotherDatabase { .. });
        let delay = if replaced { AGAIN_AT_MOST[1] } else { pause(attempt, behind) };
        self.not_before = Instant::now() + delay;
        self.context.tell(Event::Retry { error: one_line(&error), attempt, delay });
        Ok(())
    }

    /// A session that was overtaken is opened anew, with a new generation if that is wished; one that cannot even be
    /// opened is not.
    fn may_take_back(&self) -> bool {
        self.context.options.on_conflict == OnConflict::NewGeneration
            && self.session.as_ref().is_some_and(|session| !session.broken)
    }

    /// Notes that something failed that everything committed depends on: how often in a row now, and for how long.
    pub(super) fn trouble(&mut self, error: &Error) -> (u32, Duration) {
        let trouble = self.trouble.get_or_insert_with(|| Trouble { since: Instant::now(), attempts: 0 });
        trouble.attempts += 1;
        if let Some(session) = &mut self.session {
            session.outage |= error.is_of_store();
        }
        let (attempts, behind) = (trouble.attempts, trouble.since.elapsed());
        let now = self.context.now();
        self.context.status.send_modify(|status| status.failed(now));
        if behind > self.context.options.sync_interval * 3 {
            let since = Timestamp(now.0 - behind.as_millis() as i64);
            self.context.behind(since, &one_line(error));
        }
        (attempts, behind)
    }

    pub(super) fn recovered(&mut self) {
        let (trouble, now) = (self.trouble.take().map(|trouble| trouble.since.elapsed()), self.context.now());
        let mut late = None;
        self.context.status.send_if_modified(|status| {
            late = status.degraded.take().map(|degraded| now.0.saturating_sub(degraded.since.0));
            late.is_some()
        });
        if let Some(session) = &mut self.session {
            session.outage = false;
        }
        let late = late.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        if let Some(after) = trouble.or(late) {
            self.context.tell(Event::Recovered { after });
        }
    }

    /// The answer to somebody who asked; a session that no longer counts is opened anew next time.
    pub(super) fn told<T>(&mut self, outcome: Result<T, Error>) -> Result<T, PublicError> {
        if let Err(error) = &outcome {
            self.doubt(error);
        }
        outcome.map_err(PublicError::from)
    }

    /// After some errors what is in memory no longer counts. The session is not dropped here: a snapshot may be at work
    /// in it.
    pub(super) fn doubt(&mut self, error: &Error) {
        self.ask_for_bucket |= error.is_of_another_bucket();
        self.overwritten |= matches!(error, Error::Db(db::Error::Overwritten(_)));
        if let Some(session) = &mut self.session {
            session.broken |= error.needs_reopening() || matches!(error, Error::Overtaken { .. });
        }
    }
}

/// How long to wait after so many failures in a row, for so long.
pub(in crate::engine) fn pause(attempts: u32, behind: Duration) -> Duration {
    let most = AGAIN_AT_MOST[usize::from(behind > Duration::from_secs(3600))];
    (AGAIN * attempts).min(most)
}

pub(in crate::engine) fn one_line(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        line = format!("{line}: {next}");
        cause = next.source();
    }
    line
}
