//! Threads for attempts. Up to sixteen lanes a developer: each receiver has its own until then.
//!
//! A lane is a thread with a runtime and a sender of its own, and so with connections of its own. A lane serves the receiver
//! that it was made for as long as it lives: what a receiver does to a kept connection happens on a thread that no other
//! developer's attempts wait for. Receivers of a developer beyond the sixteen lanes share them, so nobody can use up what
//! others need. The lane that was not used for longest makes room for a new one.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenday_model::ids::DeveloperId;
use tenday_sender::{Sender, SenderFault, SenderSettings};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Lanes that are kept: all the receivers of the largest batch, and some. There are more only while all are in use.
const LANES: usize = 64;

/// Lanes of one developer. Its receivers beyond these share them: threads are bounded by how many developers there are, and
/// by no developer's choice.
const OF_ONE_DEVELOPER: usize = 16;

/// How much later than its limit an attempt's end may be heard of.
const GRACE: Duration = Duration::from_millis(300);

/// Whether a thread of this process is stuck. Only its end would free what the thread holds.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Ends the process if it is not fit for another invocation. For after the answer to the present one; Lambda starts
/// another process for the next.
pub fn end_if_stuck((): ()) {
    if STUCK.load(Ordering::Relaxed) {
        std::process::exit(1);
    }
}

/// Whose attempts share a lane: those of one developer to one host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receiver {
    pub(crate) developer: DeveloperId,
    pub(crate) authority: String,
}

/// Why an attempt did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneFault {
    /// It did not end at its limit.
    Stuck,
    Panicked,
    /// None could be started for it.
    NoThread,
}

/// The lanes of a process.
pub(crate) struct Lanes {
    settings: SenderSettings,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lanes: Vec<Lane>,
    /// How often any lane was taken.
    takings: u64,
}

struct Lane {
    /// The taking that it was made at.
    id: u64,
    /// The receiver that it was made for.
    receiver: Receiver,
    jobs: mpsc::UnboundedSender<Job>,
    /// Attempts that run on it.
    running: usize,
    /// The taking at which it was last taken.
    taken: u64,
}

type Job = Box<dyn FnOnce(Arc<Sender>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

impl Lanes {
    pub(crate) fn new(settings: SenderSettings) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// The longest that one attempt may take.
    pub(crate) fn limit(&self) -> Duration {
        self.settings.timeout
    }

    /// Reads what every lane's TLS connections trust: here once, not on each lane, and not in an attempt's time.
    pub(crate) fn prepare(&self) -> Result<(), SenderFault> {
        self.settings.tls.read()
    }

    /// Makes an attempt on the receiver's lane.
    ///
    /// # Errors
    /// [`LaneFault`], within a moment of the limit whatever the attempt does.
    pub(crate) async fn run<T, F>(
        &self,
        receiver: Receiver,
        attempt: impl FnOnce(Arc<Sender>) -> F + Send + 'static,
    ) -> Result<T, LaneFault>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (lane, jobs) = self.take(receiver)?;
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |sender| {
            Box::pin(async move {
                // Nobody listens any more to what comes too late.
                let _ = tell.send(attempt(sender).await);
            })
        });
        let result = match jobs.send(job) {
            Err(_) => Err(LaneFault::NoThread),
            Ok(()) => match timeout(self.limit() + GRACE, told).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(_)) => Err(LaneFault::Panicked),
                Err(_) => Err(LaneFault::Stuck),
            },
        };
        self.release(lane, result.as_ref().err());
        result
    }

    /// The receiver's lane, or another of its developer's, or a new one.
    fn take(&self, receiver: Receiver) -> Result<(u64, mpsc::UnboundedSender<Job>), LaneFault> {
        let mut kept = self.kept();
        kept.takings += 1;
        let (taken, lanes) = (kept.takings, &mut kept.lanes);
        let own = lanes.iter().filter(|lane| lane.receiver.developer == receiver.developer).count();
        let lane = match lanes.iter().position(|lane| lane.receiver == receiver) {
            Some(lane) => Some(lane),
            None if own < OF_ONE_DEVELOPER => None,
            None => {
                let own = lanes.iter().enumerate().filter(|(_, lane)| lane.receiver.developer == receiver.developer);
                own.min_by_key(|(_, lane)| (lane.running, lane.taken)).map(|(index, _)| index)
            }
        };
        if let Some(lane) = lane.and_then(|index| lanes.get_mut(index)) {
            lane.running += 1;
            lane.taken = taken;
            return Ok((lane.id, lane.jobs.clone()));
        }
        while lanes.len() >= LANES {
            let idle = lanes.iter().enumerate().filter(|(_, lane)| lane.running == 0);
            let Some((oldest, _)) = idle.min_by_key(|(_, lane)| lane.taken) else { break };
            lanes.swap_remove(oldest);
        }
        let (jobs, queue) = mpsc::unbounded_channel();
        let settings = self.settings.clone();
        let thread = std::thread::Builder::new().name("attempts".to_owned()).spawn(move || serve(settings, queue));
        if let Err(error) = thread {
            tracing::error!(%error, "no thread could be started");
            return Err(LaneFault::NoThread);
        }
        lanes.push(Lane { id: taken, receiver, jobs: jobs.clone(), running: 1, taken });
        Ok((taken, jobs))
    }

    fn release(&self, id: u64, fault: Option<&LaneFault>) {
        let lanes = &mut self.kept().lanes;
        if fault == Some(&LaneFault::Stuck) {
            STUCK.store(true, Ordering::Relaxed);
        }
        match fault {
            // Its thread may never come back, or is not there: nothing is given to it any more.
            Some(LaneFault::Stuck | LaneFault::NoThread) => lanes.retain(|lane| lane.id != id),
            Some(LaneFault::Panicked) | None => {
                if let Some(lane) = lanes.iter_mut().find(|lane| lane.id == id) {
                    lane.running = lane.running.saturating_sub(1);
                }
            }
        }
    }

    /// A panic under the lock leaves lanes that are as good as before.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane's thread: each attempt in a task of its own, so that a panic ends one and not all of them.
fn serve(settings: SenderSettings, mut queue: mpsc::UnboundedReceiver<Job>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime could be started");
            return;
        }
    };
    let sender = Arc::new(Sender::new(settings));
    runtime.block_on(async {
        while let Some(job) = queue.recv().await {
            tokio::spawn(job(Arc::clone(&sender)));
        }
    });
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tenday_model::destination::address::AddressPolicy;

    use super::*;

    fn lanes(limit: Duration) -> Lanes {
        let mut settings = SenderSettings::new(AddressPolicy::Local, Vec::new());
        settings.timeout = limit;
        Lanes::new(settings)
    }

    fn receiver(name: &str) -> Receiver {
        receiver_of("DEV-a", name)
    }

    fn receiver_of(developer: &str, name: &str) -> Receiver {
        Receiver { developer: developer.parse().unwrap(), authority: name.to_owned() }
    }

    #[tokio::test]
    async fn an_attempt_that_spins_or_blocks_or_panics_ends_at_its_limit_and_the_others_do_not_wait_for_it() {
        let limit = Duration::from_secs(2);
        let lanes = lanes(limit);
        let spin = lanes.run(receiver("spins"), |_| async {
            loop {
                std::hint::spin_loop();
            }
            #[allow(unreachable_code)]
            ()
        });
        let block = lanes.run(receiver("blocks"), |_| async { std::thread::sleep(Duration::from_secs(3600)) });
        let panic = lanes.run(receiver("panics"), |_| async { panic!("as planned") });
        let began = std::time::Instant::now();
        let others = async {
            let numbers = 0..10;
            let runs =
                numbers.map(|number| lanes.run(receiver(&format!("good-{number}")), move |_| async move { number }));
            (join_all(runs).await, began.elapsed())
        };
        let (spin, block, panic, (others, took)) = futures::join!(spin, block, panic, others);
        assert_eq!((spin, block, panic), (Err(LaneFault::Stuck), Err(LaneFault::Stuck), Err(LaneFault::Panicked)));
        assert_eq!(others, (0..10).map(Ok).collect::<Vec<_>>());
        assert!(took < limit, "the others took {took:?}");
        assert!(began.elapsed() < limit + Duration::from_secs(1), "they took {:?}", began.elapsed());
        assert!(STUCK.load(Ordering::Relaxed), "the process is not fit for another invocation");
    }

    #[tokio::test]
    async fn a_receiver_has_one_thread_for_as_long_as_there_is_room() {
        let lanes = lanes(Duration::from_secs(5));
        let thread = |name: &str| {
            lanes.run(receiver_of(&format!("DEV-{name}"), name), |_| async { std::thread::current().id() })
        };
        let first = thread("one").await;
        assert_eq!(thread("one").await, first);
        assert_ne!(thread("two").await, first, "another receiver's attempts are on another thread");
        for number in 0..2 * LANES {
            thread(&format!("other-{number}")).await.unwrap();
            assert_eq!(thread("one").await, first, "used all the time");
        }
        assert_eq!(lanes.kept().lanes.len(), LANES);
        let more = (0..2 * LANES).map(|number| {
            lanes.run(receiver_of(&format!("DEV-{number}"), "more"), |_| tokio::time::sleep(Duration::from_millis(1)))
        });
        assert!(join_all(more).await.into_iter().all(|done| done.is_ok()), "more than are kept have one all the same");
    }

    #[tokio::test]
    async fn a_developer_whose_receivers_all_hang_keeps_nobody_else_waiting() {
        let lanes = lanes(Duration::from_secs(20));
        let name = |number: usize| receiver(&format!("hangs-{number}"));
        let hung = (0..2 * LANES).map(|number| lanes.run(name(number), |_| std::future::pending::<()>()));
        let mut hung = Box::pin(join_all(hung));
        assert!(futures::poll!(hung.as_mut()).is_pending());
        let other = lanes.run(receiver_of("DEV-b", "answers"), |_| async { "answered" });
        assert_eq!(timeout(Duration::from_secs(10), other).await, Ok(Ok("answered")));
        let own = lanes.run(receiver("answers"), |_| async { "answered" });
        assert_eq!(timeout(Duration::from_secs(10), own).await, Ok(Ok("answered")), "nor its other receivers");
    }
}
