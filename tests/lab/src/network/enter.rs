//! Into namespaces of its own: the lab starts itself again, where it is root of a network that ends with it.
//!
//! Names of network namespaces (`ip netns`) are mounts below /run/netns. In a mount namespace of its own,
//! with a tmpfs there, they are the lab's alone and vanish with its last process, even after SIGKILL. Who is
//! not root gets a user namespace too, in which they are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Stop;

/// Set for the lab inside: the folder of the programs, built before, as there is no network to build from
/// there.
const INSIDE: &str = "NARROWS_LAB_INSIDE";

/// What the lab calls, and the Debian package that has it.
const NEEDED: [(&str, &str); 5] = [
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
];

/// A tmpfs for `ip netns`, over /run if /run/netns is not there and may not be made; then the lab.
const BEGIN: &str = r#"
if [ -d /run/netns ]; then mount -t tmpfs tmpfs /run/netns; else mount -t tmpfs tmpfs /run && mkdir /run/netns; fi &&
ip link set lo up && exec "$0" "$@"
"#;

/// The folder of the programs, if this is the lab inside.
pub fn inside() -> Option<PathBuf> {
    std::env::var_os(INSIDE).map(PathBuf::from)
}

/// Becomes the lab inside; returns only if that is not possible.
pub fn enter(programs: &Path, line: &[OsString]) -> Stop {
    let flags = match possible() {
        Ok(flags) => flags,
        Err(what) => return Stop::Missing(format!("--netns: {what}")),
    };
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return Stop::Missing(format!("--netns: cannot tell where this program is: {error}")),
    };
    use std::os::unix::process::CommandExt;
    let error = Command::new("unshare")
        .args(flags)
        .args(["sh", "-c", BEGIN])
        .arg(own)
        .args(line.iter().skip(1))
        .env(INSIDE, programs)
        .env("PATH", path())
        .exec();
    Stop::Missing(format!("--netns: cannot run unshare: {error}"))
}

/// How `unshare` is to be called here, or why `--netns` is impossible.
///
/// # Errors
/// What is missing, in one sentence.
pub fn possible() -> Result<&'static [&'static str], String> {
    const ROOT: &[&str] = &["--mount", "--net"];
    const USER: &[&str] = &["--user", "--map-root-user", "--mount", "--net"];
    for (program, package) in NEEDED {
        if !in_path(program) {
            return Err(format!("there is no `{program}`; install {package}"));
        }
    }
    // what is tried is what will be done: namespaces, a mount, a veth pair, htb
    let attempt = |flags: &[&str]| {
        let script = "mount -t tmpfs tmpfs /mnt && ip link add try0 type veth peer name try1 && \
                      ip link set try0 gso_max_segs 1 && tc qdisc add dev try0 root handle 1: htb && \
                      ip link add try2 type bridge";
        let output = Command::new("unshare")
            .args(flags)
            .args(["sh", "-c", script])
            .env("PATH", path())
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")),
            Err(error) => Err(error.to_string()),
        }
    };
    let Err(first) = attempt(ROOT) else {
        return Ok(ROOT);
    };
    match attempt(USER) {
        Ok(()) => Ok(USER),
        Err(second) => Err(format!(
            "needs root, or a kernel that lets users make namespaces (kernel.unprivileged_userns_clone=1, \
             user.max_user_namespaces above 0, no AppArmor rule against it), with veth, bridge and htb; as it is: \
             {first}; in a user namespace: {second}"
        )),
    }
}

/// With the folders of the system's programs, which a user's PATH may lack.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

fn in_path(program: &str) -> bool {
    std::env::split_paths(&path()).any(|dir| is_program(&dir.join(program)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A command line that runs in a namespace made by the lab. The process that it starts becomes the program:
/// signals to it are signals to the program.
pub fn within(
    netns: &str,
    program: &OsStr,
    args: impl IntoIterator<Item = OsString>,
) -> (PathBuf, Vec<OsString>) {
    let mut line = vec![
        OsString::from(format!("--net=/run/netns/{netns}")),
        program.to_owned(),
    ];
    line.extend(args);
    (PathBuf::from("nsenter"), line)
}
