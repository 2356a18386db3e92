//! The application: a thread with a connection of its own that takes orders.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};

/// The time between two orders.
const PACE: Duration = Duration::from_millis(8);

const CUSTOMERS: [&str; 5] = ["Ada", "Grace", "Edsger", "Barbara", "Donald"];
const ITEMS: [(&str, i64); 4] = [("keyboard", 8_900), ("abacus", 2_450), ("slide rule", 3_300), ("punch cards", 990)];

/// The database at one commit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Copy {
    /// The image of every page, read through SQLite.
    #[serde(skip)]
    pub(super) image: Vec<u8>,
    /// Rows of `orders`.
    pub(super) orders: u64,
    /// What they come to.
    pub(super) cents: i64,
}

impl Copy {
    /// What the orders come to, for people.
    pub(super) fn money(&self) -> String {
        format!("{}.{:02} €", super::table::count(self.cents.unsigned_abs() / 100), self.cents % 100)
    }
}

type Job = Box<dyn FnOnce(&mut Counter) -> rusqlite::Result<()> + Send>;

/// The application from outside. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Shop {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<rusqlite::Result<()>>>,
}

/// The application from inside.
struct Counter {
    connection: Connection,
    orders: usize,
    open: bool,
}

impl Shop {
    /// Makes the database and opens for business.
    pub(super) async fn open(path: &Path) -> Result<Shop> {
        let (jobs, inbox) = channel::<Job>();
        let path = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("demo application".into())
            .spawn(move || Counter::new(&path).and_then(|counter| counter.run(&inbox)))
            .map_err(|error| Error::new(Kind::Failure, "demo.thread", "cannot start a thread").because(error))?;
        let shop = Shop { jobs: Some(jobs), thread: Some(thread) };
        // Once it answers, the database is there.
        shop.call(|_| Ok(())).await?;
        Ok(shop)
    }

    /// Stops taking orders, and copies the database.
    pub(super) async fn pause_and_copy(&self) -> Result<Copy> {
        self.call(|counter| {
            counter.open = false;
            copy(&mut counter.connection)
        })
        .await
    }

    /// Takes orders again.
    pub(super) fn resume(&self) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Box::new(|counter| {
                counter.open = true;
                Ok(())
            }));
        }
    }

    /// Deletes every order; says how many.
    pub(super) async fn mistake(&self) -> Result<u64> {
        self.call(|counter| counter.connection.execute("DELETE FROM orders", []).map(|rows| rows as u64)).await
    }

    /// Copies the database, and ends.
    pub(super) async fn close(mut self) -> Result<Copy> {
        let copy = self.pause_and_copy().await?;
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let ended = tokio::task::spawn_blocking(|| thread.join()).await;
            ended.map_err(|_| gone())?.map_err(|_| gone())?.map_err(failed)?;
        }
        Ok(copy)
    }

    /// Has the application's thread do something between two orders.
    async fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Counter) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |counter| {
            let _ = reply.send(job(counter));
            Ok(())
        });
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(failed)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Counter {
    fn new(path: &Path) -> rusqlite::Result<Counter> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE orders (
                 id INTEGER PRIMARY KEY,
                 customer TEXT NOT NULL,
                 item TEXT NOT NULL,
                 cents INTEGER NOT NULL
             );
             CREATE INDEX orders_by_customer ON orders (customer);",
        )?;
        Ok(Counter { connection, orders: 0, open: true })
    }

    fn run(mut self, jobs: &Receiver<Job>) -> rusqlite::Result<()> {
        loop {
            match jobs.recv_timeout(PACE) {
                Ok(job) => job(&mut self)?,
                Err(RecvTimeoutError::Timeout) if self.open => self.take_orders()?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// One transaction of one to five orders.
    fn take_orders(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for _ in 0..=self.orders % 5 {
            let customer = CUSTOMERS[self.orders % CUSTOMERS.len()];
            let (item, cents) = ITEMS[self.orders % ITEMS.len()];
            transaction
                .prepare("INSERT INTO orders (customer, item, cents) VALUES (?1, ?2, ?3)")?
                .execute((customer, item, cents))?;
            self.orders += 1;
        }
        transaction.commit()
    }
}

/// What a connection sees, page by page. With rusqlite 0.41 nobody else may use it meanwhile.
fn copy(connection: &mut Connection) -> rusqlite::Result<Copy> {
    let image = connection.serialize("main")?.to_vec();
    let (orders, cents) = count(connection)?;
    Ok(Copy { image, orders, cents })
}

/// How many orders there are, and what they come to.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<(u64, i64)> {
    connection.query_row("SELECT count(*), total(cents) FROM orders", [], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, f64>(1)? as i64))
    })
}

pub(super) fn failed(error: rusqlite::Error) -> Error {
    Error::new(Kind::Failure, "demo.application", "the application of the demo failed").because(error)
}

fn gone() -> Error {
    Error::new(Kind::Failure, "demo.application", "the application of the demo has ended")
}
