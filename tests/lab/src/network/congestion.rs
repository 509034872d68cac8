//! Which of TCP's congestion controls the hosts use across sites. Pure.
//!
//! A laboratory's kernel may have another default than the machines it stands for. It is set per route, which
//! works for all that the kernel has, whichever users may choose it for a socket.

/// The default of Linux and of Windows (RFC 9438); as a line without latency keeps its window small, it
/// behaves there much as [`FALLBACK`] does.
pub const USUAL: &str = "cubic";

/// Always part of the kernel.
const FALLBACK: &str = "reno";

/// The kernel's list.
const AVAILABLE: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";

/// What the hosts use: what is asked for, else what most machines use.
///
/// # Errors
/// One sentence, if the kernel does not have what is asked for.
pub fn congestion(asked: Option<&str>) -> Result<String, String> {
    choose(asked, &std::fs::read_to_string(AVAILABLE).unwrap_or_default())
}

fn choose(asked: Option<&str>, available: &str) -> Result<String, String> {
    let has = |name: &str| available.split_whitespace().any(|other| other == name);
    match asked {
        Some(name) if has(name) => Ok(name.to_owned()),
        Some(name) => Err(format!(
            "--congestion: this kernel has no `{name}`; it has {}",
            available.split_whitespace().collect::<Vec<_>>().join(", ")
        )),
        None if has(USUAL) => Ok(USUAL.to_owned()),
        None => Ok(FALLBACK.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_use_what_most_machines_use_whatever_the_laboratory_prefers() {
        assert_eq!(choose(None, "bbr reno cubic\n").as_deref(), Ok("cubic"));
        assert_eq!(choose(None, "bbr reno\n").as_deref(), Ok("reno"));
    }

    #[test]
    fn what_is_asked_for_must_be_there() {
        assert_eq!(choose(Some("bbr"), "bbr reno cubic\n").as_deref(), Ok("bbr"));
        let error = choose(Some("vegas"), "reno cubic\n").unwrap_err();
        assert!(
            error.contains("vegas") && error.contains("reno, cubic"),
            "{error}"
        );
    }
}
