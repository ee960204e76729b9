//! EventBridge Scheduler for the local run: one-time schedules that send to SQS or put events on a bus, over its REST-JSON protocol.
//!
//! What AWS does that this does not:
//! - `rate()`, `cron()`, time zones other than UTC, targets other than the queues of the template and `PutEvents`, schedule groups
//!   that are not in the template, tags, IAM (the target's role is not looked at), and quotas. What is missing is refused
//!   with a ValidationException that says so.
//! - It fires within the minute; here it fires within the second. A flexible window is checked and kept, but the
//!   schedule fires at the window's beginning.
//! - A failing target is tried again after 1 s, then twice as long each time up to a minute, as often and as long as its
//!   RetryPolicy allows; AWS's waits are its own. AWS fires at least once; here a second time comes only of a crash
//!   between the sending and the note of it.
//! - There are no buses and no rules: what is put on one is kept, the newest thousand until the run ends, to be looked at.
//! - A ClientToken is remembered as long as its schedule is there.
//! - A time in the past is accepted and fires at once. AWS does not document what it does.

mod bus;
mod schedule;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::aws::error::AwsError;
use crate::aws::journal::{self, Journal};
use crate::aws::sqs::Sqs;
use crate::clock::Clock;
use bus::Buses;
use schedule::{Schedule, Target, check_name, missing_group, missing_schedule, validation};

/// The group that every account has.
const DEFAULT_GROUP: &str = "default";
const RETRY_FIRST_MS: i64 = 1_000;
const RETRY_MOST_MS: i64 = 60_000;
/// For how long nothing is to be expected when no schedule waits.
const IDLE_MS: i64 = 86_400_000;

type Id = (String, String);

#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    sqs: Sqs,
    buses: Buses,
    groups: BTreeSet<String>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    schedules: BTreeMap<Id, Schedule>,
    /// What waits to be fired, by its time.
    due: BTreeSet<(i64, Id)>,
    journal: Journal,
}

#[derive(Debug, Serialize, Deserialize)]
enum Change<'a> {
    Put(Cow<'a, Schedule>),
    Deleted { group: Cow<'a, str>, name: Cow<'a, str> },
}

impl Scheduler {
    /// `store` is the directory in which the schedules are kept over a restart, as `scheduler.journal`; None keeps
    /// them in memory. Schedules of a group that the template no longer has are dropped, as they would be on AWS.
    pub(crate) fn new(clock: Clock, sqs: Sqs, groups: &[String], store: Option<PathBuf>) -> io::Result<Scheduler> {
        let groups: BTreeSet<String> = groups.iter().cloned().chain([DEFAULT_GROUP.to_owned()]).collect();
        let mut state = State::default();
        if let Some(directory) = store {
            let path = directory.join("scheduler.journal");
            let mut kept: BTreeMap<Id, Schedule> = BTreeMap::new();
            for change in journal::read::<Change<'_>>(&path)? {
                match change {
                    Change::Put(schedule) => {
                        kept.insert(schedule.id(), schedule.into_owned());
                    }
                    Change::Deleted { group, name } => {
                        kept.remove(&(group.into_owned(), name.into_owned()));
                    }
                }
            }
            kept.retain(|(group, _), _| groups.contains(group));
            let changes: Vec<_> = kept.values().map(|schedule| Change::Put(Cow::Borrowed(schedule))).collect();
            state.journal = Journal::create(&path, &changes)?;
            for schedule in kept.into_values() {
                state.file(schedule);
            }
        }
        let state = Mutex::new(state);
        Ok(Scheduler {
            inner: Arc::new(Inner { clock, sqs, buses: Buses::default(), groups, state, changed: Notify::new() }),
        })
    }

    /// One REST-JSON request. `query` is raw, without the `?`.
    pub(crate) async fn call(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> Result<Value, AwsError> {
        let inner = &self.inner;
        let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let name = match path.trim_end_matches('/').strip_prefix("/schedules") {
            Some("") if method == Method::GET => return inner.list(&query),
            Some(name) => name.strip_prefix('/').filter(|name| !name.contains('/')),
            None => None,
        };
        let Some(name) = name else {
            return Err(AwsError::unknown_operation("Scheduler", &format!("{method} {path}")));
        };
        // A name that needs escapes is not a name; it is refused as it stands.
        check_name("name", name)?;
        let group = query.get("groupName").map_or(DEFAULT_GROUP, String::as_str);
        match *method {
            Method::POST => inner.create(name, &parse(body)?),
            Method::PUT => inner.update(name, &parse(body)?),
            Method::GET => inner.get(group, name),
            Method::DELETE => inner.delete(group, name),
            _ => Err(AwsError::unknown_operation("Scheduler", &format!("{method} {path}"))),
        }
    }

    /// Fires what is due, for ever.
    pub(crate) async fn run(self) {
        let inner = &self.inner;
        loop {
            // Before the look, so that what changes between the look and the wait is noticed.
            let mut changed = std::pin::pin!(inner.changed.notified());
            changed.as_mut().enable();
            inner.fire_due().await;
            let next = inner.state().due.first().map(|(at, _)| *at);
            let until = next.unwrap_or_else(|| inner.clock.now_ms().saturating_add(IDLE_MS));
            tokio::select! {
                () = changed => {}
                () = inner.clock.sleep_until(until) => {}
            }
        }
    }

    /// How many schedules wait to be fired.
    pub(crate) fn count(&self) -> usize {
        self.inner.state().due.len()
    }

    /// How many of them should have been fired by now: those that [`Scheduler::run`] has still to reach.
    pub(crate) fn due(&self) -> usize {
        let now = self.inner.clock.now_ms();
        self.inner.state().due.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// The events that were put on buses, oldest first, as a rule would see them, each with its bus.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.inner.buses.events()
    }

    /// Every schedule, as GetSchedule answers.
    pub(crate) fn list(&self) -> Vec<Value> {
        self.inner.state().schedules.values().map(Schedule::answer).collect()
    }
}

fn parse(body: &[u8]) -> Result<Value, AwsError> {
    serde_json::from_slice(body).map_err(|problem| AwsError::new(400, "SerializationException", problem.to_string()))
}

impl State {
    fn file(&mut self, schedule: Schedule) {
        let id = schedule.id();
        self.unfile(&id);
        if let Some(at) = schedule.next_at() {
            self.due.insert((at, id.clone()));
        }
        self.schedules.insert(id, schedule);
    }

    fn unfile(&mut self, id: &Id) -> Option<Schedule> {
        let schedule = self.schedules.remove(id)?;
        if let Some(at) = schedule.next_at() {
            self.due.remove(&(at, id.clone()));
        }
        Some(schedule)
    }

    /// Keeps the schedule, then files it.
    fn put(&mut self, schedule: Schedule) -> Result<(), AwsError> {
        self.journal.append(&[Change::Put(Cow::Borrowed(&schedule))]).map_err(not_kept)?;
        self.file(schedule);
        Ok(())
    }

    fn remove(&mut self, id: &Id) -> Result<Option<Schedule>, AwsError> {
        if !self.schedules.contains_key(id) {
            return Ok(None);
        }
        let (group, name) = id;
        self.journal.append(&[Change::Deleted { group: group.into(), name: name.into() }]).map_err(not_kept)?;
        let removed = self.unfile(id);
        if self.schedules.is_empty() {
            self.journal.forget().map_err(not_kept)?;
        }
        Ok(removed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn not_kept(problem: io::Error) -> AwsError {
    AwsError::internal(format!("the local run could not keep the change: {problem}"))
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, the schedules are still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_group(&self, group: &str) -> Result<(), AwsError> {
        check_name("groupName", group)?;
        if self.groups.contains(group) { Ok(()) } else { Err(missing_group(group)) }
    }

    fn create(&self, name: &str, request: &Value) -> Result<Value, AwsError> {
        let schedule = Schedule::read(name, request, self.clock.now_ms())?;
        self.check_group(&schedule.group)?;
        let mut state = self.state();
        if let Some(known) = state.schedules.get(&schedule.id()) {
            // The same request once more, by a caller that did not hear the answer.
            if known.is_repeated_by(&schedule) {
                return Ok(json!({ "ScheduleArn": known.arn() }));
            }
            let message = format!("Schedule {name} already exists.");
            return Err(AwsError::new(409, "ConflictException", message));
        }
        let arn = schedule.arn();
        state.put(schedule)?;
        drop(state);
        self.changed.notify_waiters();
        Ok(json!({ "ScheduleArn": arn }))
    }

    fn update(&self, name: &str, request: &Value) -> Result<Value, AwsError> {
        let mut schedule = Schedule::read(name, request, self.clock.now_ms())?;
        self.check_group(&schedule.group)?;
        let mut state = self.state();
        let known = state.schedules.get(&schedule.id()).ok_or_else(|| missing_schedule(name))?;
        schedule.created = known.created;
        let arn = schedule.arn();
        state.put(schedule)?;
        drop(state);
        self.changed.notify_waiters();
        Ok(json!({ "ScheduleArn": arn }))
    }

    fn get(&self, group: &str, name: &str) -> Result<Value, AwsError> {
        self.check_group(group)?;
        let state = self.state();
        let id = (group.to_owned(), name.to_owned());
        state.schedules.get(&id).map(Schedule::answer).ok_or_else(|| missing_schedule(name))
    }

    fn delete(&self, group: &str, name: &str) -> Result<Value, AwsError> {
        self.check_group(group)?;
        let removed = self.state().remove(&(group.to_owned(), name.to_owned()))?;
        removed.map(|_| json!({})).ok_or_else(|| missing_schedule(name))
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Result<Value, AwsError> {
        let given = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let most = match given("MaxResults").map(str::parse::<usize>) {
            None => 100,
            Some(Ok(most @ 1..=100)) => most,
            Some(_) => return Err(validation("MaxResults must be from 1 to 100")),
        };
        if let Some(group) = given("ScheduleGroup") {
            self.check_group(group)?;
        }
        let after = match given("NextToken") {
            None => None,
            Some(token) => match token.split_once('/') {
                Some((group, name)) => Some((group.to_owned(), name.to_owned())),
                None => return Err(validation("NextToken is not one that was given")),
            },
        };
        let state = self.state();
        let wanted = |(id, schedule): &(&Id, &Schedule)| {
            given("ScheduleGroup").is_none_or(|group| group == schedule.group)
                && given("NamePrefix").is_none_or(|prefix| schedule.name.starts_with(prefix))
                && given("State").is_none_or(|state| (state == "ENABLED") == schedule.enabled)
                && after.as_ref().is_none_or(|after| *id > after)
        };
        let mut found = state.schedules.iter().filter(wanted).map(|(_, schedule)| schedule);
        let page: Vec<&Schedule> = found.by_ref().take(most).collect();
        let mut answer = json!({ "Schedules": page.iter().map(|schedule| schedule.summary()).collect::<Vec<_>>() });
        if found.next().is_some()
            && let Some(last) = page.last()
        {
            answer["NextToken"] = json!(format!("{}/{}", last.group, last.name));
        }
        Ok(answer)
    }

    /// Sends for every schedule whose time has come.
    async fn fire_due(&self) {
        loop {
            let now = self.clock.now_ms();
            let due = {
                let state = self.state();
                let first = state.due.first().filter(|(at, _)| *at <= now);
                first.and_then(|(_, id)| state.schedules.get(id)).cloned()
            };
            let Some(schedule) = due else { return };
            let sent = match &schedule.target {
                Target::Queue(arn) => {
                    let group = schedule.message_group.as_deref();
                    self.sqs.send_direct(arn, &schedule.input(), group).await.map(drop)
                }
                Target::PutEvents => self.buses.put(&schedule.input(), now),
            };
            if let Err(problem) = self.settle(&schedule, sent.err(), now).await {
                tracing::error!(schedule = schedule.name, %problem, "a schedule could not be kept");
                // The file may be writable again in a while; without a wait this would spin.
                self.clock.sleep_until(now.saturating_add(RETRY_FIRST_MS)).await;
            }
        }
    }

    /// Notes what became of one sending. The schedule may have been changed or deleted meanwhile; then it is left alone.
    async fn settle(&self, fired: &Schedule, problem: Option<AwsError>, now: i64) -> Result<(), AwsError> {
        let mut next = fired.clone();
        if let Some(problem) = &problem {
            next.attempts += 1;
            if next.may_retry(now) {
                let wait =
                    RETRY_FIRST_MS.checked_shl(next.attempts.min(16) - 1).unwrap_or(RETRY_MOST_MS).min(RETRY_MOST_MS);
                tracing::warn!(schedule = fired.name, %problem, wait, "a schedule's target failed; it is tried again");
                next.retry_at = Some(now.saturating_add(wait));
                let mut state = self.state();
                return if state.schedules.get(&fired.id()) == Some(fired) { state.put(next) } else { Ok(()) };
            }
            tracing::error!(schedule = fired.name, %problem, "a schedule's target failed for the last time");
            if let Some(dead) = &fired.dead_letter_arn
                && let Err(problem) = self.sqs.send_direct(dead, &fired.input(), None).await
            {
                tracing::error!(schedule = fired.name, %problem, "its dead-letter queue failed too");
            }
        }
        let mut state = self.state();
        if state.schedules.get(&fired.id()) != Some(fired) {
            return Ok(());
        }
        if fired.delete_after {
            state.remove(&fired.id())?;
            return Ok(());
        }
        next.done = true;
        state.put(next)
    }
}
