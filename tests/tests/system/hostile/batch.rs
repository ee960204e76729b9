//! A batch of one hostile developer's event and nine of another developer's, and what becomes of each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tenday_local::{Options, Profile};
use tests::{Caller, Receiver, System};

use crate::kill_points::{HIDDEN, pass};

const HOSTILE: &str = "DEV-local-developer";
const NEIGHBOUR: &str = "DEV-local-other";
/// More receives than a queue grants a message.
pub(super) const MOST_RECEIVES: usize = 8;
const NEIGHBOURS: usize = 9;
/// The longest that one attempt takes. Long enough to tell, on a slow machine too, what was recorded while a hostile attempt
/// still ran from what had to wait for its end.
pub(super) const LIMIT: Duration = Duration::from_secs(3);
/// Seconds, after the end of whatever a test does.
pub(super) const NO_RETRY: u64 = 3600;
/// How much later than without a hostile receiver a neighbour's outcome may be recorded.
const IN_TIME: Duration = Duration::from_millis(1500);
/// By how much an attempt may overrun its limit.
const OVERRUN: Duration = Duration::from_millis(500);

/// A system whose attempts take [`LIMIT`] at most. With `TENDAY_OPTIMISED` set, its functions are built as they are deployed.
pub(super) async fn system(environment: BTreeMap<String, String>) -> System {
    let limit = LIMIT.as_secs().to_string();
    let parameters = [("AttemptTimeoutSeconds", limit.as_str()), ("RequestsPerSecond", "1000")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let profile = if std::env::var_os("TENDAY_OPTIMISED").is_some() { Profile::Release } else { Profile::Dev };
    System::start_with(Options { parameters, environment, profile, ..Options::default() }).await
}

/// Two developers, the neighbour with nine webhooks at an ordinary receiver; and functions that are warm.
pub(super) struct Stage<'a> {
    pub(super) system: &'a System,
    hostile: Caller<'a>,
    platform: Caller<'a>,
    pub(super) receiver: Receiver,
    /// How long after its request a neighbour's outcome is recorded when nobody is hostile.
    calm: Duration,
}

/// Ten events that were published in one request, and so come in one batch.
pub(super) struct Batch {
    pub(super) hostile: String,
    /// The update whose events the neighbours' are.
    update: String,
    pub(super) neighbours: Vec<String>,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Played {
    /// The hostile event's only attempt.
    pub(super) attempt: Value,
    /// How long after the last neighbour's request all of the neighbours' outcomes were recorded.
    recorded_after: Duration,
    /// Whether the hostile attempt still ran then.
    pub(super) still_ran: bool,
    /// The processes of Deliver at that time.
    pub(super) processes: Vec<u32>,
}

impl<'a> Stage<'a> {
    /// `retry`: after how many seconds a failed event is attempted again, once.
    pub(super) async fn set(system: &'a System, retry: u64) -> Self {
        let (hostile, neighbour, platform) = (system.developer(), system.other(), system.platform());
        let receiver = Receiver::start().await;
        let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": [retry] });
        for developer in [&hostile, &neighbour] {
            developer.post("/configuration", configuration.clone()).await.expect(201);
        }
        for _ in 0..NEIGHBOURS {
            let body = json!({ "callbackURL": receiver.url() });
            neighbour.post("/configuration/webhooks", body).await.expect(201);
        }
        let mut stage = Self { system, hostile, platform, receiver, calm: Duration::ZERO };
        stage.compare().await;
        stage
    }

    /// Takes anew how soon outcomes are recorded when nobody is hostile.
    pub(super) async fn compare(&mut self) {
        // Whatever starts, starts now.
        for _ in 0..2 {
            let ordinary = self.webhook(&self.receiver.url()).await;
            let played = self.play().await.unwrap();
            assert_eq!(played.attempt["outcome"], "success");
            self.calm = played.recorded_after;
            self.remove(&ordinary).await;
        }
    }

    /// The hostile developer's webhook, with a health of its own.
    pub(super) async fn webhook(&self, url: &str) -> Value {
        let body = json!({ "callbackURL": url });
        self.hostile.post("/configuration/webhooks", body).await.expect(201)["webhook"].clone()
    }

    pub(super) async fn remove(&self, webhook: &Value) {
        let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
        self.hostile.delete(&path).await.expect(200);
    }

    pub(super) async fn publish(&self) -> Batch {
        let updates = [HOSTILE, NEIGHBOUR].map(|developer| {
            json!({ "developerId": developer, "eventName": "transactions.updated", "data": { "linkId": "a" } })
        });
        let answer = self.platform.post("/updates", json!({ "updates": updates })).await.expect(202);
        let events = |of: usize| {
            let events = answer["updates"][of]["events"].as_array().unwrap();
            events.iter().map(|event| event["eventId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let ([hostile], neighbours) = (events(0).try_into().unwrap(), events(1));
        assert_eq!(neighbours.len(), NEIGHBOURS);
        Batch { hostile, update: answer["updates"][1]["updateId"].as_str().unwrap().to_owned(), neighbours }
    }

    /// [`Self::play`], up to three times until all is in time: this machine may be busy with something else for a moment,
    /// while who has to wait for a hostile attempt waits each time.
    pub(super) async fn play_in_time(&self) -> Result<Played, String> {
        let mut played = self.play().await?;
        for _ in 0..2 {
            if self.late(&played).is_empty() {
                break;
            }
            played = self.play().await?;
        }
        Ok(played)
    }

    /// Publishes a batch, and watches it to its end: each neighbour is sent once. If not, answers what went wrong, when all
    /// that may still come has come.
    pub(super) async fn play(&self) -> Result<Played, String> {
        self.system.run.clear_calls();
        let batch = self.publish().await;
        let published = Instant::now();
        while batch.neighbours.iter().any(|neighbour| self.requests(neighbour) == 0) {
            if published.elapsed() > 4 * LIMIT {
                return Err(self.give_up("the neighbours' requests do not come").await);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let arrived = Instant::now();
        while !self.delivered(&batch).await {
            if arrived.elapsed() > 4 * LIMIT {
                return Err(self.give_up("the neighbours' outcomes are not recorded").await);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let recorded_after = arrived.elapsed();
        let still_ran = self.event(&batch.hostile).await["attemptCount"] == 0;
        let processes = self.system.run.processes().remove("Deliver").unwrap_or_default();
        self.system.settle().await;
        let requests: Vec<_> = batch.neighbours.iter().map(|neighbour| self.requests(neighbour)).collect();
        let invocations = self.system.calls_of("Deliver", "lambda", "Invoke");
        let event = self.event(&batch.hostile).await;
        if requests != [1; NEIGHBOURS] || invocations != 1 || event["attemptCount"] != 1 {
            let story = format!("{invocations} invocations, {requests:?} requests, {event:#}");
            return Err(self.give_up(&story).await);
        }
        Ok(Played { attempt: event["lastAttempt"].clone(), recorded_after, still_ran, processes })
    }

    /// Lets everything that would come again come, so that the next batch meets none of it.
    async fn give_up(&self, why: &str) -> String {
        for _ in 0..MOST_RECEIVES {
            pass(self.system, HIDDEN).await;
        }
        why.to_owned()
    }

    /// Whether each neighbour is recorded as delivered.
    pub(super) async fn delivered(&self, batch: &Batch) -> bool {
        let update = self.platform.get(&format!("/updates/{}", batch.update)).await.expect(200);
        let events = update["events"].as_array().unwrap();
        events.len() == NEIGHBOURS && events.iter().all(|event| event["status"] == "delivered")
    }

    /// The hostile developer's event as its owner sees it.
    pub(super) async fn event(&self, id: &str) -> Value {
        self.hostile.get(&format!("/configuration/events/{id}")).await.expect(200)["event"].clone()
    }

    pub(super) async fn reattempt(&self, id: &str) -> Value {
        self.hostile.post_nothing(&format!("/configuration/webhooks/retrievals/{id}")).await.expect(200)
    }

    /// How many requests an event made at the ordinary receiver.
    pub(super) fn requests(&self, id: &str) -> usize {
        self.receiver.received().iter().filter(|received| received.header("webhook-id") == id).count()
    }

    /// Tells the local run something.
    pub(super) async fn control(&self, method: Method, path: &str, body: &Value) {
        self.system.request(method, &format!("/_local/{path}"), &[], Some(&body.to_string())).await.expect(200);
    }

    /// What a process of Deliver had in memory at most, in KB.
    pub(super) fn memory_kb(&self) -> u64 {
        let processes = self.system.run.processes().remove("Deliver").unwrap_or_default();
        let peaks = processes.iter().map(|process| {
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            peak.trim().trim_end_matches(" kB").parse().unwrap_or(0)
        });
        peaks.max().unwrap_or(0)
    }

    /// No message is left in a queue but the hostile event's next attempt, which waits as a schedule.
    #[track_caller]
    pub(super) fn assert_queues_are_empty(&self, story: &str) {
        let queues = self.system.run.queues();
        let left: usize = queues.values().map(|depth| depth.visible + depth.in_flight + depth.delayed).sum();
        assert_eq!(left, 0, "{story}: {queues:#?}");
    }

    /// What came too late in a batch, and must not whatever its hostile receiver does.
    pub(super) fn late(&self, played: &Played) -> Vec<String> {
        let (waited, allowed) = (played.recorded_after, self.calm + IN_TIME);
        let milliseconds = u128::from(played.attempt["milliseconds"].as_u64().unwrap_or(u64::MAX));
        let wrong = [
            (waited > allowed, format!("the neighbours waited {waited:?} for their outcomes, of {allowed:?}")),
            (milliseconds > (LIMIT + OVERRUN).as_millis(), format!("its attempt took {milliseconds} ms")),
        ];
        wrong.into_iter().filter_map(|(wrong, story)| wrong.then_some(story)).collect()
    }
}
