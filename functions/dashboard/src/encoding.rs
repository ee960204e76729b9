//! Which form of a file a browser takes: RFC 9110, 12.5.3.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    /// As `content-encoding` has it; what is not encoded has none.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// The form that an `Accept-Encoding` likes best; of several, the smallest. Without one, and where all are refused, the
    /// file as it is, which everybody can read.
    pub(crate) fn choose(accepted: Option<&str>) -> Self {
        let Some(accepted) = accepted else { return Self::Identity };
        let weights = [Self::Identity, Self::Gzip, Self::Brotli].map(|form| (form.weight(accepted), form));
        // The last of the greatest.
        weights
            .into_iter()
            .max_by_key(|(weight, _)| *weight)
            .filter(|(weight, _)| *weight > 0)
            .map_or(Self::Identity, |best| best.1)
    }

    /// From 0, refused, to 1000.
    fn weight(self, accepted: &str) -> u16 {
        let mut any = None;
        for entry in accepted.split(',') {
            let mut parts = entry.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let weight = quality(parts.next());
            if name.eq_ignore_ascii_case(self.name().unwrap_or("identity"))
                || self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip")
            {
                return weight;
            }
            if name == "*" {
                any = Some(weight);
            }
        }
        match self {
            // Good enough as long as nobody refuses it, and behind whatever is asked for.
            Self::Identity => any.unwrap_or(1),
            _ => any.unwrap_or(0),
        }
    }
}

/// Thousandths of `q=…`; what is none is refused.
fn quality(parameter: Option<&str>) -> u16 {
    let Some(parameter) = parameter else { return 1000 };
    let value = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let value = value.and_then(|(_, value)| value.trim().parse::<f32>().ok());
    // In range, so nothing is lost but the fraction.
    value.filter(|value| (0.0..=1.0).contains(value)).map_or(0, |value| (value * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_smallest_form_that_it_takes() {
        use Encoding::{Brotli, Gzip, Identity};
        for (accepted, chosen) in [
            (Some("gzip, deflate, br, zstd"), Brotli),
            (Some("gzip, deflate"), Gzip),
            (Some("GZIP"), Gzip),
            (Some("x-gzip"), Gzip),
            (Some("br;q=0.5, gzip;q=0.8"), Gzip),
            (Some("br;q=0.8,gzip;q=0.8"), Brotli),
            (Some("br; q=0, *"), Gzip),
            (Some("*"), Brotli),
            (Some("*;q=0"), Identity),
            (Some("gzip;q=0.5, identity"), Identity),
            (Some("identity;q=0, gzip;q=0.001"), Gzip),
            (Some("br;q=2, gzip;q=x, zstd"), Identity),
            (Some("identity;q=0"), Identity),
            (Some(""), Identity),
            (None, Identity),
        ] {
            assert_eq!(Encoding::choose(accepted), chosen, "{accepted:?}");
        }
    }
}
