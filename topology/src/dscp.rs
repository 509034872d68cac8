//! How the packets of transfers across links are marked, so that routers let other traffic go first.

/// Names of code points and their numbers: RFC 2474 (CS), RFC 2597 (AF), RFC 3246 (EF), RFC 5865 (VA), RFC
/// 8622 (LE).
pub(crate) const NAMES: [(&str, u8); 24] = [
    ("cs1", 8),
    ("le", 1),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("va", 44),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
    ("cs0", 0),
    ("df", 0),
];

/// What stands where the file says nothing: CS1, which networks have long treated as a scavenger (RFC 3662).
pub(crate) const DEFAULT: Option<u8> = Some(8);

/// The lowest priority of several marks; `None` is no mark at all, which is best effort.
///
/// LE (RFC 8622) is below CS1 (RFC 3662), that below best effort; above it the classes in their order, and
/// within an AF class the higher drop precedence first (RFC 2597).
pub(crate) fn lowest(marks: impl IntoIterator<Item = Option<u8>>) -> Option<u8> {
    let priority = |mark: &Option<u8>| match *mark {
        Some(1) => 0,
        Some(8) => 1,
        None => 2,
        Some(0) => 3,
        Some(point) => 4 + u32::from(point >> 3) * 8 + u32::from(7 - (point & 7)),
    };
    marks.into_iter().min_by_key(priority).flatten()
}
