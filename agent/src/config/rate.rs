use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Bytes per second, or no limit. Written like `10 Mbit/s`, as in the site map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rate(u64);

/// A text that is no rate.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{0}` is not a rate")]
pub struct RateError(String);

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self(0);

    /// A limit in bytes per second; 0 is no limit.
    pub const fn bytes_per_second(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The limit in bytes per second; `None` if there is none.
    pub fn limit(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || RateError(text.to_owned());
        let trimmed = text.trim();
        if trimmed == "unlimited" {
            return Ok(Self::UNLIMITED);
        }
        let split = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(bad)?;
        let (number, unit) = trimmed.split_at(split);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let bits = match unit.trim_start() {
            "bit/s" => 1.0,
            "kbit/s" => 1e3,
            "Mbit/s" => 1e6,
            "Gbit/s" => 1e9,
            _ => return Err(bad()),
        };
        let bytes = (number * bits / 8.0) as u64;
        // a limit of nothing would stop the agent without saying so: that is what pause is for
        if bytes == 0 { Err(bad()) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit() {
            None => f.write_str("unlimited"),
            Some(bytes) => write!(f, "{} Mbit/s", bytes as f64 * 8.0 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_in_the_site_map() {
        for (text, bytes) in [
            ("10 Mbit/s", 1_250_000),
            ("10Mbit/s", 1_250_000),
            ("0.5 Gbit/s", 62_500_000),
            ("8 kbit/s", 1000),
            ("unlimited", 0),
        ] {
            assert_eq!(text.parse(), Ok(Rate(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "10",
            "10 MB/s",
            "-1 Mbit/s",
            "0 Mbit/s",
            "1.2.3 Mbit/s",
            "Mbit/s",
            "infinite",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
