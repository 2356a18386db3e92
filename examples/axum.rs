//! A web server and its backup in one process: the manager behind a mutex, and a loop beside the server.
//!
//! ```sh
//! export WALOY_S3_ENDPOINT=http://localhost:3900 WALOY_S3_REGION=garage WALOY_S3_BUCKET=my-bucket
//! export WALOY_S3_ACCESS_KEY=… WALOY_S3_SECRET_KEY=…
//! cargo run --example axum          # makes app.db in the present directory; Ctrl-C stops it
//! curl -d hello localhost:3000/items && curl localhost:3000/items
//! ```
//!
//! `BackupManager::spawn` does what the loop does here, and its handle needs no mutex: see `examples/sqlx.rs`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example is short, and says where it listens")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::{Extension, Json, Router, extract::State, routing::get};
use rusqlite::{Connection, params};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use waloy::{BackupConfig, BackupManager, S3Config};

type Db = Arc<std::sync::Mutex<Connection>>;
type Manager = Arc<Mutex<BackupManager>>;

/// Answers once the item is in the backup: what was answered with 201 survives the loss of this machine.
async fn add_item(
    State(db): State<Db>,
    Extension(mgr): Extension<Manager>,
    name: String,
) -> Result<StatusCode, (StatusCode, String)> {
    db.lock()
        .unwrap()
        .execute("INSERT INTO items (name) VALUES (?1)", params![name])
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    mgr.lock().await.sync_wal().await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(StatusCode::CREATED)
}

async fn list_items(State(db): State<Db>) -> Json<Vec<String>> {
    let conn = db.lock().unwrap();
    let mut stmt = conn.prepare("SELECT name FROM items").unwrap();
    let names: Vec<String> = stmt.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    Json(names)
}

/// What the environment says, else what the README does.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.into())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Open the database with required PRAGMAs
    let conn = Connection::open("app.db")?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA busy_timeout = 5000;
         PRAGMA wal_autocheckpoint = 0;
         CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT NOT NULL);",
    )?;
    let db: Db = Arc::new(std::sync::Mutex::new(conn));

    // Start the backup manager (takes an initial snapshot)
    let config = BackupConfig {
        db_path: "app.db".into(),
        s3: S3Config {
            endpoint: setting("WALOY_S3_ENDPOINT", "http://localhost:3900"),
            region: setting("WALOY_S3_REGION", "garage"),
            bucket: setting("WALOY_S3_BUCKET", "my-bucket"),
            access_key: setting("WALOY_S3_ACCESS_KEY", "ACCESS_KEY"),
            secret_key: setting("WALOY_S3_SECRET_KEY", "SECRET_KEY"),
            prefix: setting("WALOY_S3_PREFIX", "backups/myapp"),
        },
        sync_interval: Duration::from_secs(1),
        ..Default::default()
    };
    let mgr = Arc::new(Mutex::new(BackupManager::new(config).await?));

    // Background sync loop
    let mgr_bg = mgr.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut m = mgr_bg.lock().await;
            let _ = m.sync_wal().await;
            let _ = m.maybe_snapshot().await;
        }
    });

    // axum server
    let app =
        Router::new().route("/items", get(list_items).post(add_item)).layer(Extension(mgr.clone())).with_state(db);
    let listener = tokio::net::TcpListener::bind(setting("LISTEN", "0.0.0.0:3000")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?; // what systemd and docker send
    let asked = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(asked).await?;

    // On shutdown: flush remaining WAL and release the read transaction
    mgr.lock().await.shutdown().await?;
    Ok(())
}
