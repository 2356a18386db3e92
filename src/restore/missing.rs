//! Restoring a database that is not there, by itself: nobody is asked, so what it is restored to must be what was lost.

use super::{Error, Options, Output, Point, Report, Restore, Target};
use crate::replica::Replica;
use crate::state::Acknowledged;
use crate::units::SegmentIndex;

/// Restores the newest state to where a database was, whose state directory [`Options::state_dir`] names. When this
/// returns, the file is complete, proven and durable.
///
/// # Errors
///
/// [`Error::EndsEarly`] if the state directory tells of something later that was durable in this replica: somebody has taken
/// it away, or put an older state of the store back. Those of [`Restore::prepare`] and [`Restore::run`].
pub async fn restore_missing(replica: &Replica, output: &Output, options: &Options) -> Result<Report, Error> {
    let location = replica.location();
    let noted = options.state_dir.as_deref().and_then(Acknowledged::read);
    let noted = noted.filter(|noted| noted.destination == location);
    let prepared = match (Restore::prepare(replica, Target::Latest, output).await, &noted) {
        (Err(Error::NoBackup { .. }), Some(noted)) => return Err(Error::EndsEarly { location, until: noted.at() }),
        (prepared, _) => prepared?,
    };
    let plan = prepared.plan();
    let is_later = |noted: &&Acknowledged| {
        let point = Point::from(noted.index.and_then(SegmentIndex::new));
        (noted.generation, point) > (plan.generation, plan.point)
    };
    match noted.as_ref().filter(is_later) {
        Some(noted) => Err(Error::EndsEarly { location, until: noted.at() }),
        None => prepared.run(options).await,
    }
}
