//! Child processes that end when the lab ends, however it ends.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tokio::process::{Child, Command};

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine {
    /// A path, or a name that is looked up in PATH.
    pub program: PathBuf,
    /// What follows it.
    pub args: Vec<OsString>,
    /// Added to the environment.
    pub env: Vec<(OsString, OsString)>,
}

/// Reads `+PID` and `-PID` lines; when they end, because the lab does, it kills those that are left. So even
/// a lab that was killed leaves nothing behind. Dropping a handle kills too; this is for when nothing drops.
const MINDER: &str = r#"
pids=" "
while read -r op pid; do
  case $op in
    +) pids="$pids$pid " ;;
    -) case $pids in *" $pid "*) pids="${pids%% $pid *} ${pids#* $pid }" ;; esac ;;
  esac
done
[ -z "${pids# }" ] || kill -9 $pids 2>/dev/null
"#;

/// Starts processes and sees to it that they end.
#[derive(Debug, Clone)]
pub struct Minder {
    lines: Arc<Mutex<std::process::ChildStdin>>,
    _shell: Arc<std::process::Child>,
}

impl Minder {
    /// Starts the minder, a shell.
    ///
    /// # Errors
    /// There is no `sh`.
    pub fn start() -> io::Result<Minder> {
        use std::os::unix::process::CommandExt;
        let mut shell = std::process::Command::new("sh")
            .args(["-c", MINDER])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is for the lab alone
            .process_group(0)
            .spawn()?;
        let lines = shell.stdin.take().ok_or_else(|| io::Error::other("the minder has no input"))?;
        Ok(Minder {
            lines: Arc::new(Mutex::new(lines)),
            _shell: Arc::new(shell),
        })
    }

    fn tell(&self, op: char, pid: u32) -> io::Result<()> {
        let mut lines = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(lines, "{op} {pid}")
    }

    /// Starts a program whose output is appended to `log`.
    ///
    /// # Errors
    /// The program or its log cannot be opened.
    pub fn spawn<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> io::Result<Process> {
        let command = CommandLine {
            program: program.to_owned(),
            args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
            env: Vec::new(),
        };
        self.run(command, log)
    }

    /// The same of a whole command line.
    ///
    /// # Errors
    /// The program or its log cannot be opened.
    pub fn run(&self, command: CommandLine, log: &Path) -> io::Result<Process> {
        let out = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(command.program)
            .args(command.args)
            .envs(command.env)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or(0);
        if let Err(error) = self.tell('+', pid) {
            let _ = child.start_kill();
            return Err(error);
        }
        Ok(Process {
            child,
            pid,
            minder: self.clone(),
            ended: false,
        })
    }
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    minder: Minder,
    ended: bool,
}

impl Process {
    /// How it ended, if it did.
    ///
    /// # Errors
    /// The system's.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.forget(status.is_some());
        Ok(status)
    }

    /// Sends a signal, if it still runs.
    ///
    /// # Errors
    /// The system's.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        match pid.filter(|_| !self.ended) {
            Some(pid) => rustix::process::kill_process(pid, signal.number()).map_err(io::Error::from),
            None => Ok(()),
        }
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// The system's.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await?;
        self.forget(true);
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// The system's.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.forget(true);
        Ok(status)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has used until now, where the system says (Linux).
    pub fn usage(&self) -> Option<Usage> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        usage(&status, &stat)
    }

    /// The number is free for another process now: the minder must not kill that.
    fn forget(&mut self, ended: bool) {
        if ended && !std::mem::replace(&mut self.ended, true) {
            let _ = self.minder.tell('-', self.pid);
        }
    }
}

/// What can be said to a process besides SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends it in order.
    Term,
    /// Lets it stand still.
    Stop,
    /// Lets it go on.
    Cont,
}

impl Signal {
    fn number(self) -> rustix::process::Signal {
        match self {
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Cont => rustix::process::Signal::CONT,
        }
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Peak resident memory in bytes.
    pub rss_peak: u64,
    /// User and system time in seconds.
    pub cpu_seconds: f64,
}

/// From proc(5): `VmHWM` of status; fields 14 to 17 of stat, its own ticks and those of children
/// that ended, of 1/100 s as every Linux has them.
fn usage(status: &str, stat: &str) -> Option<Usage> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // the name, in parentheses, may hold spaces
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: Option<u64> = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum();
    let ticks = ticks?;
    Some(Usage {
        rss_peak: kib * 1024,
        cpu_seconds: ticks as f64 / 100.0,
    })
}

/// The last lines of a log, without the escapes that colour it; empty if there is none.
pub fn tail(log: &Path, lines: usize) -> Vec<String> {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 * 1024)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| plain(line)).collect()
}

/// Without control characters and CSI sequences.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(|c| c.is_ascii_alphabetic());
        } else if !c.is_control() || c == '\t' {
            out.push(c);
        }
    }
    out
}

/// A log's path, for messages.
pub fn log_of(folder: &Path) -> PathBuf {
    folder.join("log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn alive(pid: u32) -> bool {
        // a zombie has ended
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    async fn until(what: impl Fn() -> bool) {
        let waiting = async {
            while !what() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it did not happen within 10 s");
    }

    #[tokio::test]
    async fn a_dropped_child_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let process =
            Minder::start().unwrap().spawn(Path::new("sleep"), ["1000"], &log_of(dir.path())).unwrap();
        let pid = process.pid;
        assert!(alive(pid));
        drop(process);
        until(|| !alive(pid)).await;
    }

    #[tokio::test]
    async fn children_end_even_when_they_are_not_dropped_but_ended_ones_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let minder = Minder::start().unwrap();
        let log = log_of(dir.path());
        let mut first = minder.spawn(Path::new("sleep"), ["1000"], &log).unwrap();
        let mut second = minder.spawn(Path::new("sleep"), ["1000"], &log).unwrap();
        let mut third = minder.spawn(Path::new("sleep"), ["1000"], &log).unwrap();
        // told that `third` has ended, as after a kill, the minder must not touch that number again
        minder.tell('-', third.pid).unwrap();
        // what a SIGKILL of the lab does: its end of the pipe closes, and nothing is dropped
        let mut other = std::process::Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        drop(std::mem::replace(
            &mut *minder.lines.lock().unwrap(),
            other.stdin.take().unwrap(),
        ));
        other.wait().unwrap();
        for process in [&mut first, &mut second] {
            let ended = tokio::time::timeout(Duration::from_secs(10), process.child.wait());
            assert!(!ended.await.unwrap().unwrap().success());
        }
        assert!(third.child.try_wait().unwrap().is_none());
    }

    #[tokio::test]
    async fn output_goes_to_the_log_and_its_tail_is_plain() {
        let dir = tempfile::tempdir().unwrap();
        let log = log_of(dir.path());
        let script = "for i in 1 2 3; do printf '\\033[31mline %s\\033[0m\\n' $i; done; exit 3";
        let mut process = Minder::start().unwrap().spawn(Path::new("sh"), ["-c", script], &log).unwrap();
        assert_eq!(process.wait().await.unwrap().code(), Some(3));
        assert_eq!(tail(&log, 2), ["line 2", "line 3"]);
        assert!(tail(&dir.path().join("none"), 2).is_empty());
    }

    #[test]
    fn usage_is_read_from_proc_even_with_a_strange_name() {
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 100 50 30 20 20";
        let found = usage("VmPeak:\t9 kB\nVmHWM:\t  2048 kB\n", stat).unwrap();
        assert_eq!(
            found,
            Usage {
                rss_peak: 2 << 20,
                cpu_seconds: 2.0
            }
        );
    }
}
