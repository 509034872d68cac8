//! `control_names`: under which names the control port may be asked.

use narrows_config::{Node, Report, values};

/// The longest name of a machine (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;

/// The names of a list, or one alone; what is no name is reported.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Vec<String> {
    values::items(node).iter().filter_map(|item| name(item, report)).collect()
}

/// A name as `Host` has it (RFC 9110, 7.2), without a port; in lower case.
fn name(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = values::text(node, "a name", "control_names: [munich-017.example.com]", report)?;
    // RFC 1123, 2.1; an underscore is no host's and yet met with
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > MAX_NAME || !name.split('.').all(is_label) {
        let help = "write it as in munich-017.example.com, without http:// and without a port";
        report.add(node.at, format!("`{text}` is no name of a machine"), help);
        return None;
    }
    Some(name.to_ascii_lowercase())
}
