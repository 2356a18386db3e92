//! A pool of ten connections and its backup in one process: ten tasks write, and each knows when its row is safe.
//!
//! ```sh
//! cargo run --example sqlx          # makes app.db and backup/ in the present directory; Ctrl-C stops it
//! cargo run --example sqlx -- 5     # five rows a task
//! ```
//!
//! sqlx 0.9 and waloy link the same copy of SQLite, as they must: two copies in one process would not see each other's
//! locks.
#![expect(clippy::print_stdout, reason = "an example says what it does")]

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use tokio::task::JoinSet;
use waloy::{BackupConfig, BackupHandle, BackupManager, Destination};

async fn write(task: u32, rows: u64, pool: SqlitePool, backup: BackupHandle) -> anyhow::Result<()> {
    for row in 0..rows {
        let name = format!("{}-{task}-{row}", std::process::id());
        sqlx::query("INSERT INTO items (name) VALUES (?1)").bind(&name).execute(&pool).await?;
        // When this returns, the row is in the backup. Tasks that wait at the same time share an upload.
        let position = backup.sync().await?;
        println!("durable {name} at {position}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let rows = std::env::args().nth(1).map_or(Ok(u64::MAX), |rows| rows.parse())?;
    let options = SqliteConnectOptions::new()
        .filename("app.db")
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // waloy checkpoints; the busy timeout of sqlx, five seconds, covers the milliseconds that it takes.
        .pragma("wal_autocheckpoint", "0");
    let pool = SqlitePoolOptions::new().max_connections(10).connect_with(options).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").execute(&pool).await?;

    let backup = BackupManager::new(BackupConfig {
        db_path: "app.db".into(),
        destination: Some(Destination::Directory("backup".into())), // or `s3`
        ..Default::default()
    })
    .await?
    .spawn();

    let mut tasks: JoinSet<_> = (0..10).map(|task| write(task, rows, pool.clone(), backup.clone())).collect();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => tasks.shutdown().await,
        written = async {
            while let Some(task) = tasks.join_next().await {
                task??;
            }
            anyhow::Ok(())
        } => written?,
    }

    // First the pool: SQLite deletes the WAL with the last connection of others, and waloy's leaves it, so that the next
    // start goes on where this one ends.
    pool.close().await;
    let report = backup.shutdown().await?;
    println!("{} transactions in the backup, {} missing", report.commits, report.pending);
    Ok(())
}
