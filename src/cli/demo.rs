//! `waloy demo`: the whole story on a sample database, with proofs.
//!
//! Everything goes through the public library, as an application would use it. Nothing is removed but what was made
//! here: the three files of the sample database, and at the end the temporary directory, if no other was given.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::context::Context;
use super::destination::quoted;
use super::exit::Exit;
use super::render::json::text;
use super::render::{seconds, table, took};
use super::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Hooks, Options, Replicator, Report};
use crate::error::{Error, Kind, Result};
use crate::replica::Replica;
use crate::restore::Target;
use crate::storage::{Location, S3Options};
use crate::units::Timestamp;

mod proof;
mod shop;
mod stage;

use proof::{Proof, prove};
use shop::{Copy, Shop};
use stage::Stage;

/// How long orders come in before the mistake, and after it.
const BUSINESS: [Duration; 2] = [Duration::from_millis(3000), Duration::from_millis(1500)];

/// A pause between two lines, for eyes.
const BEAT: Duration = Duration::from_millis(250);

/// Play the whole story on a sample database: replicate, make a mistake, lose everything, get it back
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy demo              in a temporary directory, which is removed afterwards
  waloy demo ./demo       in a directory of yours, which is kept
")]
pub struct Args {
    /// Where to play: a directory that is empty or does not exist yet
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

#[derive(Serialize)]
struct Summary<'a> {
    ok: bool,
    directory: String,
    kept: bool,
    orders: u64,
    commits: u64,
    stored_bytes: u64,
    #[serde(serialize_with = "text")]
    mistake_at: Timestamp,
    proofs: &'a [Proof],
    duration_seconds: f64,
}

/// What happened until the database was gone.
struct Past {
    before_mistake: Copy,
    mistake_at: Timestamp,
    last: Copy,
    report: Report,
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library; a proof that failed.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let began = Instant::now();
    let teller = Teller { ui: &context.ui };
    let stage = Stage::new(args.dir.as_deref())?;
    let replica = Replica::plain(Location::directory(stage.replica())?.open(&S3Options::default()).await?);
    teller.line(format_args!("{}  {}", context.ui.out.bold("waloy demo"), stage.dir().display()));

    let past = play(&teller, &stage, &replica).await?;
    teller.scene(4, "a disaster: shop.db and everything SQLite keeps beside it is removed").await;
    stage.destroy_database()?;
    teller.done("nothing is left but the replica").await;
    let proofs = [
        restore_latest(&teller, &stage, &replica, &past).await?,
        restore_before_mistake(&teller, &stage, &replica, &past).await?,
    ];

    let ok = proofs.iter().all(|proof| proof.ok);
    if context.ui.mode.json {
        let summary = Summary {
            ok,
            directory: stage.dir().to_string_lossy().into_owned(),
            kept: stage.is_kept(),
            orders: past.before_mistake.orders,
            commits: past.report.commits,
            stored_bytes: past.report.stored_bytes,
            mistake_at: past.mistake_at,
            proofs: &proofs,
            duration_seconds: seconds(began.elapsed()),
        };
        context.ui.json("demo", &summary);
    }
    if !ok {
        return Err(Error::new(Kind::Damaged, "demo.not_proven", "what was restored is not what was there")
            .hint("this is a bug of waloy: please report it"));
    }
    teller.end(&stage, began.elapsed());
    Ok(Exit::Ok)
}

/// From the first order to the last, replicated.
async fn play(teller: &Teller<'_>, stage: &Stage, replica: &Replica) -> Result<Past> {
    teller.scene(1, "an application opens shop.db and takes orders").await;
    let shop = Shop::open(&stage.database()).await?;
    let options = Options { sync_interval: Duration::from_millis(250), ..Options::new(stage.database()) };
    let mut replicator = Replicator::start(options, replica.clone(), Hooks::default()).await?;
    replicator.sync().await?;
    teller.done("waloy replicates it, as it runs, to the directory replica/ (a bucket works the same)").await;
    tokio::time::sleep(BUSINESS[0]).await;
    // The application rests while it is copied, so that the copy is of one commit; so too below.
    let before_mistake = shop.pause_and_copy().await?;
    replicator.sync().await?;
    let counts = format!("{} orders, {}", table::count(before_mistake.orders), before_mistake.money());
    let commits = table::count(replicator.status().report.commits);
    teller.done(format_args!("{counts}; {commits} commits are in the replica, nothing pending")).await;

    // Times have milliseconds: the mistake shall not be in the one that is gone back to.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mistake_at = SystemClock.now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let deleted = shop.mistake().await?;
    teller.scene(2, &format!("a mistake at {}", teller.ui.time(mistake_at))).await;
    teller.plain("DELETE FROM orders;   -- the WHERE was forgotten");
    teller.done(format_args!("{} orders are gone, and the replica follows faithfully", table::count(deleted))).await;

    teller.scene(3, "nobody notices, and business goes on").await;
    shop.resume();
    tokio::time::sleep(BUSINESS[1]).await;
    let last = shop.close().await?;
    let report = replicator.shutdown().await?;
    let counts = format!("{} new orders, {}", table::count(last.orders), last.money());
    let objects = format!("{} objects, {}", table::count(report.objects), teller.ui.size(report.stored_bytes));
    teller.done(format_args!("{counts}; the replica has {objects}")).await;
    Ok(Past { before_mistake, mistake_at, last, report })
}

async fn restore_latest(teller: &Teller<'_>, stage: &Stage, replica: &Replica, past: &Past) -> Result<Proof> {
    teller.scene(5, "the way back: the latest state").await;
    teller.plain("waloy restore shop.db");
    let proof = prove("latest", replica, Target::Latest, &stage.database(), &past.last).await?;
    teller.proof(&proof).await;
    Ok(proof)
}

async fn restore_before_mistake(teller: &Teller<'_>, stage: &Stage, replica: &Replica, past: &Past) -> Result<Proof> {
    teller.scene(6, "further back: the moment before the mistake").await;
    let at = past.mistake_at;
    let output = stage.before_mistake();
    teller.plain(&format!("waloy restore shop.db --time '{}' -o before-mistake.db", teller.ui.time(at)));
    let proof = prove("before_mistake", replica, Target::Time(at), &output, &past.before_mistake).await?;
    teller.proof(&proof).await;
    Ok(proof)
}

/// Tells the story to people, at their pace.
struct Teller<'a> {
    ui: &'a Ui,
}

impl Teller<'_> {
    fn line(&self, text: impl std::fmt::Display) {
        if !self.ui.mode.quiet {
            self.ui.line(text);
        }
    }

    async fn beat(&self) {
        if self.ui.out_is_terminal && !self.ui.mode.quiet && !self.ui.mode.json {
            tokio::time::sleep(BEAT).await;
        }
    }

    async fn scene(&self, number: u32, title: &str) {
        self.beat().await;
        self.line("");
        self.line(format_args!("{}  {}", self.ui.out.bold(&number.to_string()), self.ui.out.bold(title)));
        self.beat().await;
    }

    fn plain(&self, text: &str) {
        self.line(format_args!("     {}", self.ui.out.dim(text)));
    }

    async fn done(&self, text: impl std::fmt::Display) {
        let tick = format!("{:<2}", self.ui.tick());
        self.line(format_args!("  {} {text}", self.ui.out.green(&tick)));
        self.beat().await;
    }

    async fn proof(&self, proof: &Proof) {
        if !proof.ok {
            self.line(format_args!("  {} not what was there: {}", self.ui.out.red("x "), proof.differences()));
            return;
        }
        let found = &proof.found;
        self.done(format_args!("{} orders, {}: all there", table::count(found.orders), found.money())).await;
        let pages = table::count(u64::from(proof.pages));
        let checksum = &proof.checksum[..8];
        self.done(format_args!("all {pages} pages equal a copy taken at that commit; checksum {checksum}…")).await;
        self.done(format_args!("in {}", took(Duration::from_secs_f64(proof.duration_seconds)))).await;
    }

    fn end(&self, stage: &Stage, elapsed: Duration) {
        self.line("");
        self.line(format_args!("{} in {}", self.ui.out.green("all proven"), took(elapsed)));
        let dir = quoted(&stage.dir().to_string_lossy());
        match stage.is_kept() {
            true => {
                self.line(format_args!("the files are in {dir}; look around:"));
                self.line(format_args!("  waloy generations --to {dir}/replica"));
                self.line(format_args!("  sqlite3 {dir}/before-mistake.db 'SELECT count(*) FROM orders'"));
            }
            false => self.line(format_args!("the files were in {dir}, and are removed; `waloy demo DIR` keeps them")),
        }
    }
}
