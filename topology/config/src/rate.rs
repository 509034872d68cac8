//! What a link carries: bytes per second, or no limit.

use std::fmt;
use std::str::FromStr;

/// A rate in bytes per second. [`Rate::UNLIMITED`] is greater than every other rate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Rate(u64);

/// The units of the file, largest first, with their bits per second.
const UNITS: [(&str, u64); 3] = [
    ("Gbit/s", 1_000_000_000),
    ("Mbit/s", 1_000_000),
    ("kbit/s", 1_000),
];

/// The unit of a rate that is too small for the others; understood, never shown.
const BITS: (&str, u64) = ("bit/s", 1);

/// The highest rate the file may state: a terabit per second, above which only `unlimited` makes sense.
const MAX_BITS: f64 = 1e12;

impl Rate {
    /// No limit.
    pub const UNLIMITED: Rate = Rate(u64::MAX);
    /// Nothing at all: a paused link.
    pub const ZERO: Rate = Rate(0);

    /// Of bits per second, as networks are rated; the eighth part in bytes, rounded down.
    pub const fn from_bits_per_second(bits: u64) -> Rate {
        Rate(bits / 8)
    }

    /// Of bytes per second. `u64::MAX` is [`Rate::UNLIMITED`].
    pub const fn from_bytes_per_second(bytes: u64) -> Rate {
        Rate(bytes)
    }

    /// Bytes per second; `None` is unlimited.
    pub const fn bytes_per_second(self) -> Option<u64> {
        if self.0 == u64::MAX { None } else { Some(self.0) }
    }

    /// Whether there is no limit.
    pub const fn is_unlimited(self) -> bool {
        self.0 == u64::MAX
    }

    /// Bytes per second as a number to calculate with; unlimited is infinite.
    pub fn as_f64(self) -> f64 {
        if self.is_unlimited() {
            f64::INFINITY
        } else {
            self.0 as f64
        }
    }

    /// The other way; what is not a number of bytes (negative, NaN) is zero.
    pub fn of_f64(bytes: f64) -> Rate {
        // `as` saturates: infinity becomes u64::MAX, which is unlimited
        Rate(bytes as u64)
    }

    /// The sum; unlimited swallows everything.
    pub fn saturating_add(self, other: Rate) -> Rate {
        Rate(self.0.saturating_add(other.0))
    }

    /// What is left of this rate when `other` is taken: unlimited stays unlimited, never below zero.
    pub fn saturating_sub(self, other: Rate) -> Rate {
        if self.is_unlimited() {
            self
        } else {
            Rate(self.0.saturating_sub(other.0))
        }
    }

    /// `numerator / denominator` of it, rounded down; unlimited stays so.
    pub fn scaled(self, numerator: u64, denominator: u64) -> Rate {
        let scaled = u128::from(self.0) * u128::from(numerator) / u128::from(denominator.max(1));
        if self.is_unlimited() {
            self
        } else {
            Rate(u64::try_from(scaled).unwrap_or(u64::MAX))
        }
    }

    /// One of `flows` equal parts; of no flows, all of it.
    pub fn share(self, flows: u32) -> Rate {
        if self.is_unlimited() {
            self
        } else {
            Rate(self.0 / u64::from(flows.max(1)))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.bytes_per_second() else {
            return f.write_str("unlimited");
        };
        let bits = bytes.saturating_mul(8);
        let (unit, size) = UNITS.into_iter().find(|(_, size)| bits >= *size).unwrap_or(("kbit/s", 1_000));
        // three decimals at most, and none that are zero: "10 Mbit/s", "2.5 Mbit/s"
        let text = format!("{:.3}", bits as f64 / size as f64);
        write!(f, "{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Why a text is no rate, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{problem}; {help}")]
pub struct RateError {
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub help: String,
}

const ACCEPTED: &str = "write a number and kbit/s, Mbit/s or Gbit/s, as in `10 Mbit/s`, or `unlimited`";

impl FromStr for Rate {
    type Err = RateError;

    /// `10 Mbit/s`, `2.5Gbit/s`, `unlimited`, `0`.
    fn from_str(text: &str) -> Result<Rate, RateError> {
        let text = text.trim();
        if text == "unlimited" {
            return Ok(Rate::UNLIMITED);
        }
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = (&text[..split], text[split..].trim());
        let Ok(number) = number.parse::<f64>() else {
            let is_near = |text: &str| {
                // of a longer text it would take time, and be in vain
                text.len() < 32 && strsim::damerau_levenshtein(&text.to_lowercase(), "unlimited") <= 3
            };
            let help = match is_near(text)
                || ["none", "no", "infinite", "max"].contains(&text.to_lowercase().as_str())
            {
                true => "did you mean `unlimited`?".to_owned(),
                false => ACCEPTED.to_owned(),
            };
            return Err(RateError {
                problem: format!("`{text}` is no rate"),
                help,
            });
        };
        let problem = match (unit, UNITS.iter().chain([&BITS]).find(|(name, _)| *name == unit)) {
            (_, Some((_, size))) => {
                let bits = number * *size as f64;
                if bits > MAX_BITS {
                    return Err(RateError {
                        problem: format!("`{text}` is more than 1000 Gbit/s"),
                        help: "write `unlimited` for a link that is no bottleneck".to_owned(),
                    });
                }
                return match Rate((bits / 8.0).round() as u64) {
                    Rate::ZERO if number > 0.0 => Err(RateError {
                        problem: format!("`{text}` is less than a byte per second"),
                        help: ACCEPTED.to_owned(),
                    }),
                    rate => Ok(rate),
                };
            }
            ("", None) if number == 0.0 => return Ok(Rate::ZERO),
            ("", None) => format!("`{text}` has no unit"),
            (_, None) => format!("`{unit}` is no unit of a rate"),
        };
        let help = match meant(number, unit) {
            Some(rate) => format!("did you mean `{rate}`?"),
            None => ACCEPTED.to_owned(),
        };
        Err(RateError { problem, help })
    }
}

/// The rate that is meant where the unit is written in another way: `mbps`, `MB/s`, `Mbit`, `MiB/s`, `m`.
fn meant(number: f64, unit: &str) -> Option<Rate> {
    let spelled: String = unit.chars().filter(|c| !c.is_whitespace()).collect();
    let mut letters = spelled.chars();
    let first = letters.next()?;
    let (scale, rest) = match first.to_ascii_lowercase() {
        'k' => (1e3, letters.as_str()),
        'm' => (1e6, letters.as_str()),
        'g' => (1e9, letters.as_str()),
        'b' => (1.0, spelled.as_str()),
        _ => return None,
    };
    let rest = rest.strip_prefix('i').filter(|rest| !rest.starts_with('t')).unwrap_or(rest);
    // a capital B is bytes, as in MB/s; a small one bits, as in Mb/s and mbps
    let bits = match rest {
        "B/s" | "B" | "Bps" | "byte/s" | "bytes/s" | "Byte/s" | "Bytes/s" => 8.0,
        _ => match rest.to_ascii_lowercase().as_str() {
            "" | "b" | "bps" | "b/s" | "bit" | "bits" | "bit/s" | "bits/s" | "bitps" => 1.0,
            _ => return None,
        },
    };
    let bytes = number * scale * bits / 8.0;
    (bytes >= 125.0 && bytes * 8.0 <= MAX_BITS).then(|| Rate(bytes.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn help(text: &str) -> String {
        text.parse::<Rate>().unwrap_err().help
    }

    #[test]
    fn the_units_of_the_file_are_bits() {
        assert_eq!("10 Mbit/s".parse(), Ok(Rate::from_bits_per_second(10_000_000)));
        assert_eq!("2.5Gbit/s".parse(), Ok(Rate::from_bits_per_second(2_500_000_000)));
        assert_eq!("64 kbit/s".parse(), Ok(Rate::from_bits_per_second(64_000)));
        assert_eq!("8000 bit/s".parse(), Ok(Rate::from_bits_per_second(8_000)));
        assert_eq!("unlimited".parse(), Ok(Rate::UNLIMITED));
        assert_eq!("0".parse(), Ok(Rate::ZERO));
    }

    #[test]
    fn other_spellings_are_refused_with_what_was_meant() {
        assert_eq!(help("10 mbps"), "did you mean `10 Mbit/s`?");
        assert_eq!(help("10MB/s"), "did you mean `80 Mbit/s`?");
        assert_eq!(help("1 Gb/s"), "did you mean `1 Gbit/s`?");
        assert_eq!(help("512 Kbit/s"), "did you mean `512 kbit/s`?");
        assert_eq!(help("unlimitd"), "did you mean `unlimited`?");
        for text in [
            "",
            "fast",
            "10",
            "-1 Mbit/s",
            "1e9 Mbit/s",
            "10 Mbit/s each",
            "1..2 Mbit/s",
            "NaN",
        ] {
            assert_eq!(help(text), ACCEPTED, "{text:?}");
        }
        assert!("9999 Gbit/s".parse::<Rate>().is_err());
        assert!("0.001 kbit/s".parse::<Rate>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_displayed_parses_again_to_within_a_thousandth(bytes in 125u64..100_000_000_000) {
            let again: Rate = Rate(bytes).to_string().parse().unwrap();
            let (a, b) = (bytes as f64, again.0 as f64);
            prop_assert!((a - b).abs() <= a / 1000.0 + 1.0, "{a} {b}");
        }

        #[test]
        fn any_text_is_a_rate_or_an_error(text in "\\PC{0,20}") {
            let _ = text.parse::<Rate>();
        }
    }
}
