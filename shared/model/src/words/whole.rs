//! Whole numbers as JSON has them: `60` and `60.0` are the same number, and a JSON Schema's `integer` takes both.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Beyond this a float no longer tells which whole number is meant.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
                let fits = i64::try_from(number).map(Whole);
                fits.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
                if number.fract() != 0.0 || number.abs() >= MOST_EXACT {
                    return Err(E::invalid_value(Unexpected::Float(number), &self));
                }
                Ok(Whole(number as i64))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_and_a_nought_change_nothing() {
        let read = |text: &str| serde_json::from_str::<Whole>(text).ok().map(|whole| whole.0);
        for (text, number) in [("60", 60), ("60.0", 60), ("6e1", 60), ("-0.0", 0), ("-7", -7), ("0", 0)] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in ["1.5", "1e300", "9007199254740992.0", "18446744073709551615", "\"1\"", "null", "true", "[1]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
