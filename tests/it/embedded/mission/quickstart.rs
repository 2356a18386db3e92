use std::time::Duration;
use waloy::{BackupConfig, BackupManager, S3Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Set up SQLite with required PRAGMAs
    let conn = rusqlite::Connection::open("app.db")?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA busy_timeout = 5000;
         PRAGMA wal_autocheckpoint = 0;"
    )?;

    // Configure and start the backup manager
    let config = BackupConfig {
        db_path: "app.db".into(),
        s3: S3Config {
            endpoint: "https://s3.amazonaws.com".into(),
            region: "us-east-1".into(),
            bucket: "my-backup-bucket".into(),
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            prefix: "backups/myapp".into(),
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
