use std::sync::Arc;
use std::time::Duration;

use axum::{Router, routing::get, extract::State, Json};
use rusqlite::{Connection, params};
use tokio::sync::Mutex;
use waloy::{BackupConfig, BackupManager, S3Config};

type Db = Arc<std::sync::Mutex<Connection>>;

async fn list_items(State(db): State<Db>) -> Json<Vec<String>> {
    let conn = db.lock().unwrap();
    let mut stmt = conn.prepare("SELECT name FROM items").unwrap();
    let names: Vec<String> = stmt
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    Json(names)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Open the database with required PRAGMAs
    let conn = Connection::open("app.db")?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA busy_timeout = 5000;
         PRAGMA wal_autocheckpoint = 0;
         CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    )?;
    let db: Db = Arc::new(std::sync::Mutex::new(conn));

    // Start the backup manager (takes an initial snapshot)
    let config = BackupConfig {
        db_path: "app.db".into(),
        s3: S3Config {
            endpoint: "http://localhost:3900".into(),
            region: "garage".into(),
            bucket: "my-bucket".into(),
            access_key: "ACCESS_KEY".into(),
            secret_key: "SECRET_KEY".into(),
            prefix: "backups/myapp".into(),
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
    let app = Router::new()
        .route("/items", get(list_items))
        .with_state(db);
    let listener = tokio::net::TcpListener::bind("0.0.0.0:3000").await?;
    axum::serve(listener, app).await?;

    // On shutdown: flush remaining WAL and release the read transaction
    mgr.lock().await.shutdown().await?;
    Ok(())
}
