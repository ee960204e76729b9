//! Threads for attempts, one for each receiver at a time.
//!
//! A lane is a thread with a runtime and a sender of its own, and so with connections of its own. It serves one receiver for
//! as long as it lives: what a receiver does to a kept connection happens on the thread that only this receiver's attempts
//! wait for. The lane that was not used for longest makes room for a new receiver's.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenday_model::ids::DeveloperId;
use tenday_sender::{Sender, SenderFault, SenderSettings};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

/// Lanes that there are at once: all the receivers of the largest batch, and some.
const LANES: usize = 64;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LaneFault {
    #[error("the attempt did not end at its limit")]
    Stuck,
    #[error("the attempt panicked")]
    Panicked,
    #[error("no thread could be started for the attempt")]
    NoThread,
}

/// The lanes of a process.
pub(crate) struct Lanes {
    settings: SenderSettings,
    lanes: Mutex<Vec<Lane>>,
    freed: Notify,
}

struct Lane {
    receiver: Receiver,
    jobs: mpsc::UnboundedSender<Job>,
    /// Attempts that run on it.
    running: usize,
    /// When it was last taken: a count of all takings.
    taken: u64,
}

type Job = Box<dyn FnOnce(Arc<Sender>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

impl Lanes {
    pub(crate) fn new(settings: SenderSettings) -> Self {
        Self { settings, lanes: Mutex::default(), freed: Notify::new() }
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
        let jobs = self.take(&receiver).await?;
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
        self.release(&receiver, result.as_ref().err());
        result
    }

    async fn take(&self, receiver: &Receiver) -> Result<mpsc::UnboundedSender<Job>, LaneFault> {
        loop {
            // Listening before looking: a lane that is freed between the two is not missed.
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(jobs) = self.look(receiver)? {
                return Ok(jobs);
            }
            freed.await;
        }
    }

    /// The receiver's lane, or a new one; none while all are taken.
    fn look(&self, receiver: &Receiver) -> Result<Option<mpsc::UnboundedSender<Job>>, LaneFault> {
        let mut lanes = self.lanes();
        let taken = lanes.iter().map(|lane| lane.taken).max().unwrap_or(0) + 1;
        if let Some(lane) = lanes.iter_mut().find(|lane| lane.receiver == *receiver) {
            lane.running += 1;
            lane.taken = taken;
            return Ok(Some(lane.jobs.clone()));
        }
        if lanes.len() >= LANES {
            let idle = lanes.iter().enumerate().filter(|(_, lane)| lane.running == 0);
            let Some((oldest, _)) = idle.min_by_key(|(_, lane)| lane.taken) else { return Ok(None) };
            lanes.swap_remove(oldest);
        }
        let (jobs, queue) = mpsc::unbounded_channel();
        let settings = self.settings.clone();
        let thread = std::thread::Builder::new().name("attempts".to_owned()).spawn(move || serve(settings, queue));
        if let Err(error) = thread {
            tracing::error!(%error, "no thread could be started");
            return Err(LaneFault::NoThread);
        }
        lanes.push(Lane { receiver: receiver.clone(), jobs: jobs.clone(), running: 1, taken });
        Ok(Some(jobs))
    }

    fn release(&self, receiver: &Receiver, fault: Option<&LaneFault>) {
        let mut lanes = self.lanes();
        if fault == Some(&LaneFault::Stuck) {
            STUCK.store(true, Ordering::Relaxed);
        }
        match fault {
            // Its thread may never come back, or is not there: nothing is given to it any more.
            Some(LaneFault::Stuck | LaneFault::NoThread) => lanes.retain(|lane| lane.receiver != *receiver),
            Some(LaneFault::Panicked) | None => {
                if let Some(lane) = lanes.iter_mut().find(|lane| lane.receiver == *receiver) {
                    lane.running = lane.running.saturating_sub(1);
                }
            }
        }
        drop(lanes);
        self.freed.notify_waiters();
    }

    /// A panic under the lock leaves lanes that are as good as before.
    fn lanes(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
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
        Receiver { developer: "DEV-a".parse().unwrap(), authority: name.to_owned() }
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
        let thread = |name: &str| lanes.run(receiver(name), |_| async { std::thread::current().id() });
        let first = thread("one").await;
        assert_eq!(thread("one").await, first);
        assert_ne!(thread("two").await, first, "another receiver's attempts are on another thread");
        for number in 0..2 * LANES {
            thread(&format!("other-{number}")).await.unwrap();
            assert_eq!(thread("one").await, first, "used all the time");
        }
        assert_eq!(lanes.lanes().len(), LANES);
        let more = (0..2 * LANES).map(|number| {
            lanes.run(receiver(&format!("more-{number}")), |_| tokio::time::sleep(Duration::from_millis(1)))
        });
        assert!(join_all(more).await.into_iter().all(|done| done.is_ok()), "more than there are lanes wait for one");
    }
}
