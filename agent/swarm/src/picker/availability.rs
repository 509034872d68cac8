//! How many local peers hold each piece, and the pickable pieces sorted by that.

use rand::RngExt;
use rand::seq::SliceRandom;

/// The pickable pieces in buckets by number of local holders; every change costs O(1), or O(holders) for a
/// piece that enters or leaves. Holders that have everything are counted once for all pieces
/// ([`Availability::seeds`]).
#[derive(Debug)]
pub(super) struct Availability {
    /// Pickable pieces, bucket after bucket.
    order: Vec<u32>,
    /// Where in `order` each piece is; `ABSENT` if it is not pickable.
    position: Vec<u32>,
    /// Local holders of each piece, without those that have everything.
    holders: Vec<u16>,
    /// Where each bucket ends in `order`.
    ends: Vec<u32>,
    /// Local peers that have everything.
    pub(super) seeds: u32,
}

const ABSENT: u32 = u32::MAX;

/// What [`Availability::rarest`] came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Search {
    /// This piece.
    Found(u32),
    /// All pieces were looked at, and none is wanted.
    Exhausted,
    /// One may be wanted, and was not found within as many tries.
    GaveUp,
}

impl Availability {
    /// All of `pickable`, with no holder.
    pub(super) fn new<R: rand::Rng>(
        pieces: u32,
        pickable: impl Iterator<Item = u32>,
        rng: &mut R,
    ) -> Availability {
        let mut order: Vec<u32> = pickable.collect();
        order.shuffle(rng);
        let mut position = vec![ABSENT; pieces as usize];
        for (index, piece) in order.iter().enumerate() {
            position[*piece as usize] = index as u32;
        }
        let ends = vec![order.len() as u32];
        Availability {
            order,
            position,
            holders: vec![0; pieces as usize],
            ends,
            seeds: 0,
        }
    }

    /// Local peers that hold `piece`.
    pub(super) fn holders(&self, piece: u32) -> u32 {
        u32::from(self.holders[piece as usize]) + self.seeds
    }

    /// Whether `piece` is among the sorted ones.
    pub(super) fn contains(&self, piece: u32) -> bool {
        self.position[piece as usize] != ABSENT
    }

    /// One more local peer holds `piece`.
    pub(super) fn gained(&mut self, piece: u32) {
        let bucket = usize::from(self.holders[piece as usize]);
        self.holders[piece as usize] += 1;
        if self.contains(piece) {
            self.up(piece, bucket);
        }
    }

    /// One fewer.
    pub(super) fn lost(&mut self, piece: u32) {
        let bucket = usize::from(self.holders[piece as usize]);
        debug_assert!(bucket > 0, "piece {piece} lost without a holder");
        self.holders[piece as usize] = bucket.saturating_sub(1) as u16;
        if self.contains(piece) && bucket > 0 {
            self.down(piece, bucket);
        }
    }

    /// `piece` is not pickable any more.
    pub(super) fn remove(&mut self, piece: u32) {
        if self.contains(piece) {
            for bucket in usize::from(self.holders[piece as usize])..self.ends.len() {
                self.up(piece, bucket);
            }
            // it is now beyond the last bucket's end: `up` made a bucket for it
            self.order.pop();
            self.ends.pop();
            self.position[piece as usize] = ABSENT;
        }
    }

    /// `piece` is pickable (again).
    pub(super) fn insert(&mut self, piece: u32) {
        if !self.contains(piece) {
            while self.ends.len() < usize::from(self.holders[piece as usize]) {
                self.ends.push(self.order.len() as u32);
            }
            self.position[piece as usize] = self.order.len() as u32;
            self.order.push(piece);
            self.ends.push(self.order.len() as u32);
            for bucket in (usize::from(self.holders[piece as usize]) + 1..self.ends.len()).rev() {
                self.down(piece, bucket);
            }
            self.trim();
        }
    }

    /// The first piece by rarity that `wanted` accepts, ties broken at random, after at most `tries`
    /// questions.
    pub(super) fn rarest<R: rand::Rng>(
        &self,
        tries: u32,
        rng: &mut R,
        wanted: impl Fn(u32) -> bool,
    ) -> Search {
        let mut left = tries;
        let mut start = 0;
        for (bucket, end) in self.ends.iter().enumerate() {
            let pieces = &self.order[start as usize..*end as usize];
            start = *end;
            // a piece without a counted holder can only come from a peer that has everything
            if pieces.is_empty() || (bucket == 0 && self.seeds == 0) {
                continue;
            }
            let first = rng.random_range(0..pieces.len());
            for index in (first..pieces.len()).chain(0..first) {
                if wanted(pieces[index]) {
                    return Search::Found(pieces[index]);
                }
                left -= 1;
                if left == 0 {
                    return Search::GaveUp;
                }
            }
        }
        Search::Exhausted
    }

    /// Moves `piece` from `bucket` to the next: it becomes the first there.
    fn up(&mut self, piece: u32, bucket: usize) {
        while self.ends.len() <= bucket + 1 {
            self.ends.push(self.order.len() as u32);
        }
        self.ends[bucket] -= 1;
        self.swap_to(piece, self.ends[bucket]);
    }

    /// Moves `piece` from `bucket` to the one before: it becomes the last there.
    fn down(&mut self, piece: u32, bucket: usize) {
        self.swap_to(piece, self.ends[bucket - 1]);
        self.ends[bucket - 1] += 1;
    }

    fn swap_to(&mut self, piece: u32, to: u32) {
        let from = self.position[piece as usize];
        let other = self.order[to as usize];
        self.order.swap(from as usize, to as usize);
        self.position[piece as usize] = to;
        self.position[other as usize] = from;
    }

    /// Forgets empty buckets at the end.
    fn trim(&mut self) {
        while self.ends.len() > 1 && self.ends[self.ends.len() - 2] == self.order.len() as u32 {
            self.ends.pop();
        }
    }

    /// For tests: buckets, positions and holders agree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut bucket = 0;
        for (index, piece) in self.order.iter().enumerate() {
            while index as u32 >= self.ends[bucket] {
                bucket += 1;
            }
            assert_eq!(self.position[*piece as usize], index as u32);
            assert_eq!(
                usize::from(self.holders[*piece as usize]),
                bucket,
                "piece {piece} in the wrong bucket"
            );
        }
        assert_eq!(
            *self.ends.last().expect("one bucket at least"),
            self.order.len() as u32
        );
        assert_eq!(
            self.position.iter().filter(|p| **p != ABSENT).count(),
            self.order.len()
        );
    }
}
