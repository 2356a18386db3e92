//! The socket in the state directory: another process asks the running replicator for a sync, and waits for it.
//!
//! One line of JSON each way: `{"command":"sync"}`, then a [`Position`] as `{"ok":{…}}`, or `{"error":{…}}`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::actor::Command;
use super::event::Status;
use crate::error::{Error, Kind, Result};
use crate::ids::GenerationId;

const NAME: &str = "socket";
/// The longest line that either side reads.
const LINE_LIMIT: u64 = 64 * 1024;
/// How soon requests are accepted again after that failed, as it does while the process has too many files open.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// How far the replica is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position {
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
            generation: status.generation,
            index: status.index.map(|index| index.get()),
            at_ms: status.at.map(|at| at.0),
            commits,
        }
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
    Error { exit_code: u8, code: String, message: String },
}

/// Asks the replicator that owns this state directory to bring everything committed before the call to its store.
/// When this returns, all of it is durable there. `None`: nobody is there to be asked.
///
/// # Errors
///
/// What the replicator says, with its exit code's kind.
pub async fn request_sync(state_dir: &Path) -> Result<Option<Position>> {
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
        let request = serde_json::to_string(&Request { command: "sync".into() })?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        stream.take(LINE_LIMIT).read_line(&mut line).await?;
        Ok(serde_json::from_str::<Answer>(&line)?)
    };
    match answer.await.map_err(|error: io::Error| failed("ask the running replicator", error))? {
        Answer::Ok(position) => Ok(Some(position)),
        Answer::Error { exit_code, code, message } => {
            let kind = Kind::from_exit_code(exit_code);
            Err(Error::new(kind, "sync.refused", format!("the running replicator cannot sync: {message} [{code}]")))
        }
    }
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
) {
    // Each on its own: one that asks for nothing keeps nobody else waiting. They end with this one.
    let mut answers = JoinSet::new();
    loop {
        while answers.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let (commands, status) = (commands.clone(), status.clone());
                answers.spawn(async move {
                    if let Err(error) = answer(stream, &commands, &status).await {
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
        (other, _) => refused(&format!("unknown command {other:?}")),
    };
    let text = serde_json::to_string(&answer)?;
    stream.write_all(format!("{text}\n").as_bytes()).await
}
