//! How many files and connections this process may have open.

/// Raises the soft limit of open files to the hard one (`RLIMIT_NOFILE`): a connection is a file, and many
/// systems start services with 1,024, for programs that use select(2). Gives the limit that holds from now
/// on; where it cannot be raised, the log says so.
#[cfg(unix)]
pub fn raise_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let in_force = setrlimit(Resource::Nofile, raised).map_or_else(
        |error| {
            tracing::warn!(%error, limit = ?limit.current, "the limit of open files stays as it is");
            limit.current
        },
        |()| raised.current,
    );
    in_force.unwrap_or(u64::MAX)
}

/// The limit of open files that holds now.
#[cfg(unix)]
pub fn limit() -> u64 {
    use rustix::process::{Resource, getrlimit};

    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Windows sets no limit.
#[cfg(not(unix))]
pub fn raise_limit() -> u64 {
    u64::MAX
}

/// As [`raise_limit`].
#[cfg(not(unix))]
pub fn limit() -> u64 {
    u64::MAX
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    #[test]
    fn the_limit_is_what_the_system_lets_us_have() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let low = Rlimit {
            current: Some(256.min(hard.unwrap_or(256))),
            maximum: hard,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        assert_eq!(super::raise_limit(), hard.unwrap_or(u64::MAX));
        assert_eq!(super::limit(), hard.unwrap_or(u64::MAX));
    }
}
