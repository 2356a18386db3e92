//! The examples as they are built: at work, killed, and restored.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waloy::{BackupConfig, BackupManager, Destination, S3Config};

use super::names;
use crate::s3_server::S3Server;

/// An example at work in a directory of its own. Dropped, it is killed.
struct Example {
    child: Child,
    output: Option<Lines<BufReader<ChildStdout>>>,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `cargo test` builds the examples beside the tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(program.exists(), "`cargo build --examples --all-features` builds {}", program.display());
    program
}

impl Example {
    fn start(name: &str, args: &[&str], dir: &Path, server: Option<&S3Server>) -> Example {
        let mut command = Command::new(program(name));
        command.args(args).current_dir(dir).env("LISTEN", "127.0.0.1:0").stdout(Stdio::piped());
        if let Some(server) = server {
            let s3 = s3(server);
            command
                .env("WALOY_S3_ENDPOINT", s3.endpoint)
                .env("WALOY_S3_REGION", s3.region)
                .env("WALOY_S3_BUCKET", s3.bucket)
                .env("WALOY_S3_ACCESS_KEY", s3.access_key)
                .env("WALOY_S3_SECRET_KEY", s3.secret_key)
                .env("WALOY_S3_PREFIX", s3.prefix);
        }
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().map(|output| BufReader::new(output).lines());
        Example { child, output }
    }

    fn line(&mut self) -> String {
        self.output.as_mut().unwrap().next().expect("the example says something").unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn s3(server: &S3Server) -> S3Config {
    S3Config {
        endpoint: server.endpoint.clone(),
        region: "us-east-1".into(),
        bucket: server.bucket.clone(),
        access_key: server.access_key.clone(),
        secret_key: server.secret_key.clone(),
        prefix: "backups/myapp".into(),
    }
}

/// The status and the body of an answer; `None` if the server went away before it answered.
fn request(address: &str, method: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let len = body.len();
    let head =
        format!("{method} /items HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// Inserts until the server is killed; returns what was acknowledged. Now and then it reads its own back.
fn client(client: u32, address: &str, killed: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for item in 0.. {
        let name = format!("{client}-{item}");
        match request(address, "POST", &name) {
            Some((201, _)) => acknowledged.push(name),
            None if killed.load(Ordering::SeqCst) => break,
            other => panic!("an item was not taken: {other:?}"),
        }
        if item % 5 != 0 {
            continue;
        }
        match request(address, "GET", "") {
            Some((200, items)) => assert!(items.contains(acknowledged.last().unwrap()), "{items}"),
            None if killed.load(Ordering::SeqCst) => break,
            other => panic!("the items were not told: {other:?}"),
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn the_axum_example_is_killed_under_load_and_its_database_restored() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let mut known: HashSet<String> = HashSet::new();
    // Killed, and started again on the same database, which goes on.
    for round in 0..2 {
        let mut example = Example::start("axum", &[], dir.path(), Some(&server));
        let address = example.line().strip_prefix("listening on http://").unwrap().to_owned();
        let killed = AtomicBool::new(false);
        let acknowledged: Vec<String> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|number| {
                    let (address, killed) = (&address, &killed);
                    scope.spawn(move || client(10 * round + number, address, killed))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(2500));
            killed.store(true, Ordering::SeqCst);
            example.kill();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        assert!(acknowledged.len() > 20, "{} items were acknowledged", acknowledged.len());
        known.extend(acknowledged);
        let copy = dir.path().join(format!("restored-{round}.db"));
        BackupManager::restore(&s3(&server), &copy).await.unwrap();
        let restored: HashSet<String> = names(&copy).into_iter().collect();
        let lost: Vec<_> = known.difference(&restored).collect();
        assert!(lost.is_empty(), "acknowledged and not restored: {lost:?}");
    }
}

/// Without a kill it does a last sync, and says nothing of an error.
#[tokio::test(flavor = "multi_thread")]
async fn the_axum_example_ends_at_ctrl_c_with_a_last_sync() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let mut example = Example::start("axum", &[], dir.path(), Some(&server));
    let address = example.line().strip_prefix("listening on http://").unwrap().to_owned();
    assert_eq!(request(&address, "POST", "hello").unwrap().0, 201);
    // Past the handler: only the last sync can bring it to the backup in time.
    let app = rusqlite::Connection::open(dir.path().join("app.db")).unwrap();
    app.busy_timeout(Duration::from_secs(5)).unwrap();
    super::insert(&app, "the last one");
    let pid = rustix::process::Pid::from_child(&example.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(example.child.wait().unwrap().success());
    let copy = dir.path().join("restored.db");
    BackupManager::restore(&s3(&server), &copy).await.unwrap();
    assert_eq!(names(&copy), ["hello", "the last one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_example_leaves_a_backup_of_everything() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=2 {
        let mut example = Example::start("quickstart", &[], dir.path(), Some(&server));
        assert!(example.child.wait().unwrap().success());
        let copy = dir.path().join(format!("restored-{round}.db"));
        BackupManager::restore(&s3(&server), &copy).await.unwrap();
        assert_eq!(names(&copy), vec!["hello"; round]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlx_example_is_killed_beside_its_pool_and_its_database_restored() {
    let dir = tempfile::tempdir().unwrap();
    let backup = BackupConfig {
        destination: Some(Destination::Directory(dir.path().join("backup"))),
        ..BackupConfig::default()
    };
    let mut known: HashSet<String> = HashSet::new();
    for round in 0..2 {
        let mut example = Example::start("sqlx", &[], dir.path(), None);
        // However slow the machine is: the kill comes in the midst of it.
        let mut lines = example.output.take().unwrap();
        let durable = |line: String| line.strip_prefix("durable ").unwrap().split(' ').next().unwrap().to_owned();
        known.extend((0..100).map(|_| durable(lines.next().expect("the example goes on").unwrap())));
        example.kill();
        known.extend(lines.map(|line| durable(line.unwrap())));
        let copy = dir.path().join(format!("restored-{round}.db"));
        BackupManager::restore_with_config(&backup, &copy).await.unwrap();
        let restored: HashSet<String> = names(&copy).into_iter().collect();
        let lost: Vec<_> = known.difference(&restored).collect();
        assert!(lost.is_empty(), "durable and not restored: {lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlx_example_ends_with_everything_in_the_backup() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = HashSet::new();
    for _ in 0..2 {
        let mut example = Example::start("sqlx", &["3"], dir.path(), None);
        let lines: Vec<String> = example.output.take().unwrap().map(Result::unwrap).collect();
        assert!(example.child.wait().unwrap().success());
        assert_eq!(lines.len(), 31);
        assert!(lines[30].ends_with(" transactions in the backup, 0 missing"), "{}", lines[30]);
        let position = lines[29].rsplit(' ').next().unwrap();
        generations.insert(position.split_once(':').unwrap().0.to_owned());
    }
    assert_eq!(generations.len(), 1, "the second run goes on where the first ended");
    let mut config = super::config(dir.path());
    config.destination = Some(Destination::Directory(dir.path().join("backup")));
    let copy = dir.path().join("restored.db");
    BackupManager::restore_with_config(&config, &copy).await.unwrap();
    assert_eq!(names(&copy).len(), 60);
}
