//! How an agent shares out the files and connections that its process may have open: half of them are
//! connections, a quarter is kept for files of contents, the rest is for what is not counted (two of each
//! content, the sockets that are listened on, the control port, handshakes, a folder that is being read).

use narrows_swarm::Limits;

/// More files open at once bring nothing: one that is read again is opened in microseconds.
const MAX_FILES: usize = 1024;

/// More connections of all contents together would take more memory than a machine has to spare (`memory`).
pub(crate) const MAX_CONNECTIONS: u64 = 8192;

/// With fewer connections a content is not fetched from several neighbours at once.
const MIN_CONNECTIONS: usize = 4;

/// What a content needs whatever it does: its folder, its journal and the fewest connections, which are half
/// of all.
const NEEDED: u64 = 2 * MIN_CONNECTIONS as u64;

/// Connections of each of so many contents.
pub(crate) fn connections(descriptors: u64, contents: u64) -> usize {
    let part =
        usize::try_from((descriptors / 2).min(MAX_CONNECTIONS) / contents.max(1)).unwrap_or(usize::MAX);
    part.clamp(MIN_CONNECTIONS, Limits::default().connections)
}

/// Files that all contents together keep open.
pub(crate) fn files(descriptors: u64) -> usize {
    usize::try_from(descriptors / 4).map_or(MAX_FILES, |files| files.min(MAX_FILES))
}

/// A warning to the operator if so many contents need more than there is.
pub(crate) fn shortage(descriptors: u64, contents: u64) -> Option<String> {
    let needed = contents.saturating_mul(NEEDED);
    (needed > descriptors).then(|| {
        format!(
            "{contents} contents need {needed} open files and connections, and this process may have {descriptors}: raise \
             `LimitNOFILE=` of its unit (or `ulimit -n`), or it will at times not be reached"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_leave_half_of_the_descriptors_to_files() {
        assert_eq!(connections(1024, 8), 64);
        assert_eq!(connections(u64::MAX, 8), 512);
        assert_eq!(connections(65_536, 0), 512);
        assert_eq!(connections(u64::MAX, 32), 256, "memory is the limit");
        assert_eq!(connections(1024, 1000), 4);
    }

    #[test]
    fn connections_files_and_what_is_not_counted_are_within_the_limit_unless_a_shortage_is_reported() {
        for descriptors in [64, 256, 1024, 4096, 65_536] {
            for contents in 1..2000 {
                let all = connections(descriptors, contents) as u64 * contents
                    + files(descriptors) as u64
                    + 2 * contents;
                let warned = shortage(descriptors, contents).is_some();
                assert!(
                    warned || all <= descriptors,
                    "{contents} contents and {descriptors} descriptors: {all}"
                );
            }
        }
        assert_eq!(shortage(1024, 30), None);
        let warning = shortage(1024, 1000).unwrap();
        assert!(warning.starts_with(
            "1000 contents need 8000 open files and connections, and this process may have 1024"
        ));
    }
}
