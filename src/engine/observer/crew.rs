//! The threads on which databases are watched: a few of them for the whole process, however many databases there are.
//!
//! A database stays on one thread, which does what is asked about it and looks at it when its tick is due, one thing
//! after the other, and takes turns with the other databases of that thread. The first ones have a thread each. What keeps a
//! thread is a lock that is waited for, 100 ms at most, or a disk: a chunk of pages read, a sync, and with a very large
//! transaction its frames and the checkpoint of them. To open a database may take longer, and is done elsewhere.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, mem};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::thread::Watch;
use super::{Observer, TICK};

/// Threads in the process. More of them would wait for the same disk.
const THREADS: usize = 16;

/// A database whose tick is due so soon is looked at with one whose tick is: a thread that has many wakes up few times.
const TOGETHER: Duration = Duration::from_millis(TICK.as_millis() as u64 / 4);

pub(super) type Job = Box<dyn FnOnce(&mut Observer) + Send>;

/// The threads that have a database.
static CREW: Mutex<Crew> = Mutex::new(Crew { members: Vec::new(), seats: 0 });

#[derive(Debug)]
struct Crew {
    members: Vec<Member>,
    /// Seats that were ever given.
    seats: u64,
}

#[derive(Debug)]
struct Member {
    todo: Sender<Todo>,
    thread: JoinHandle<()>,
    /// The seats of its databases.
    seats: Vec<u64>,
}

/// What a thread is told, and about which seat.
enum Todo {
    Open(u64, Box<Watch>),
    Do(u64, Job),
    /// Nothing more is asked; the channel is dropped once the database is closed.
    Close(u64, Sender<()>),
}

/// A place for one database on one of the threads. Dropped, it waits until the database is closed.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    todo: Sender<Todo>,
}

impl Seat {
    /// A place where there are fewest, on a thread of its own as long as there may be one more.
    ///
    /// # Errors
    ///
    /// No thread can be started, and there is none.
    pub(super) fn take(watch: Watch) -> io::Result<Seat> {
        let seat = Seat::empty()?;
        let _ = seat.todo.send(Todo::Open(seat.number, Box::new(watch)));
        Ok(seat)
    }

    fn empty() -> io::Result<Seat> {
        let mut crew = crew();
        // One that has panicked, which none should, is not asked again.
        crew.members.retain(|member| !member.thread.is_finished());
        let least = crew.members.iter().map(|member| member.seats.len()).min();
        if crew.members.len() < THREADS {
            match Member::start() {
                Ok(member) => crew.members.push(member),
                Err(error) if least.is_none() => return Err(error),
                Err(error) => tracing::debug!(%error, "one thread watches several databases"),
            }
        }
        crew.seats += 1;
        let number = crew.seats;
        let member = crew.members.iter_mut().min_by_key(|member| member.seats.len()).expect("there is a thread now");
        member.seats.push(number);
        Ok(Seat { number, todo: member.todo.clone() })
    }

    /// A job that is not done is dropped: there is no database, or a job has panicked.
    pub(super) fn ask(&self, job: Job) {
        let _ = self.todo.send(Todo::Do(self.number, job));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let (waiting, closed) = channel();
        let _ = self.todo.send(Todo::Close(self.number, waiting));
        // Without the last sender a thread ends.
        drop(mem::replace(&mut self.todo, channel().0));
        let ended = crew().leave(self.number);
        let wait = || {
            let _ = closed.recv();
            if ended.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("a thread that watches databases has panicked");
            }
        };
        // What is done about other databases of the thread comes first: the runtime must not stand still for that.
        match Handle::try_current() {
            Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => block_in_place(wait),
            _ => wait(),
        }
    }
}

impl Crew {
    /// Gives the seat up, and with the last one of a thread the thread.
    fn leave(&mut self, number: u64) -> Option<JoinHandle<()>> {
        let at = self.members.iter().position(|member| member.seats.contains(&number))?;
        let seats = &mut self.members[at].seats;
        seats.retain(|seat| *seat != number);
        seats.is_empty().then(|| self.members.swap_remove(at).thread)
    }
}

impl Member {
    fn start() -> io::Result<Member> {
        let (todo, told) = channel();
        let thread = std::thread::Builder::new().name("waloy-observer".into()).spawn(move || work(&told))?;
        Ok(Member { todo, thread, seats: Vec::new() })
    }
}

fn crew() -> MutexGuard<'static, Crew> {
    CREW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a thread does until nobody can tell it anything any more.
fn work(told: &Receiver<Todo>) {
    let mut watches: HashMap<u64, Box<Watch>> = HashMap::new();
    loop {
        let now = Instant::now();
        if watches.values().any(|watch| watch.due() <= now) {
            watches.retain(|_, watch| watch.due() > now + TOGETHER || guarded(|| watch.tick()).is_some());
        }
        let next = watches.values().map(|watch| watch.due()).min();
        let wait = next.map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
        match told.recv_timeout(wait) {
            Ok(Todo::Open(seat, watch)) => drop(watches.insert(seat, watch)),
            Ok(Todo::Do(seat, job)) => {
                if let Some(watch) = watches.get_mut(&seat)
                    && guarded(|| watch.serve(job)).is_none()
                {
                    guarded(|| watches.remove(&seat));
                }
            }
            Ok(Todo::Close(seat, _waiting)) => drop(guarded(|| watches.remove(&seat))),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Nothing if it panicked, which the other databases of the thread are not to suffer from.
fn guarded<R>(job: impl FnOnce() -> R) -> Option<R> {
    let done = catch_unwind(AssertUnwindSafe(job));
    done.inspect_err(|_| tracing::error!("the watch of a database has panicked, and is given up")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads of the crew, and the seats given up are no longer theirs.
    #[test]
    fn a_hundred_databases_share_sixteen_threads_which_end_with_the_last_of_them() {
        let seats: Vec<Seat> = (0..100).map(|_| Seat::empty().unwrap()).collect();
        let ours: Vec<u64> = seats.iter().map(|seat| seat.number).collect();
        let of_ours = |member: &Member| member.seats.iter().filter(|seat| ours.contains(seat)).count();
        {
            let crew = crew();
            assert!(crew.members.len() <= THREADS);
            // Other tests of this process have some, too.
            assert_eq!(crew.members.iter().map(of_ours).sum::<usize>(), 100);
            assert!(crew.members.iter().map(|member| member.seats.len()).max() <= Some(8));
        }
        drop(seats);
        assert_eq!(crew().members.iter().map(of_ours).sum::<usize>(), 0);
    }

    #[test]
    fn what_is_asked_about_no_database_is_not_done() {
        let seat = Seat::empty().unwrap();
        let (reply, answer) = channel();
        seat.ask(Box::new(move |_| reply.send(()).expect("somebody waits")));
        // The thread goes on: it answers that it has closed.
        assert!(answer.recv().is_err());
        drop(seat);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_seat_can_be_given_up_by_a_task() {
        let seat = Seat::empty().unwrap();
        tokio::spawn(async move { drop(seat) }).await.unwrap();
    }
}
