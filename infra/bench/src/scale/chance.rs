//! Chance that a seed decides, and a histogram of what came of it.

use std::f64::consts::TAU;

/// SplitMix64: small, seeded, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of what comes `mean` times on average come (Poisson; beyond 30 by the normal distribution).
    pub(crate) fn count(&mut self, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        if mean > 30.0 {
            let gauss = (-2.0 * (1.0 - self.share()).ln()).sqrt() * (TAU * self.share()).cos();
            return (mean + mean.sqrt() * gauss).round().max(0.0);
        }
        let (least, mut product, mut count) = ((-mean).exp(), self.share(), 0.0);
        while product > least {
            product *= self.share();
            count += 1.0;
        }
        count
    }
}

/// Milliseconds, each with how many events took that long; within a fortieth of the truth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    weights: Vec<f64>,
    most: f64,
}

const STEPS: f64 = 40.0;

impl Histogram {
    pub(crate) fn add(&mut self, ms: f64, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        let place = ((ms.max(0.0) + 1.0).ln() * STEPS) as usize;
        if self.weights.len() <= place {
            self.weights.resize(place + 1, 0.0);
        }
        self.weights[place] += weight;
        self.most = self.most.max(ms);
    }

    /// The milliseconds that a share of all events did not exceed; 0 of none.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let wanted = self.weights.iter().sum::<f64>() * share;
        let mut seen = 0.0;
        for (place, weight) in self.weights.iter().enumerate() {
            seen += weight;
            if seen >= wanted && seen > 0.0 {
                return (((place as f64 + 0.5) / STEPS).exp() - 1.0).min(self.most);
            }
        }
        0.0
    }

    pub(crate) fn most(&self) -> f64 {
        self.most
    }
}

/// The value below which a share of a standard normal distribution lies (Acklam's approximation, without its tails'
/// refinement: shares from 0.03 to 0.98 are all that is asked for).
pub(crate) fn normal(share: f64) -> f64 {
    let q = share.clamp(0.03, 0.98) - 0.5;
    let r = q * q;
    let above =
        ((((-39.696_830_286_653_8 * r + 220.946_098_424_521) * r - 275.928_510_446_969) * r + 138.357_751_867_269) * r
            - 30.664_798_066_147_2)
            * r
            + 2.506_628_277_459_24;
    let below = ((((-54.476_098_798_224_1 * r + 161.585_836_858_041) * r - 155.698_979_859_887) * r
        + 66.801_311_887_719_7)
        * r
        - 13.280_681_552_885_7)
        * r
        + 1.0;
    above * q / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_as_many_as_their_mean_says() {
        let mut chance = Chance::new(7);
        for mean in [0.3, 5.0, 200.0] {
            let sum: f64 = (0..4000).map(|_| chance.count(mean)).sum();
            assert!((sum / 4000.0 / mean - 1.0).abs() < 0.1, "{mean}");
        }
    }

    #[test]
    fn percentiles_are_near_the_truth() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|ms| histogram.add(f64::from(ms), 1.0));
        assert!((histogram.percentile(0.5) / 500.0 - 1.0).abs() < 0.03);
        assert!((histogram.percentile(0.99) / 990.0 - 1.0).abs() < 0.03);
        assert_eq!(histogram.most(), 1000.0);
        assert!((normal(0.909) - 1.3347).abs() < 1e-3 && normal(0.5).abs() < 1e-9);
    }
}
