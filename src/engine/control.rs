//! The socket in the state directory: another process asks the running replicator how it is, or for a sync that it
//! waits for.
//!
//! One line of JSON each way: `{"command":"sync"}` or `{"command":"status"}`, then `{"ok":{…}}` with a [`Position`],
//! `{"status":{…}}` with a [`Running`], or `{"error":{…}}`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::actor::Command;
use super::status::Status;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::ids::GenerationId;
use crate::state::{Acknowledged, Owner, StateDir};
use crate::units::Timestamp;

const NAME: &str = "socket";
/// The longest line that either side reads.
const LINE_LIMIT: u64 = 64 * 1024;
/// How soon requests are accepted again after that failed, as it does while the process has too many files open.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// How soon a process that is well tells how it is.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// The window in which failures are counted.
const HOUR: Duration = Duration::from_secs(3600);

/// How far the replica is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Where the replica is.
    #[serde(default)]
    pub destination: String,
    /// The generation.
    pub generation: Option<GenerationId>,
    /// The newest segment; `None` if there is only the snapshot.
    pub index: Option<u64>,
    /// The time of the newest transaction that is durable there, in milliseconds since 1970.
    pub at_ms: Option<i64>,
    /// Transactions that this request has made durable.
    pub commits: u64,
}

impl Position {
    /// How far a replicator is, after a sync that made so many transactions durable.
    pub fn of(status: &Status, commits: u64) -> Position {
        Position {
            destination: status.destination.clone(),
            generation: status.generation,
            index: status.index.map(|index| index.get()),
            at_ms: status.at.map(|at| at.0),
            commits,
        }
    }
}

/// How a running replicator is doing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Running {
    /// How far the replica is, and the transactions made durable since the start.
    pub position: Position,
    /// Nothing that was captured is missing in the replica.
    pub level: bool,
    /// For how long the replica has lacked a transaction, in milliseconds; 0 if it has them all.
    pub lag_ms: u64,
    /// Bytes of the WAL that are in use.
    pub wal_bytes: u64,
    /// When an object became durable last, in milliseconds since 1970; `None` if none did since the start.
    pub synced_ms: Option<i64>,
    /// Bytes written to the store since the start.
    pub stored_bytes: u64,
    /// Since when the replica is behind, in milliseconds since 1970, and why; `None` if it is not.
    pub degraded: Option<(i64, String)>,
    /// How often something failed in the last hour that was tried again.
    pub failures: usize,
}

impl Running {
    fn of(status: &Status, now: Timestamp) -> Running {
        Running {
            position: Position::of(status, status.report.commits),
            level: status.is_level(),
            lag_ms: u64::try_from(status.lag(now).as_millis()).unwrap_or(u64::MAX),
            wal_bytes: status.wal_bytes,
            synced_ms: status.synced.map(|at| at.0),
            stored_bytes: status.report.stored_bytes,
            degraded: status.degraded.as_ref().map(|degraded| (degraded.since.0, degraded.error.clone())),
            failures: status.failures_within(HOUR, now),
        }
    }
}

/// What is known of the replication of a database from its state directory.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Situation {
    /// Nothing: it was never replicated, with this directory at least.
    Never,
    /// It was replicated up to here, and nobody does it now.
    Stopped(Acknowledged),
    /// A process replicates it. `None`: one that does not answer, since it is just starting or ending, or runs on
    /// another host.
    Running(Owner, Option<Running>),
}

/// Looks at the replication of a database, from its state directory and the process that runs it.
///
/// # Errors
///
/// The process can be reached and speaks another language.
pub async fn situation(state_dir: &Path) -> Result<Situation> {
    let Some(owner) = StateDir::owner(state_dir) else {
        return Ok(Acknowledged::read(state_dir).map_or(Situation::Never, Situation::Stopped));
    };
    match tokio::time::timeout(ANSWERS_WITHIN, request(state_dir, "status")).await {
        Ok(Ok(Some(Answer::Status(running)))) => Ok(Situation::Running(owner, Some(running))),
        // It is stopped by a signal, say, or of an older version that knows no such command.
        Ok(Ok(_)) | Err(_) => Ok(Situation::Running(owner, None)),
        Ok(Err(error)) => Err(error),
    }
}

#[derive(Serialize, Deserialize)]
struct Request {
    command: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Position),
    Status(Running),
    Error { exit_code: u8, code: String, message: String },
}

/// Asks the replicator that owns this state directory to bring everything committed before the call to its store.
/// When this returns, all of it is durable there. `None`: nobody is there to be asked.
///
/// # Errors
///
/// What the replicator says, with its exit code's kind.
pub async fn request_sync(state_dir: &Path) -> Result<Option<Position>> {
    match request(state_dir, "sync").await? {
        None => Ok(None),
        Some(Answer::Ok(position)) => Ok(Some(position)),
        Some(Answer::Status(_)) => {
            Err(Error::new(Kind::Failure, "sync.socket", "the running replicator misunderstood"))
        }
        Some(Answer::Error { exit_code, code, message }) => {
            let kind = Kind::from_exit_code(exit_code);
            Err(Error::new(kind, "sync.refused", format!("the running replicator cannot sync: {message} [{code}]")))
        }
    }
}

async fn request(state_dir: &Path, command: &str) -> Result<Option<Answer>> {
    let stream = match Place::of(state_dir).and_then(|place| std::os::unix::net::UnixStream::connect(&place.path)) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(failed("reach the running replicator", error)),
    };
    let answer = async {
        stream.set_nonblocking(true)?;
        let mut stream = BufReader::new(UnixStream::from_std(stream)?);
        let request = serde_json::to_string(&Request { command: command.into() })?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        stream.take(LINE_LIMIT).read_line(&mut line).await?;
        Ok(serde_json::from_str::<Answer>(&line)?)
    };
    answer.await.map(Some).map_err(|error: io::Error| failed("ask the running replicator", error))
}

fn failed(what: &str, error: io::Error) -> Error {
    Error::new(Kind::Failure, "sync.socket", format!("cannot {what}")).because(error)
}

/// The socket's path, which an address has only 108 bytes for: a longer one goes by the open directory.
struct Place {
    path: PathBuf,
    _dir: Option<std::fs::File>,
}

impl Place {
    fn of(state_dir: &Path) -> io::Result<Place> {
        let path = state_dir.join(NAME);
        if path.as_os_str().len() < 100 || !cfg!(target_os = "linux") {
            return Ok(Place { path, _dir: None });
        }
        let dir = std::fs::File::open(state_dir)?;
        let path = format!("/proc/self/fd/{}/{NAME}", std::os::fd::AsRawFd::as_raw_fd(&dir)).into();
        Ok(Place { path, _dir: Some(dir) })
    }
}

/// Binds the socket. The caller has the lock of the directory: a socket that is there is a dead process's.
pub(super) fn bind(state_dir: &Path) -> io::Result<UnixListener> {
    let place = Place::of(state_dir)?;
    match std::fs::remove_file(&place.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(&place.path)
}

/// Answers until the replicator is gone.
pub(super) async fn serve(
    listener: UnixListener,
    commands: mpsc::WeakSender<Command>,
    status: watch::Receiver<Status>,
    clock: Arc<dyn Clock>,
) {
    // Each on its own: one that asks for nothing keeps nobody else waiting. They end with this one.
    let mut answers = JoinSet::new();
    loop {
        while answers.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let (commands, status, clock) = (commands.clone(), status.clone(), Arc::clone(&clock));
                answers.spawn(async move {
                    if let Err(error) = answer(stream, &commands, &status, &*clock).await {
                        tracing::debug!(%error, "a request on the socket came to nothing");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a request on the socket");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn answer(
    stream: UnixStream,
    commands: &mpsc::WeakSender<Command>,
    status: &watch::Receiver<Status>,
    clock: &dyn Clock,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(LINE_LIMIT).read_line(&mut line).await?;
    let request: Request = serde_json::from_str(&line)?;
    let refused = |message: &str| Answer::Error {
        exit_code: Kind::Failure.exit_code(),
        code: "sync.refused".into(),
        message: message.into(),
    };
    let answer = match (request.command.as_str(), commands.upgrade()) {
        ("sync", Some(commands)) => {
            let (reply, synced) = oneshot::channel();
            let asked = commands.send(Command::Sync(reply)).await;
            match (asked, synced.await) {
                (Ok(()), Ok(Ok(synced))) => {
                    Answer::Ok(Position::of(&status.borrow(), synced.map_or(0, |synced| synced.commits)))
                }
                (Ok(()), Ok(Err(error))) => Answer::Error {
                    exit_code: error.kind().exit_code(),
                    code: error.code().into(),
                    message: error.to_string(),
                },
                _ => refused("it is stopping"),
            }
        }
        ("sync", None) => refused("it is stopping"),
        ("status", _) => Answer::Status(Running::of(&status.borrow(), clock.now())),
        (other, _) => refused(&format!("unknown command {other:?}")),
    };
    let text = serde_json::to_string(&answer)?;
    stream.write_all(format!("{text}\n").as_bytes()).await
}
