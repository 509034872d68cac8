//! The kernel's counters.

use std::collections::BTreeMap;

/// Bytes sent per interface, in the network namespace of a process: /proc/PID/net/dev.
pub(super) fn sent(pid: u32) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    parse_sent(&text)
}

/// The ninth number of each line of proc_net_dev(5).
fn parse_sent(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let bytes = numbers.split_whitespace().nth(8)?.parse().ok()?;
        Some((name.trim().to_owned(), bytes))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sent_are_read_per_interface() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo:  1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
                    l0a:  1 2 3 4 5 6 7 8 1514000 10 11 12 13 14 15 16\n";
        assert_eq!(parse_sent(text).get("l0a"), Some(&1_514_000));
        assert_eq!(parse_sent(text).len(), 2);
        assert!(parse_sent("").is_empty());
    }
}
