//! A set of piece numbers as machine words: what the picker intersects.

/// A set of numbers below a fixed length.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bits {
    words: Vec<u64>,
    len: u32,
    count: u32,
}

impl Bits {
    /// The empty set of numbers below `len`.
    pub fn new(len: u32) -> Bits {
        Bits {
            words: vec![0; len.div_ceil(64) as usize],
            len,
            count: 0,
        }
    }

    /// All numbers below `len`.
    pub fn full(len: u32) -> Bits {
        let mut words = vec![u64::MAX; len.div_ceil(64) as usize];
        if let (Some(last), true) = (words.last_mut(), !len.is_multiple_of(64)) {
            *last = (1 << (len % 64)) - 1;
        }
        Bits {
            words,
            len,
            count: len,
        }
    }

    /// Whether `n` is in the set; `false` beyond the length.
    pub fn has(&self, n: u32) -> bool {
        self.words.get((n / 64) as usize).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// Adds `n`; says whether it is new. Ignored beyond the length.
    pub fn set(&mut self, n: u32) -> bool {
        let new = n < self.len && !self.has(n);
        if new {
            self.words[(n / 64) as usize] |= 1 << (n % 64);
            self.count += 1;
        }
        new
    }

    /// Removes `n`; says whether it was there.
    pub fn unset(&mut self, n: u32) -> bool {
        let was = self.has(n);
        if was {
            self.words[(n / 64) as usize] &= !(1 << (n % 64));
            self.count -= 1;
        }
        was
    }

    /// How many are in the set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether all below the length are.
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.count = 0;
    }

    /// The numbers in both sets, ascending; a step per 64 numbers.
    pub fn and<'a>(&'a self, other: &'a Bits) -> impl Iterator<Item = u32> + 'a {
        let both = self.words.iter().zip(&other.words).enumerate();
        both.flat_map(|(index, (a, b))| ones(a & b, index as u32 * 64))
    }

    /// The numbers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| ones(*word, index as u32 * 64))
    }
}

fn ones(mut word: u64, base: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(base + bit)
    })
}
