//! The developers: how large each is, and how many different ones a batch meets.

/// So many of the largest are looked at one by one; all others with those of about their size.
pub(crate) const HEADS: usize = 64;
/// From one group's first rank to the next one's.
const STEP: f64 = 1.3;

/// Developers of about one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) count: f64,
    /// The share of all events that each of them has.
    pub(crate) share: f64,
}

/// All developers, the largest first (Zipf).
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    groups: Vec<Group>,
    sum: f64,
    zipf: f64,
    /// Different developers in a batch of 0, 1, 2, … messages.
    met: Vec<f64>,
}

impl Crowd {
    /// `most` is the largest batch that is asked for.
    pub(crate) fn new(developers: usize, zipf: f64, most: usize) -> Self {
        let developers = developers.max(1);
        let weight = |rank: usize| (rank as f64).powf(-zipf);
        let sum: f64 = (1..=developers).map(weight).sum();
        let mut groups: Vec<Group> =
            (1..=developers.min(HEADS)).map(|rank| Group { count: 1.0, share: weight(rank) / sum }).collect();
        let mut from = HEADS + 1;
        while from <= developers {
            let to = ((from as f64 * STEP) as usize).clamp(from, developers);
            let all: f64 = (from..=to).map(weight).sum();
            let count = (to - from + 1) as f64;
            groups.push(Group { count, share: all / sum / count });
            from = to + 1;
        }
        let met = (0..=most).map(|batch| different(&groups, batch as f64)).collect();
        Self { groups, sum, zipf, met }
    }

    /// The share of all events that the developer of this rank, from 1, has.
    pub(crate) fn share(&self, rank: usize) -> f64 {
        (rank.max(1) as f64).powf(-self.zipf) / self.sum
    }

    /// The largest, one by one.
    pub(crate) fn heads(&self) -> &[Group] {
        self.groups.get(..self.groups.len().min(HEADS)).unwrap_or_default()
    }

    /// How many different developers a batch of so many messages meets, on average.
    pub(crate) fn met(&self, batch: f64) -> f64 {
        let low = batch.max(0.0).floor();
        let at = |place: f64| self.met.get(place as usize).or(self.met.last()).copied().unwrap_or(0.0);
        at(low) + (at(low + 1.0) - at(low)) * (batch - low).max(0.0)
    }
}

fn different(groups: &[Group], batch: f64) -> f64 {
    groups.iter().map(|group| group.count * (1.0 - (1.0 - group.share).powf(batch))).sum()
}

/// The day's curve: the rate at each second as times the mean, highest at noon (a von Mises bell).
pub(crate) fn curve(peak: f64, seconds: usize) -> Vec<f64> {
    let at = |sharp: f64, second: usize| {
        let angle = (second as f64 / seconds as f64 - 0.5) * std::f64::consts::TAU;
        (sharp * (angle.cos() - 1.0)).exp()
    };
    let mean = |sharp: f64| {
        let steps = (0..seconds).step_by((seconds / 1440).max(1));
        let count = steps.clone().count() as f64;
        steps.map(|second| at(sharp, second)).sum::<f64>() / count
    };
    // The sharper the bell, the higher its top is above its mean.
    let (mut low, mut high) = (0.0, 700.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if 1.0 / mean(middle) < peak { low = middle } else { high = middle }
    }
    let mean = mean(low);
    (0..seconds).map(|second| at(low, second) / mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_the_first_has_the_most() {
        for developers in [1, 10, 64, 65, 1000, 100_000] {
            let crowd = Crowd::new(developers, 1.0, 50);
            let all: f64 = crowd.groups.iter().map(|group| group.count * group.share).sum();
            let count: f64 = crowd.groups.iter().map(|group| group.count).sum();
            assert!((all - 1.0).abs() < 1e-9 && (count - developers as f64).abs() < 1e-9);
            assert!(crowd.groups.windows(2).all(|pair| pair[0].share >= pair[1].share));
        }
    }

    #[test]
    fn a_batch_meets_no_more_developers_than_it_has_messages() {
        let crowd = Crowd::new(100_000, 1.0, 50);
        assert!((crowd.met(1.0) - 1.0).abs() < 1e-9);
        assert!(crowd.met(10.0) > 8.0 && crowd.met(10.0) < 10.0);
        assert!((Crowd::new(1, 1.0, 50).met(10.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_curve_has_its_mean_and_its_peak() {
        for peak in [1.0, 2.0, 3.0, 8.0] {
            let curve = curve(peak, 86_400);
            let mean = curve.iter().sum::<f64>() / 86_400.0;
            let top = curve.iter().copied().fold(0.0, f64::max);
            assert!((mean - 1.0).abs() < 0.01 && (top / peak - 1.0).abs() < 0.02, "{peak}: {mean} {top}");
        }
    }
}
