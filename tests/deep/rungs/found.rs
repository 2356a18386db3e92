//! What the other rungs have found, each as it was found and as short as can be told. The number of a story is its seed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use waloy::compact::{Level, Levels};
use waloy::engine::Options;
use waloy::ids::GenerationId;
use waloy::replica::Key;
use waloy::restore::Target;
use waloy::retention::Policy;
use waloy::seal::Secret;
use waloy::testing::dice::Dice;
use waloy::testing::workload::Step;
use waloy::units::Timestamp;

use crate::door::{self, Fault, Loss, Plan, Who};
use crate::ladder::Tally;
use crate::sim::Ground;
use crate::sim::app::{App, Manners, digest};
use crate::sim::check::{Inspector, Restored, told};
use crate::sim::host::Host;
use crate::sim::store::Bucket;
use crate::sim::time::Time;

type Story = fn(&mut Scene) -> anyhow::Result<()>;

/// Their names say what must be so.
const STORIES: &[(&str, Story)] = &[
    ("a loss of power leaves the state directory", a_loss_of_power_leaves_the_state_directory),
    ("a loss of power makes no stranger of a database", a_loss_of_power_makes_no_stranger_of_a_database),
    ("a sync is about the file that is there", a_sync_is_about_the_file_that_is_there),
    ("what was merged and let go of since is gone on with", what_was_merged_and_let_go_of_since_is_gone_on_with),
    (
        "what is left of a deleted state directory counts for nothing",
        what_is_left_of_a_state_directory_counts_for_nothing,
    ),
    ("what should be gone is looked for to the end of a listing", what_should_be_gone_is_looked_for_to_the_end),
    ("a read that was changed on its way costs no key", a_read_that_was_changed_on_its_way_costs_no_key),
    ("a name that is free again is not the next one", a_name_that_is_free_again_is_not_the_next_one),
    ("a snapshot that came late is not gone on with", a_snapshot_that_came_late_is_not_gone_on_with),
    ("of two first generations the younger one counts", of_two_first_generations_the_younger_one_counts),
    ("a data key that came changed is not replaced", a_data_key_that_came_changed_is_not_replaced),
    ("a store that failed for a moment is not taken for another kind", a_store_that_failed_is_not_taken_for_another),
    ("a generation that has ended gets no segment", a_generation_that_has_ended_gets_no_segment),
    ("a loss of power and a clock that is slow turn no time back", a_loss_of_power_and_a_slow_clock_turn_no_time_back),
];

pub(crate) const COUNT: u64 = STORIES.len() as u64;

pub(crate) fn run(seed: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    if let Some((name, story)) = STORIES.get(seed as usize - 1) {
        story(&mut Scene::begin()?).context(*name)?;
        tally.add("stories", 1);
    }
    Ok(tally)
}

/// A machine with an application, a replicator that uploads when asked, and a bucket in fine weather.
struct Scene {
    host: Host,
    time: Time,
    inspector: Inspector,
    _ground: Ground,
}

impl Scene {
    fn begin() -> anyhow::Result<Scene> {
        let ground = Ground::new(1);
        let (mut dice, time) = (Dice::new(1), Time::default());
        let manners =
            Manners { page_size: 512, auto_vacuum: false, synchronous: "FULL", autocheckpoint: 0, cache: 100 };
        let app = ground.application(manners, &mut dice)?;
        let bucket = Bucket::new(time.clone(), dice.fork(), true);
        let mut options = Options::new(ground.database());
        options.automatic = false;
        let host = Host::new(0, app, options, time.clone(), &bucket);
        Ok(Scene {
            host,
            time,
            inspector: Inspector { bucket, directory: None, key: None, scratch: ground.scratch() },
            _ground: ground,
        })
    }

    fn commit(&self, step: Step) -> anyhow::Result<()> {
        self.host.app.borrow_mut().commit_step(0, step)
    }

    fn start(&mut self) -> anyhow::Result<()> {
        self.host.start().map_err(told)
    }

    fn sync(&mut self) -> anyhow::Result<()> {
        let synced = self.host.ask(async |replicator| replicator.sync().await.map(drop));
        synced.context("it runs")?.map_err(told)
    }

    /// The generation of the newest state in the replica, and its time.
    fn newest(&mut self) -> anyhow::Result<(GenerationId, Timestamp)> {
        let status = self.host.ask(async |replicator| Ok(replicator.status())).context("it runs")?.map_err(told)?;
        Ok((status.generation.context("there is one")?, status.at.context("there is a state")?))
    }

    /// The same at a store that replaces what is there, whatever a put says.
    fn without_conditions(&mut self) {
        let bucket = Bucket::new(self.time.clone(), Dice::new(3), false);
        self.host.bucket = bucket.seen_by(self.host.who);
        self.inspector.bucket = bucket;
    }

    /// Segments are merged after some seconds, and then let go of.
    fn let_go_soon(&mut self) {
        self.host.options.merge = Some(Levels::new([Level { window: Duration::from_secs(5), parts: 3 }]));
        let mut policy = Policy::new(Some(Duration::from_secs(5)));
        policy.grace = Duration::from_secs(1);
        self.host.options.retention = Some(policy);
    }

    /// Another machine, with a copy of the database, and the same bucket.
    fn second(&self) -> anyhow::Result<Host> {
        let db = self.host.app.borrow().path.with_extension("second");
        let (pages, manners, history) = {
            let mut app = self.host.app.borrow_mut();
            (app.pages()?, app.manners, app.history.clone())
        };
        std::fs::write(&db, pages)?;
        let app = App::open(&db, manners, Dice::new(2), history)?;
        let mut options = self.host.options.clone();
        options.db_path = db;
        Ok(Host::new(1, app, options, self.time.clone(), &self.inspector.bucket))
    }

    /// What a restore gives is the database as it is.
    fn prove(&mut self) -> anyhow::Result<()> {
        let pages = digest(&self.host.app.borrow_mut().pages()?);
        match self.inspector.restore(Target::Latest, true)? {
            Restored::State(restored) => ensure!(restored == pages, "the replica is not level with the database"),
            Restored::Nothing => bail!("there is nothing to restore"),
        }
        Ok(())
    }
}

/// The directory was made, and everything in it synced; its own name was not (`sim 4`). With it went what says whose the
/// replica is.
fn a_loss_of_power_leaves_the_state_directory(scene: &mut Scene) -> anyhow::Result<()> {
    scene.start()?;
    scene.sync()?;
    let state = scene.host.state_dir();
    scene.host.lose_power(Loss::Everything)?;
    ensure!(state.join("writer").exists(), "the state directory is gone, or who the writer is");
    Ok(())
}

/// The position is not synced at each upload; after a loss of power it could be gone, and a database of which more than
/// half had changed since was refused as another one (`sim 64`).
fn a_loss_of_power_makes_no_stranger_of_a_database(scene: &mut Scene) -> anyhow::Result<()> {
    scene.start()?;
    scene.sync()?;
    for _ in 0..4 {
        scene.commit(Step::Large)?;
        scene.sync()?;
    }
    scene.host.stop();
    scene.commit(Step::Large)?;
    scene.commit(Step::Schema)?;
    scene.host.app.borrow().checkpoint("TRUNCATE")?;
    scene.host.lose_power(Loss::Everything)?;
    for _ in 0..8 {
        scene.commit(Step::Large)?;
    }
    scene.host.app.borrow_mut().vacuum()?;
    scene.start().context("the start after a loss of power")?;
    scene.sync()?;
    scene.prove()
}

/// Whether the file is still the same one was asked once a second; a sync in between was acknowledged although another
/// file had taken the name (`sim 106`).
fn a_sync_is_about_the_file_that_is_there(scene: &mut Scene) -> anyhow::Result<()> {
    scene.start()?;
    scene.commit(Step::Small)?;
    scene.sync()?;
    let earlier = scene.host.app.borrow_mut().pages()?;
    scene.commit(Step::Small)?;
    scene.sync()?;
    scene.host.pass(Duration::from_millis(100));
    scene.host.app.borrow_mut().replace(&earlier)?;
    scene.sync()?;
    scene.prove()
}

/// After a loss of power the note of the position may be from before many segments; where those had been merged and deleted
/// meanwhile, the next start met the ones after them, and took them for another writer's (`crash 1282`).
fn what_was_merged_and_let_go_of_since_is_gone_on_with(scene: &mut Scene) -> anyhow::Result<()> {
    scene.let_go_soon();
    for idle in [false, true] {
        scene.start()?;
        for _ in 0..7 {
            scene.commit(Step::Small)?;
            scene.sync()?;
            scene.host.pass(Duration::from_secs(2));
        }
        if idle {
            // Until the newest small segment may have gone, too.
            scene.host.pass(Duration::from_secs(60));
            scene.sync()?;
        }
        let pruned = scene.host.ask(async |replicator| replicator.enforce_retention().await);
        let pruned = pruned.context("it runs")?.map_err(told)?.context("there is a policy")?;
        ensure!(pruned.objects > 0, "nothing was let go of");
        scene.host.lose_power(Loss::Everything)?;
        scene.start().context("the start after a loss of power")?;
        scene.commit(Step::Small)?;
        scene.sync()?;
        scene.prove()?;
        scene.inspector.verify()?;
        scene.host.stop();
    }
    Ok(())
}

/// A loss of power soon after the state directory was deleted brought some of it back: the note of an object that was on its
/// way, without the name of the writer who had made it, whom the next start took for another (`sim 1973`).
fn what_is_left_of_a_state_directory_counts_for_nothing(scene: &mut Scene) -> anyhow::Result<()> {
    for _ in 0..4 {
        scene.commit(Step::Large)?;
    }
    scene.start()?;
    scene.sync()?;
    scene.host.stop();
    let mut left = 0;
    for n in 1..40 {
        scene.start()?;
        scene.commit(Step::Small)?;
        door::plan(|plan| plan.at(Who::Waloy(0), n, Fault::EndTorn));
        let _ = scene.sync();
        door::plan(Plan::calm);
        if !scene.host.is_dead() {
            scene.host.stop();
        }
        let state = scene.host.state_dir();
        left += u32::from(std::fs::read(state.join("intent")).is_ok_and(|intent| intent[0] != 0));
        std::fs::remove_file(state.join("writer"))?;
        scene.start().with_context(|| format!("after it ended at call {n}"))?;
        scene.sync()?;
        scene.prove()?;
        scene.host.stop();
    }
    ensure!(left > 3, "no object was on its way");
    Ok(())
}

/// Where a listing ended before the key that was looked for, the same listing was asked for again, without end (`sim 9531`).
fn what_should_be_gone_is_looked_for_to_the_end(scene: &mut Scene) -> anyhow::Result<()> {
    scene.let_go_soon();
    scene.inspector.bucket.weather(|weather| weather.page = 1);
    scene.start()?;
    for _ in 0..9 {
        scene.commit(Step::Small)?;
        scene.sync()?;
        scene.host.pass(Duration::from_secs(2));
    }
    let before = scene.inspector.bucket.requests();
    let pruned = scene.host.ask(async |replicator| replicator.enforce_retention().await);
    let pruned = pruned.context("it runs")?.map_err(told)?.context("there is a policy")?;
    ensure!(pruned.objects > 2, "{} objects were let go of", pruned.objects);
    let requests = scene.inspector.bucket.requests() - before;
    ensure!(requests < 300, "{requests} requests");
    scene.prove()
}

/// Whoever begins a sealed replica reads back what it has put. What came changed on its way was taken for that of somebody
/// who had begun in the same moment: the slot was deleted, and with it the only way in (`sim 4723`), or the data key was
/// replaced (`sim 7375`).
fn a_read_that_was_changed_on_its_way_costs_no_key(scene: &mut Scene) -> anyhow::Result<()> {
    let key = Key::new(Secret::from_key_file(&[7; 32])?);
    scene.host.options.key = Some(key.clone());
    scene.inspector.key = Some(key);
    for flipped in 1..24 {
        scene.inspector.bucket.empty();
        let _ = std::fs::remove_dir_all(scene.host.state_dir());
        scene.inspector.bucket.weather(|weather| weather.flip_at = Some(flipped));
        let _ = scene.start();
        scene.host.stop();
        scene.inspector.bucket.calm();
        scene.start().with_context(|| format!("after answer {flipped} came changed"))?;
        scene.sync()?;
        scene.prove()?;
        scene.host.stop();
        if let Some(key) = scene.inspector.bucket.changed() {
            bail!("answer {flipped} came changed, and {key} was replaced");
        }
    }
    Ok(())
}

/// Of two writers in one generation the second learns from the first one's objects that it has been overtaken: the name of
/// its next segment is taken. Where those had been merged and deleted meanwhile, the name was free again; so it was for an
/// upload under way that a restart took up (`sim 19839`).
fn a_name_that_is_free_again_is_not_the_next_one(scene: &mut Scene) -> anyhow::Result<()> {
    scene.let_go_soon();
    for _ in 0..4 {
        scene.commit(Step::Large)?;
    }
    scene.start()?;
    scene.sync()?;
    let mut second = scene.second()?;
    second.start().map_err(told).context("the second one")?;
    for _ in 0..9 {
        scene.commit(Step::Small)?;
        scene.sync()?;
        scene.host.pass(Duration::from_secs(2));
    }
    let pruned = scene.host.ask(async |replicator| replicator.enforce_retention().await);
    let pruned = pruned.context("it runs")?.map_err(told)?.context("there is a policy")?;
    ensure!(pruned.objects > 2, "{} objects were let go of", pruned.objects);
    second.catch_up();
    for restarted in [false, true] {
        second.app.borrow_mut().commit_step(0, Step::Small)?;
        if restarted {
            second.kill();
            let started = second.start();
            ensure!(started.as_ref().is_err_and(|error| error.code() == "replica.overtaken"), "{started:?}");
        } else {
            let synced = second.ask(async |replicator| replicator.sync().await.map(drop)).context("it runs")?;
            ensure!(synced.as_ref().is_err_and(|error| error.code() == "replica.overtaken"), "{synced:?}");
        }
    }
    scene.prove()?;
    scene.inspector.verify()
}

/// Of two writers that begin generations beside each other the younger one counts. The older one's snapshot came to the
/// store when the other one was there already, and its process ended; started again, it found its snapshot, and went on
/// behind it (`sim 53736`).
fn a_snapshot_that_came_late_is_not_gone_on_with(scene: &mut Scene) -> anyhow::Result<()> {
    scene.start()?;
    scene.sync()?;
    let snapshots = |scene: &Scene| -> Vec<String> {
        let keys = scene.inspector.bucket.listing().into_iter().map(|(key, _)| key);
        keys.filter(|key| key.ends_with("/snapshot")).collect()
    };
    let mut second = scene.second()?;
    let begun = snapshots(scene);
    for n in 1.. {
        ensure!(n < 500, "it never ended between its snapshot and the note of it");
        door::plan(|plan| plan.at(Who::Waloy(0), n, Fault::EndTorn));
        let _ = scene.host.ask(async |replicator| replicator.snapshot().await);
        door::plan(Plan::calm);
        ensure!(scene.host.is_dead(), "it began a generation in {n} calls");
        if snapshots(scene) != begun {
            break;
        }
        scene.start().with_context(|| format!("after it ended at call {n}"))?;
    }
    let late = snapshots(scene).pop().context("there are two")?;
    let bytes = scene.inspector.bucket.hold(&late);
    second.catch_up();
    second.start().map_err(told).context("the second one")?;
    second.ask(async |replicator| replicator.snapshot().await).context("it runs")?.map_err(told)?;
    scene.inspector.bucket.bring(&late, bytes);
    scene.host.catch_up();
    let started = scene.host.start();
    ensure!(started.as_ref().is_err_and(|error| error.code() == "replica.overtaken"), "{started:?}");
    scene.inspector.verify()
}

/// Two writers begin a replica in the same moment, and neither sees the other's generation before its own is there. Whose
/// is the older one must learn of it: no restore looks there. (No seed of the simulation has met that moment.)
fn of_two_first_generations_the_younger_one_counts(scene: &mut Scene) -> anyhow::Result<()> {
    let bucket = scene.inspector.bucket.clone();
    let mut second = scene.second()?;
    second.clock.turn(1000);
    second.start().map_err(told).context("the second one")?;
    second.ask(async |replicator| replicator.sync().await).context("it runs")?.map_err(told)?;
    let keys = bucket.listing().into_iter().map(|(key, _)| key).filter(|key| key.contains('/'));
    bucket.bring_beside_a_snapshot(keys.map(|key| (key.clone(), bucket.hold(&key))).collect());
    scene.start()?;
    scene.commit(Step::Small)?;
    let synced = scene.host.ask(async |replicator| replicator.sync().await.map(drop)).context("it runs")?;
    ensure!(synced.as_ref().is_err_and(|error| error.code() == "replica.overtaken"), "{synced:?}");
    let snapshots = bucket.listing().into_iter().filter(|(key, _)| key.ends_with("/snapshot")).count();
    ensure!(snapshots == 2, "{snapshots} generations were begun");
    scene.inspector.verify()
}

/// At a store that knows no conditions a start found the data key of a replica without a generation changed on its way, and
/// put another one in its place: every start after that was refused, for that was not the key of before (`sim 92237`).
fn a_data_key_that_came_changed_is_not_replaced(scene: &mut Scene) -> anyhow::Result<()> {
    scene.without_conditions();
    let key = Key::new(Secret::from_key_file(&[7; 32])?);
    scene.host.options.key = Some(key.clone());
    scene.inspector.key = Some(key);
    scene.start()?;
    scene.host.kill();
    for flipped in 1..12 {
        scene.inspector.bucket.weather(|weather| weather.flip_at = Some(flipped));
        let _ = scene.start();
        scene.host.kill();
        scene.inspector.bucket.calm();
        scene.start().with_context(|| format!("after answer {flipped} came changed"))?;
        scene.host.kill();
        if let Some(key) = scene.inspector.bucket.changed() {
            bail!("answer {flipped} came changed, and {key} was replaced");
        }
    }
    scene.start()?;
    scene.sync()?;
    scene.prove()
}

/// Whether a store knows conditions is tried out on an object that is there. Where a try failed, and it was looked for the
/// object before the next one, the store was taken for one that had kept it. (Found by reading.)
fn a_store_that_failed_is_not_taken_for_another(scene: &mut Scene) -> anyhow::Result<()> {
    scene.without_conditions();
    let conditional = scene.host.state_dir().join("store.json");
    let mut started = 0;
    for n in 1..40 {
        scene.inspector.bucket.empty();
        let _ = std::fs::remove_dir_all(scene.host.state_dir());
        door::plan(|plan| plan.at(Who::Waloy(0), n, Fault::Fail(libc::EIO)));
        if scene.start().is_ok() {
            started += 1;
            ensure!(!conditional.exists(), "call {n} failed, and the store was taken for one that knows conditions");
        }
        door::plan(Plan::calm);
        scene.host.kill();
    }
    ensure!(started > 3, "{started} starts got over a failure");
    Ok(())
}

/// A snapshot had been read, up to the commit at which the generation before ends, and waited for the store, which had
/// failed to take its last part. A merge was due in that moment, and ended with a segment of what was committed since: in
/// the generation before, where no restore from the new one looks. All of that was missing there, and every checksum was
/// right (`soak 1`).
fn a_generation_that_has_ended_gets_no_segment(scene: &mut Scene) -> anyhow::Result<()> {
    let second = Duration::from_secs(1);
    scene.host.options.automatic = true;
    scene.host.options.sync_interval = second;
    scene.host.options.snapshot_interval = Some(6 * second);
    scene.host.options.merge = Some(Levels::new([Level { window: 2 * second, parts: 2 }]));
    let (app, left) = (scene.host.app.clone(), Rc::new(Cell::new(0)));
    let commits = left.clone();
    door::meanwhile(move || {
        // It may meet a lock that waloy holds for an instant; that is all.
        if commits.get() > 0 && app.try_borrow_mut().is_ok_and(|mut app| app.commit_step(0, Step::Small).is_ok()) {
            commits.set(commits.get() - 1);
        }
    });
    for part in 1..4 {
        scene.inspector.bucket.empty();
        let _ = std::fs::remove_dir_all(scene.host.state_dir());
        scene.start()?;
        for passed in 0..9 {
            if passed == 5 {
                left.set(60);
                door::plan(|plan| plan.others_once_in(Some(2)));
                scene.inspector.bucket.weather(|weather| weather.part_at = Some(part));
            }
            scene.commit(Step::Small)?;
            scene.host.pass(second);
        }
        door::plan(|plan| plan.others_once_in(None));
        scene.sync()?;
        scene.prove().with_context(|| format!("part {part} had not been taken"))?;
        scene.inspector.verify().with_context(|| format!("part {part} had not been taken"))?;
        scene.host.expect_consistent()?;
        scene.host.kill();
    }
    Ok(())
}

/// What was noted durably was a segment of which only a merged one was left, that led further: it counted as lost. The
/// generation that was begun for that took its first time from the note, before the end of the one before (`sim 192517`).
fn a_loss_of_power_and_a_slow_clock_turn_no_time_back(scene: &mut Scene) -> anyhow::Result<()> {
    scene.let_go_soon();
    scene.start()?;
    scene.commit(Step::Small)?;
    scene.sync()?;
    scene.commit(Step::Small)?;
    scene.sync()?;
    scene.host.stop();
    for is_lost in [false, true] {
        // From here on the last segment is noted durably.
        scene.start()?;
        for _ in 0..7 {
            scene.commit(Step::Small)?;
            scene.sync()?;
            scene.host.pass(Duration::from_secs(2));
        }
        let pruned = scene.host.ask(async |replicator| replicator.enforce_retention().await);
        pruned.context("it runs")?.map_err(told)?.context("there is a policy")?;
        let (before, at) = scene.newest()?;
        if is_lost {
            // The first one is in every chain.
            let keys = scene.inspector.bucket.listing();
            let first = keys.into_iter().map(|(key, _)| key).find(|key| key.contains("/wal/")).context("a segment")?;
            scene.inspector.bucket.hold(&first);
        }
        scene.host.lose_power(Loss::Everything)?;
        scene.host.clock.turn(-3_600_000);
        scene.start().context("the start after a loss of power")?;
        scene.commit(Step::Small)?;
        scene.sync()?;
        let (after, then) = scene.newest()?;
        ensure!(then >= at, "a state of {then} came after one of {at}");
        ensure!((before != after) == is_lost, "a new generation was begun for nothing, or was not");
        scene.prove()?;
        scene.host.stop();
    }
    Ok(())
}
