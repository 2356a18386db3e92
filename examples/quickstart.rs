//! One program, one database, one upload.
//!
//! ```sh
//! export WALOY_S3_ENDPOINT=http://localhost:3900 WALOY_S3_REGION=garage WALOY_S3_BUCKET=my-bucket
//! export WALOY_S3_ACCESS_KEY=… WALOY_S3_SECRET_KEY=…
//! cargo run --example quickstart    # makes app.db in the present directory
//! ```

use std::time::Duration;
use waloy::{BackupConfig, BackupManager, S3Config};

/// What the environment says, else what the README does.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Set up SQLite with required PRAGMAs
    let conn = rusqlite::Connection::open("app.db")?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA busy_timeout = 5000;
         PRAGMA wal_autocheckpoint = 0;",
    )?;

    // Configure and start the backup manager
    let config = BackupConfig {
        db_path: "app.db".into(),
        s3: S3Config {
            endpoint: setting("WALOY_S3_ENDPOINT", "https://s3.amazonaws.com"),
            region: setting("WALOY_S3_REGION", "us-east-1"),
            bucket: setting("WALOY_S3_BUCKET", "my-backup-bucket"),
            access_key: setting("WALOY_S3_ACCESS_KEY", "AKIAIOSFODNN7EXAMPLE"),
            secret_key: setting("WALOY_S3_SECRET_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            prefix: setting("WALOY_S3_PREFIX", "backups/myapp"),
        },
        sync_interval: Duration::from_secs(1),
        ..Default::default()
    };

    let mut mgr = BackupManager::new(config).await?;

    // Your app writes to SQLite normally...
    conn.execute("CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT)", [])?;
    conn.execute("INSERT INTO items (name) VALUES (?1)", ["hello"])?;

    // Sync new WAL frames to S3
    mgr.sync_wal().await?;

    // Graceful shutdown (final sync + release read transaction)
    mgr.shutdown().await?;
    Ok(())
}
