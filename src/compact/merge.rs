//! Making one merged segment from the objects that it stands for.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::pages::Newest;
use super::{Error, Found, Options, PlannedMerge, read_back, read_back_or_delete, settle};
use crate::compress::{Codec, Compression};
use crate::format::{Flags, Header, Kind, PageFileWriter, PageHasher, Summary, Times};
use crate::replica::chain::{Link, breaks};
use crate::replica::{Name, ObjectReader, Replica};
use crate::storage::{Put, Upload};
use crate::units::Timestamp;

/// What is longer is sent in parts.
const WHOLE: usize = 8 << 20;

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It is there, proven, with so many bytes.
    Made(u64),
    /// Somebody else had made it meanwhile.
    Exists,
}

/// Merges these objects, oldest first. When this returns, the merged segment is durable and was read back.
pub(super) async fn merge(
    replica: &Replica,
    merge: &PlannedMerge,
    parts: &[(Name, u64)],
    hasher: &PageHasher,
    options: &Options,
) -> Result<Outcome, Error> {
    let [(oldest, oldest_size), .., (newest, newest_size)] = *parts else {
        unreachable!("what is merged has several parts");
    };
    let oldest = ObjectReader::open(replica, oldest, oldest_size).await?;
    let newest = ObjectReader::open(replica, newest, newest_size).await?;
    let header = header(&oldest, &newest);
    let mut last = Some(oldest);
    let file = PageFileWriter::new(&header, compression(header.codec))?;
    let mut pages = Newest::new(file, hasher.clone(), &newest);
    let mut summary = Summary { joins: Some(Link::of(newest.outline()).end), ..newest.outline().summary.clone() };
    let mut sealing = replica.sealing(merge.name).await?;
    let mut out = Outgoing::new(replica, merge.name);
    let done = async {
        pages.take(&newest).await?;
        options.progress.advance(newest.size());
        let between =
            parts[1..parts.len() - 1].iter().rev().map(|&(name, size)| ObjectReader::open(replica, name, size));
        let mut readers = stream::iter(between).buffered(options.concurrency.max(1));
        let mut later = newest;
        loop {
            let reader = match readers.next().await {
                Some(reader) => reader?,
                None => match last.take() {
                    Some(oldest) => oldest,
                    None => break,
                },
            };
            if let Some(&why) = breaks(&Link::of(reader.outline()), &Link::of(later.outline())).first() {
                return Err(Error::Broken { object: later.object(), why });
            }
            join(&mut summary, &reader.outline().summary);
            pages.take(&reader).await?;
            options.progress.advance(reader.size());
            out.write(sealing.add(pages.ready())).await?;
            later = reader;
        }
        let file = pages.finish()?;
        let times = Times { level: merge.level, points: merge.points.clone() };
        let finished = file.finish_merged(&summary, &times)?;
        let end = sealing.finish(finished.bytes);
        let size = out.sent + (out.buffered.len() + end.len()) as u64;
        Ok((end, finished.digest, size))
    };
    let done = done.await;
    match done {
        Ok((end, digest, size)) => {
            match out.finish(end).await? {
                Put::Created => read_back_or_delete(replica, merge.name, size, digest, hasher).await?,
                Put::Exists => match settle(replica, merge.name, digest).await? {
                    (Found::Same, _) => read_back(replica, merge.name, size, digest, hasher).await?,
                    (Found::Other, _) => return Ok(Outcome::Exists),
                },
            }
            Ok(Outcome::Made(size))
        }
        Err(error) => {
            out.abort().await;
            Err(error)
        }
    }
}

/// Its fields before are those of the oldest object, the others those of the newest.
fn header(oldest: &ObjectReader, newest: &ObjectReader) -> Header {
    let oldest = &oldest.outline().header;
    Header {
        kind: Kind::Merged,
        first: oldest.first,
        first_time: oldest.first_time,
        checksum_before: oldest.checksum_before,
        predecessor: oldest.predecessor,
        previous: None,
        ..newest.outline().header.clone()
    }
}

/// Adds what an older object has: transactions, and that nobody watched.
fn join(summary: &mut Summary, older: &Summary) {
    summary.flags = Flags {
        catch_up: summary.flags.catch_up | older.flags.catch_up,
        rewind: summary.flags.rewind | older.flags.rewind,
        outage: summary.flags.outage | older.flags.outage,
    };
    summary.transactions += older.transactions;
    summary.wal_bytes += older.wal_bytes;
    summary.unobserved = hull(older.unobserved, summary.unobserved);
}

/// One interval for two: what was unobserved is never passed over.
fn hull(
    earlier: Option<(Timestamp, Timestamp)>,
    later: Option<(Timestamp, Timestamp)>,
) -> Option<(Timestamp, Timestamp)> {
    match (earlier, later) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, other) => one.or(other),
    }
}

fn compression(codec: Codec) -> Compression {
    match codec {
        codec if codec == Compression::default().codec() => Compression::default(),
        Codec::None => Compression::None,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zstd => Compression::Zstd(3),
    }
}

/// The object on its way, as it is stored: in memory while it is small, in parts beyond that.
struct Outgoing<'a> {
    replica: &'a Replica,
    name: Name,
    buffered: Vec<u8>,
    upload: Option<Box<dyn Upload>>,
    sent: u64,
}

impl<'a> Outgoing<'a> {
    fn new(replica: &'a Replica, name: Name) -> Outgoing<'a> {
        Outgoing { replica, name, buffered: Vec::new(), upload: None, sent: 0 }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.buffered.extend_from_slice(&bytes);
        if self.buffered.len() > WHOLE || self.upload.is_some() {
            if self.upload.is_none() {
                self.upload = Some(self.replica.upload(&self.name.key()).await?);
            }
            let bytes = std::mem::take(&mut self.buffered);
            self.sent += bytes.len() as u64;
            if let Some(upload) = self.upload.as_mut().filter(|_| !bytes.is_empty()) {
                upload.write(Bytes::from(bytes)).await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self, end: Vec<u8>) -> Result<Put, Error> {
        let put = match self.write(end).await {
            Ok(()) => match &mut self.upload {
                Some(upload) => upload.finish_if_absent().await.map_err(Error::from),
                None => {
                    let bytes = Bytes::from(std::mem::take(&mut self.buffered));
                    Ok(self.replica.put_if_absent(&self.name.key(), bytes).await?)
                }
            },
            Err(error) => Err(error),
        };
        if !matches!(put, Ok(Put::Created)) {
            self.abort().await;
        }
        put
    }

    async fn abort(mut self) {
        if let Some(upload) = &mut self.upload
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(object = %self.name, %error, "cannot give an upload up");
        }
    }
}
