//! What was probably meant.

/// What is longer, in bytes, is no slip of the pen but a text, and the distance of two texts takes time by the
/// product of their lengths: it is near to nothing. Names in files and ids of agents are shorter.
const MAX_LENGTH: usize = 128;

/// As many steps are made at most, of some nanoseconds: those of 20,000 candidates of usual length. What is
/// passed in may come from anywhere, and is not looked at further then.
const MAX_STEPS: usize = 16_000_000;

/// The candidate nearest to what was written, if one is near: up to a third of its characters may differ, and
/// at most three. Of equally near ones it is the first. Letters of either case count as the same. Whatever is
/// passed in, it takes less than a tenth of a second: what is longer than 128 bytes is near to nothing, and of a
/// very long list the beginning counts.
pub fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if written.len() > MAX_LENGTH {
        return None;
    }
    let lower = written.to_lowercase();
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    let mut steps = 0usize;
    let (distance, near) = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .map(|candidate| (candidate, candidate.to_lowercase()))
        .take_while(|(_, candidate)| {
            steps += (lower.len() + 1) * (candidate.len() + 1);
            steps <= MAX_STEPS
        })
        .map(|(candidate, lowered)| (strsim::damerau_levenshtein(&lower, &lowered), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then_some(near)
}

/// ``did you mean `gateway`?`` of the nearest candidate, if one is near.
pub fn did_you_mean<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(written, candidates).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_is_near_is_found_among_twenty_thousand() {
        let names: Vec<String> = (0..20_000).map(|n| format!("branch-{n:05}-pc")).collect();
        let found = nearest("branch-19998pc", names.iter().map(String::as_str));
        assert_eq!(found, Some("branch-19998-pc"));
    }

    #[test]
    fn long_texts_and_long_lists_are_not_compared_for_long() {
        let began = Instant::now();
        let names: Vec<String> = (0..20_000).map(|n| format!("{n}{}", "ab".repeat(60))).collect();
        let names = || names.iter().map(String::as_str);
        assert_eq!(nearest(&"a".repeat(8000), names()), None);
        nearest(&"ba".repeat(60), names());
        assert_eq!(
            nearest(&"a".repeat(1 << 20), ["x".repeat(1 << 20).as_str()]),
            None
        );
        // 20,000 times 120 times 120 steps would take seconds
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
