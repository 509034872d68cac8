//! What was probably meant.

/// The candidate nearest to what was written, if one is near: up to a third of its characters may differ, and
/// at most three. Of equally near ones it is the first. Letters of either case count as the same.
pub fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = written.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let (distance, near) = candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    (distance <= allowed).then_some(near)
}

/// ``did you mean `gateway`?`` of the nearest candidate, if one is near.
pub fn did_you_mean<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(written, candidates).map(|near| format!("did you mean `{near}`?"))
}
