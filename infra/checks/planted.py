#!/usr/bin/env python3
"""Plants faults in the rules of delivery, one at a time, and asks whether the simulation finds each.

    python3 infra/checks/planted.py            all of them
    python3 infra/checks/planted.py probes     those whose name has the word

The simulation plays the code that ships, so a fault in a rule must break a promise. Each fault is a text of
shared/model/src and what stands there instead; a copy of the crate is changed, under target/planted. A text that is not
found any more is a failure too: the list follows the code.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "target" / "planted"
SEEDS = "10000"

# name, file below shared/model/src/delivery, text, replacement
FAULTS = [
    (
        "copies are thinned before each was decided about",
        "batch.rs",
        "let is_copy = !ends && !gone_on.insert((developer.clone(), event));",
        "let is_copy = !gone_on.insert((developer.clone(), event)); let _ = ends;",
    ),
    (
        "the newest event is forgotten",
        "health.rs",
        "let (event, at) = known.map_or((event, at), |known| known.max((event, at)));",
        "let _ = known;",
    ),
    (
        "a message is acknowledged before its retry is sent",
        "batch.rs",
        "self.next_attempt(*place, since, event.due().unwrap_or(now));",
        "let _ = since; self.stages[place.0] = Stage::Finished;",
    ),
    (
        "two probes go through an open breaker",
        "batch.rs",
        "Ok(false) => self.unattempted(place, Unattempted::PutOff(next)),",
        "Ok(false) => { let _ = next; self.stages[place.0] = Stage::Ready(None) }",
    ),
    (
        "who is not first to record an attempt goes on all the same",
        "batch.rs",
        "if lost.contains(&event.id) {",
        "if lost.contains(&event.id) && place.0 > 1000 {",
    ),
    (
        "a stray copy sends the next attempt too",
        "decision.rs",
        "if event.automatic == number && event.recorded_by.as_deref() == Some(message_id)",
        "if event.automatic == number && !message_id.is_empty()",
    ),
    (
        "a message that was taken before is attempted with the others",
        "batch.rs",
        "let Some(suspect) = suspects.copied().max_by_key(|place| self.messages[place.0].taken) else { return };",
        "let Some(suspect) = suspects.copied().max_by_key(|place| self.messages[place.0].taken) else { return };\n"
        "        if suspect.0 < 1000 { return; }",
    ),
    (
        "what was put out of a suspect's reach is not deleted first",
        "batch.rs",
        "if !done.is_empty() {\n                done.iter()",
        "if done.len() > 1000 {\n                done.iter()",
    ),
    (
        "a message that is sent anew forgets how often it was taken",
        "batch.rs",
        "let taken = message.taken.saturating_sub(1);",
        "let taken = 0;",
    ),
    (
        "an event that its breaker puts off is acknowledged and not sent again",
        "batch.rs",
        "(Ok(true), Unattempted::PutOff(until)) => self.put_off(place, until, now),",
        "(Ok(true), Unattempted::PutOff(_)) => self.stages[place.0] = Stage::Finished,",
    ),
    (
        "an attempt that got no slot is forgotten",
        "batch.rs",
        "self.again(*place, waits, due, now);\n        }",
        "let _ = (waits, due); self.stages[place.0] = Stage::Finished;\n        }",
    ),
    (
        "an outcome that could not be recorded is acknowledged",
        "batch.rs",
        "let stage = if lost.is_ok() { Stage::Finished } else { Stage::Back };",
        "let stage = Stage::Finished;",
    ),
    (
        "a retry that could not be sent is acknowledged",
        "batch.rs",
        "self.stages[place.0] = if sent.is_ok() { Stage::Finished } else { Stage::Back };",
        "let _ = sent; self.stages[place.0] = Stage::Finished;",
    ),
    (
        "something is recorded over a delivery",
        "recording.rs",
        "stored.is_none_or(|stored| stored.state.takes_attempts() && stored.automatic <= before)",
        "stored.is_none_or(|stored| stored.dropped().is_none() && stored.waiting().is_none() && stored.automatic <= before)",
    ),
    (
        "a recorded attempt is made again",
        "decision.rs",
        "State::Pending { .. } if event.automatic < number => {",
        "State::Pending { .. } if event.automatic <= number => {",
    ),
    (
        "the schedule has one attempt too many",
        "decision.rs",
        "let delay = delays.get(usize::from(number).checked_sub(1)?)?;",
        "let delay = delays.get(usize::from(number).checked_sub(1)?).or(delays.last().filter(|_| usize::from(number) == delays.len() + 1))?;",
    ),
    (
        "a dead letter drops an event that went on without it",
        "dead_letter.rs",
        "Some(event) if !event.state.takes_attempts() || event.automatic > attempt => return None,",
        "Some(event) if !event.state.takes_attempts() && attempt > 1000 => return None,",
    ),
    (
        "a copy of its message puts an event back that somebody fetched",
        "recording.rs",
        "stored.is_none_or(|stored| stored.state.takes_attempts() && stored.automatic <= before)",
        "stored.is_none_or(|stored| stored.dropped().is_none() && stored.status().name() != \"delivered\" && stored.automatic <= before)",
    ),
    (
        "two fetch the same event",
        "pulling.rs",
        "if visible_at != seen || visible_at > now {",
        "if visible_at != seen && seen > now {",
    ),
    (
        "who reports late ends an event twice",
        "pulling.rs",
        "State::Delivered => Reported::AlreadyDelivered,",
        "State::Delivered => Reported::Ends(dropped(event, DropReason::Rejected, now)),",
    ),
    (
        "an event waits for ever, because nobody looks when its day is over",
        "batch.rs",
        "Decision::WaitForPull => self.stages[place.0] = Stage::Sweep,",
        "Decision::WaitForPull => self.unattempted(place, Unattempted::WaitForPull),",
    ),
    (
        "an event that could not be stored to be fetched is acknowledged",
        "batch.rs",
        "(Ok(false) | Err(Failed), _) => self.stages[place.0] = Stage::Back,",
        "(_, Unattempted::WaitForPull) => self.stages[place.0] = Stage::Finished,\n"
        "            (Ok(false) | Err(Failed), _) => self.stages[place.0] = Stage::Back,",
    ),
    (
        "a push that moved its job on and died is not taken again",
        "job.rs",
        "self.status == Status::Running && (step == self.step || self.advanced_by.as_deref() == Some(message_id))",
        "self.status == Status::Running && step == self.step && !message_id.is_empty()",
    ),
    (
        "a job dies of the same event again and again",
        "job.rs",
        "self.page.retain(|other| *other != event);",
        "let _ = event;",
    ),
    (
        "a job that died is careful no longer than its push",
        "job.rs",
        "self.careful |= is_suspect(taken);",
        "self.careful = is_suspect(taken);",
    ),
    (
        "a job attempts again what it attempted before it died",
        "by_hand.rs",
        "let before = |event: &Event| began.and_then(|began| since(event, began));",
        "let before = |event: &Event| began.and_then(|began| since(event, began)).filter(|_| began > Some(Timestamp::MAX));",
    ),
    (
        "a job reads the same page for ever",
        "job.rs",
        "self.cursor = next.or(self.cursor);",
        "self.cursor = self.cursor.or(next);",
    ),
    (
        "a job goes on without what another reattempt has",
        "page.rs",
        "if busy {\n            job.page.extend(self.busy);",
        "if busy && self.on_fault == OnFault::Count && self.running > 1000 {\n            job.page.extend(self.busy);",
    ),
]


def simulate() -> subprocess.CompletedProcess:
    return subprocess.run(
        ["cargo", "test", "--quiet", "--offline", "--package", "tenday-model", "--test", "simulation"],
        cwd=PLACE,
        env={**os.environ, "TENDAY_SEEDS": SEEDS, "CARGO_TARGET_DIR": str(PLACE / "target"), "RUST_BACKTRACE": "0"},
        capture_output=True,
        text=True,
    )


def prepare() -> None:
    for name in ["shared", "Cargo.toml", "Cargo.lock"]:
        old = PLACE / name
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    # With new times: cargo must not take a file of before for the one that the last run planted something in.
    model, ignore = Path("shared") / "model", shutil.ignore_patterns("target")
    shutil.copytree(ROOT / model, PLACE / model, ignore=ignore, copy_function=shutil.copyfile)
    shutil.copy(ROOT / "Cargo.lock", PLACE)
    shutil.copytree(ROOT / ".cargo", PLACE / ".cargo", dirs_exist_ok=True)
    manifest = (ROOT / "Cargo.toml").read_text().splitlines(keepends=True)
    members = ['members = ["shared/model"]\n' if line.startswith("members = ") else line for line in manifest]
    (PLACE / "Cargo.toml").write_text("".join(members))


def main() -> int:
    chosen = [fault for fault in FAULTS if all(word in fault[0] for word in sys.argv[1:])]
    prepare()
    sound = simulate()
    if sound.returncode:
        print(sound.stdout[-2000:] + sound.stderr[-2000:] + "\nwithout a fault, the simulation fails already")
        return 1
    missed = 0
    for name, file, text, instead in chosen:
        path = PLACE / "shared" / "model" / "src" / "delivery" / file
        was = path.read_text()
        if was.count(text) != 1:
            print(f"LOST   {name}: its text stands {was.count(text)} times in {file}")
            missed += 1
            continue
        path.write_text(was.replace(text, instead))
        result = simulate()
        path.write_text(was)
        broken = next((line for line in result.stdout.splitlines() if line.startswith("seed ")), "")
        if "error: could not compile" in result.stderr or "error[" in result.stderr:
            print(f"LOST   {name}: it does not compile\n{result.stderr[-1500:]}")
            missed += 1
        elif result.returncode and broken:
            print(f"found  {name}: {broken[:150]}", flush=True)
        elif result.returncode:
            print(f"found  {name}: the game's tally is wrong", flush=True)
        else:
            print(f"MISSED {name}", flush=True)
            missed += 1
    print(f"{len(chosen) - missed} of {len(chosen)} planted faults were found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
