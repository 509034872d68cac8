//! Bencode whose dictionaries are not in order, as some tools write it (BEP 3 asks for sorted keys;
//! libtorrent and Transmission take any order): puts keys in order for a strict reader, and finds the info
//! dictionary as it stands.

use std::ops::Range;

use super::MetainfoError;

/// A copy in order.
pub(super) struct Sorted {
    pub(super) bytes: Vec<u8>,
    /// Where the value of the outermost `info` lies in the original.
    pub(super) info: Range<usize>,
}

/// A copy with all dictionaries in order, and where the value of the outermost `info` lies in the original:
/// that is what the info hash is of, in whatever order it stands. `None` if this is no bencode, which a
/// strict reader says better.
///
/// # Errors
/// A key that stands twice in a dictionary: readers differ in which of two equal keys they take.
pub(super) fn sorted(bytes: &[u8], max_depth: usize) -> Result<Option<Sorted>, MetainfoError> {
    let mut sorter = Sorter {
        bytes: bytes.to_vec(),
        info: None,
        twice: None,
    };
    let end = sorter.value(0, max_depth);
    if let Some(key) = sorter.twice {
        let key = String::from_utf8_lossy(&key).into_owned();
        return Err(MetainfoError::Malformed(format!(
            "the key `{key}` stands twice in one dictionary"
        )));
    }
    let bytes = sorter.bytes;
    Ok(end.and(sorter.info).map(|info| Sorted { bytes, info }))
}

struct Sorter {
    /// Sorted as far as it was read; no value changes its length.
    bytes: Vec<u8>,
    info: Option<Range<usize>>,
    twice: Option<Vec<u8>>,
}

impl Sorter {
    /// Sorts the value at `at`; where it ends. `depth`: how far it may be nested.
    fn value(&mut self, at: usize, depth: usize) -> Option<usize> {
        match self.bytes.get(at)? {
            b'i' => self.find(b'e', at).map(|end| end + 1),
            b'l' => {
                let (mut at, depth) = (at + 1, depth.checked_sub(1)?);
                while *self.bytes.get(at)? != b'e' {
                    at = self.value(at, depth)?;
                }
                Some(at + 1)
            }
            b'd' => self.dictionary(at, depth.checked_sub(1)?),
            _ => self.string(at).map(|string| string.end),
        }
    }

    fn dictionary(&mut self, start: usize, depth: usize) -> Option<usize> {
        let mut pairs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        let mut at = start + 1;
        while *self.bytes.get(at)? != b'e' {
            let key = self.string(at)?;
            let end = self.value(key.end, depth)?;
            if start == 0 && self.bytes.get(key.clone())? == b"info" {
                self.info = Some(key.end..end);
            }
            pairs.push((key, at..end));
            at = end;
        }
        let key = |pair: &(Range<usize>, Range<usize>)| self.bytes.get(pair.0.clone());
        if !pairs.is_sorted_by(|a, b| key(a) < key(b)) {
            pairs.sort_by(|a, b| key(a).cmp(&key(b)));
            let same = pairs.array_windows().find(|[a, b]| key(a) == key(b));
            self.twice = same.and_then(|[pair, _]| key(pair)).map(<[u8]>::to_vec);
            if self.twice.is_some() {
                return None;
            }
            let whole = pairs.into_iter().map(|(_, pair)| self.bytes.get(pair));
            let ordered = whole.collect::<Option<Vec<_>>>()?.concat();
            self.bytes.get_mut(start + 1..at)?.copy_from_slice(&ordered);
        }
        Some(at + 1)
    }

    /// The bytes of the string at `at`, without their length.
    fn string(&self, at: usize) -> Option<Range<usize>> {
        let colon = self.find(b':', at)?;
        let length = std::str::from_utf8(self.bytes.get(at..colon)?).ok()?;
        let end = (colon + 1).checked_add(length.parse().ok()?)?;
        (end <= self.bytes.len()).then_some(colon + 1..end)
    }

    /// Numbers have 20 digits at most.
    fn find(&self, byte: u8, at: usize) -> Option<usize> {
        let near = self.bytes.get(at..)?.iter().take(24);
        near.enumerate().find(|(_, one)| **one == byte).map(|(far, _)| at + far)
    }
}
