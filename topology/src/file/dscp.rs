//! `dscp:` of the file.

use narrows_config::{Node, Report, did_you_mean};

use crate::dscp::NAMES;

/// A name of a code point, `none`, or a number; the outer `None` was a mistake, the inner one is no mark.
pub(super) fn dscp(node: &Node, report: &mut Report<'_>) -> Option<Option<u8>> {
    let Some(written) = node.text() else {
        let help = "write it as in `dscp: cs1`; `none` leaves packets unmarked";
        report.add(node.at, format!("`dscp` cannot be {}", node.kind()), help);
        return None;
    };
    if written == "none" {
        return Some(None);
    }
    if let Some((_, point)) = NAMES.iter().find(|(name, _)| *name == written) {
        return Some(Some(*point));
    }
    let number = match written.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => written.parse().ok(),
    };
    let help = match number.map(u8::try_from) {
        Some(Ok(point @ 0..=63)) if !written.starts_with("0x") => return Some(Some(point)),
        Some(Ok(byte)) if byte > 63 && byte % 4 == 0 => {
            format!(
                "a code point is 0 to 63; of the TOS byte {written} it is {}",
                byte >> 2
            )
        }
        Some(Ok(byte @ 0..=63)) => format!("write `{byte}`"),
        Some(_) => "a code point is 0 to 63".to_owned(),
        None => meant(written),
    };
    report.add(node.at, format!("`{written}` is no code point"), help);
    None
}

/// The name that is probably meant; of equally near ones the first, so that `cs9` leads to the usual `cs1`.
fn meant(written: &str) -> String {
    let lower = written.to_lowercase();
    let names = NAMES.iter().map(|(name, _)| *name).chain(["none"]);
    match did_you_mean(written, names) {
        Some(near) => near,
        None if ["no", "off", "false"].contains(&lower.as_str()) => "did you mean `none`?".to_owned(),
        None => {
            "write a name such as `cs1`, `le`, `af11` or `ef`, a number from 0 to 63, or `none`".to_owned()
        }
    }
}
