//! Which limit comes first, at which size, and what is left when everything that can be turned is.

use crate::scale::limits::{Limit, Raised, Values};
use crate::scale::setting::Setting;

/// What is allowed beyond what is asked for, once it is raised.
const ROOM: f64 = 1.25;

/// When a limit is met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reached {
    pub(crate) limit: Limit,
    pub(crate) allowed: f64,
    /// Events a day.
    pub(crate) at: f64,
    /// Whether that is between two sizes that were played; else it is reckoned from the nearest, in proportion.
    pub(crate) between: bool,
}

/// When each limit is met, the first one first. `asked` is what days of growing size ask for; each with its events.
pub(crate) fn reached(allowed: &Values, asked: &[(f64, Values)]) -> Vec<Reached> {
    let mut all: Vec<Reached> = Limit::ALL.iter().filter_map(|limit| one(*limit, allowed, asked)).collect();
    all.sort_by(|a, b| a.at.total_cmp(&b.at));
    all
}

fn one(limit: Limit, allowed: &Values, asked: &[(f64, Values)]) -> Option<Reached> {
    let most = allowed.get(limit);
    let points: Vec<(f64, f64)> = asked.iter().map(|(events, values)| (*events, values.get(limit))).collect();
    let beyond = points.iter().position(|(_, asked)| *asked > most);
    let (at, between) = match beyond {
        Some(place) if place > 0 => {
            let ((less, below), (more, above)) = (points[place - 1], points[place]);
            // Straight on a paper with logarithms on both sides.
            let part = if below > 0.0 { (most / below).ln() / (above / below).ln() } else { 1.0 };
            ((less.ln() + (more / less).ln() * part).exp(), true)
        }
        Some(_) => (points[0].0 * most / points[0].1, false),
        None => {
            // What does not grow is never met.
            if let [.., (few, less), (many, more)] = points.as_slice()
                && more / less < 1.0 + 0.2 * (many / few).ln()
            {
                return None;
            }
            let (events, asked) = points.last().copied().filter(|(_, asked)| *asked > 0.0)?;
            (events * most / asked, false)
        }
    };
    at.is_finite().then_some(Reached { limit, allowed: most, at, between })
}

/// A limit that was raised, or could not be raised far enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turned {
    pub(crate) limit: Limit,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) asked: f64,
}

impl Turned {
    /// Whether it is enough.
    pub(crate) fn suffices(&self) -> bool {
        self.to >= self.asked
    }
}

/// The setting with each limit as far up as a day asks for and as somebody raises it; and what was turned, or would have
/// to be and cannot.
pub(crate) fn raised(setting: &Setting, asked: &Values) -> (Setting, Vec<Turned>) {
    let mut raised = setting.clone();
    let mut turned = Vec::new();
    for limit in Limit::ALL {
        let (from, asked) = (setting.limits.get(limit), asked.get(limit));
        if asked <= from {
            continue;
        }
        let wanted = round_up(asked * ROOM);
        let to = match limit.raised() {
            Raised::By(_, most) => wanted.min(most).max(from),
            Raised::OnRequest | Raised::Ahead => wanted,
            Raised::Never => from,
        };
        raised.limits.set(limit, to);
        if limit == Limit::ApiStage {
            raised.api_burst = raised.api_burst.max(2.0 * to);
        }
        turned.push(Turned { limit, from, to, asked });
    }
    // Requests go by sandboxes, so that these have to be as many.
    let sandboxes = raised.limits.get(Limit::LambdaRequests) * setting.limits.get(Limit::Concurrency)
        / setting.limits.get(Limit::LambdaRequests);
    if sandboxes > raised.limits.get(Limit::Concurrency) {
        raised.limits.set(Limit::Concurrency, sandboxes);
        turned.retain(|turned| turned.limit != Limit::Concurrency);
        let (from, asked) = (setting.limits.get(Limit::Concurrency), asked.get(Limit::Concurrency));
        turned.push(Turned { limit: Limit::Concurrency, from, to: sandboxes, asked });
    }
    turned.retain(|turned| turned.limit != Limit::LambdaRequests);
    // One parameter is behind both.
    let both = raised.limits.get(Limit::FirstAttempts).max(raised.limits.get(Limit::Retries));
    [Limit::FirstAttempts, Limit::Retries].into_iter().for_each(|limit| raised.limits.set(limit, both));
    if turned.iter().any(|turned| turned.limit == Limit::FirstAttempts && turned.to >= both) {
        turned.retain(|turned| turned.limit != Limit::Retries);
    }
    (raised, turned)
}

/// To two digits.
fn round_up(number: f64) -> f64 {
    let step = 10_f64.powf((number.max(1.0).log10().floor() - 1.0).max(-1.0));
    (number / step).ceil() * step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(limit: Limit, points: &[(f64, f64)]) -> Vec<(f64, Values)> {
        let point = |(events, asked): &(f64, f64)| {
            let mut values = Values::all(0.0);
            values.set(limit, *asked);
            (*events, values)
        };
        points.iter().map(point).collect()
    }

    #[test]
    fn a_limit_is_met_between_the_size_that_fits_and_the_one_that_does_not() {
        let mut allowed = Values::all(f64::INFINITY);
        allowed.set(Limit::ApiStage, 1000.0);
        let found = reached(&allowed, &asked(Limit::ApiStage, &[(1e6, 100.0), (1e8, 10_000.0)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].between && (found[0].at / 1e7 - 1.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn beyond_what_was_played_it_is_reckoned_in_proportion() {
        let mut allowed = Values::all(f64::INFINITY);
        allowed.set(Limit::ApiStage, 1000.0);
        let below = reached(&allowed, &asked(Limit::ApiStage, &[(1e6, 100.0)]));
        let above = reached(&allowed, &asked(Limit::ApiStage, &[(1e6, 4000.0)]));
        assert!((below[0].at - 1e7).abs() < 1.0 && !below[0].between);
        assert!((above[0].at - 2.5e5).abs() < 1.0);
    }

    #[test]
    fn figures_are_rounded_up_to_two_digits() {
        assert_eq!([round_up(1.0), round_up(1234.0), round_up(99.1)], [1.0, 1300.0, 100.0]);
    }
}
