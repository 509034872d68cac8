//! A secret that requests show in their `Authorization` header (RFC 6750, 2.1).

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

/// What comes before the secret in the header.
const SCHEME: &str = "Bearer ";

/// The secret that a request must show. Not shown by `Debug`.
#[derive(Clone)]
pub struct Bearer(String);

/// What an `Authorization` header was worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// There is no header, or one of another scheme.
    Nothing,
    /// Another secret.
    Wrong,
    /// The secret.
    Right,
}

impl Bearer {
    /// A secret, as it stands in its file.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret, for the file that keeps it.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The value of the `Authorization` header that shows it.
    pub fn header(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }

    /// What the value of an `Authorization` header shows. The time that this takes depends on the header's
    /// length alone, and on nothing of the secret.
    pub fn shown_in(&self, header: Option<&[u8]>) -> Shown {
        let given = header.and_then(|header| header.strip_prefix(SCHEME.as_bytes()));
        match given {
            None => Shown::Nothing,
            Some(given) if bool::from(is_same(given, self.0.as_bytes())) => Shown::Right,
            Some(_) => Shown::Wrong,
        }
    }
}

/// As many steps as `given` has bytes, whatever the secret's length is.
fn is_same(given: &[u8], secret: &[u8]) -> Choice {
    let same_length = (given.len() as u64).ct_eq(&(secret.len() as u64));
    given.iter().zip(secret.iter().cycle()).fold(same_length, |same, (a, b)| same & a.ct_eq(b))
}

impl PartialEq for Bearer {
    fn eq(&self, other: &Self) -> bool {
        is_same(self.0.as_bytes(), other.0.as_bytes()).into()
    }
}

impl Eq for Bearer {}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_passes_and_what_is_no_bearer_is_told_apart() {
        let bearer = Bearer::new("0123456789abcdef");
        let shown = |header: &str| bearer.shown_in(Some(header.as_bytes()));
        assert_eq!(shown(&bearer.header()), Shown::Right);
        for wrong in [
            "Bearer ",
            "Bearer 0",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdef0123456789abcdef",
            "Bearer 0123456789ABCDEF",
            "Bearer  0123456789abcdef",
        ] {
            assert_eq!(shown(wrong), Shown::Wrong, "{wrong:?}");
        }
        for other in ["", "Bearer", "Basic 0123456789abcdef", "0123456789abcdef"] {
            assert_eq!(shown(other), Shown::Nothing, "{other:?}");
        }
        assert_eq!(bearer.shown_in(None), Shown::Nothing);
    }

    #[test]
    fn a_secret_is_in_no_log() {
        assert_eq!(format!("{:?}", Bearer::new("0123456789abcdef")), "Bearer(..)");
    }
}
