//! What this machine calls itself towards trackers (BEP 7 `key`), beside the id that people give it: two
//! machines with one id are told apart by it, and one machine is known again after a restart and at another
//! address.
//!
//! It is made at the first start and kept in the state folder with the name of the machine that made it. A
//! golden image carries the file to every clone; there the name differs, and each makes a key of its own.

use std::path::Path;

use narrows_host::private;

const FILE: &str = "key";

/// The key of this machine. One that cannot be written down holds until the agent ends.
pub(crate) fn of_machine(state: &Path) -> u32 {
    of(state, &machine(), rand::random())
}

/// The key in the folder if it was made on `machine`, else `new`.
fn of(state: &Path, machine: &str, new: u32) -> u32 {
    let path = state.join(FILE);
    let kept = std::fs::read_to_string(&path).ok().and_then(|text| read(&text, machine));
    if let Some(key) = kept {
        return key;
    }
    // 0 would say that there is none
    let key = new.max(1);
    let written = private::replace(&path, |out| writeln!(out, "{key:08x} {machine}"));
    if let Err(error) = written {
        tracing::warn!(
            file = %path.display(), %error,
            "cannot keep this machine's key: after a restart the tracker takes it for another machine for a while"
        );
    }
    key
}

fn read(text: &str, machine: &str) -> Option<u32> {
    let (key, made_on) = text.trim_end().split_once(' ')?;
    let key = u32::from_str_radix(key, 16).ok()?;
    (key != 0 && made_on == machine).then_some(key)
}

/// What tells this machine from its clones: the id that systemd makes at the first boot (machine-id(5)),
/// where there is one, and the host name. On Windows it is the host name alone: MachineGuid is cloned with
/// the disk, and what is not (the firmware's UUID, a network card's address) takes WMI to read or changes
/// with a dock. Clones that share even the host name share the key; the tracker tells those apart by their
/// addresses once they take turns.
fn machine() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    // images are cloned with their machine-id, too, and hosts are renamed afterwards: both must be the same
    format!("{} {}", id.trim(), host.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_its_key_and_a_clone_of_its_disk_makes_another() {
        let state = tempfile::tempdir().expect("a folder");
        let of = |machine, new| of(state.path(), machine, new);
        assert_eq!(of("one", 5), 5);
        assert_eq!(of("one", 6), 5);
        assert_eq!(of("two", 7), 7, "the disk is in another machine now");
        assert_eq!(of("two", 8), 7);
    }

    #[test]
    fn a_file_that_holds_no_key_is_replaced_and_no_key_is_zero() {
        let state = tempfile::tempdir().expect("a folder");
        for text in ["", "00000000 one\n", "nonsense", "fffffffff one"] {
            std::fs::write(state.path().join(FILE), text).expect("written");
            assert_eq!(of(state.path(), "one", 9), 9, "{text:?}");
        }
        std::fs::remove_file(state.path().join(FILE)).expect("removed");
        assert_eq!(of(state.path(), "one", 0), 1);
    }
}
