//! An agent as a process, with its configuration in a folder of its own.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use narrows_agent::AgentStatus;
use narrows_agent::{ContentState, ContentStatus};
use rustix::process::{Pid, Signal, kill_process};

use super::eventually;

/// Killed when dropped; its folder stays with the test.
pub(crate) struct Agent {
    pub(crate) dir: PathBuf,
    pub(crate) ip: IpAddr,
    extra: String,
    /// `ulimit -n` of the process, soft and hard.
    descriptors: Option<u64>,
    content: Vec<(PathBuf, PathBuf)>,
    process: Option<Child>,
}

impl Agent {
    /// An agent in the folder `dir` that is to have `content` (torrent, target); not yet running.
    pub(crate) fn new(dir: &Path, content: &[(&Path, &Path)]) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let content =
            content.iter().map(|(torrent, target)| (torrent.to_path_buf(), target.to_path_buf())).collect();
        Self {
            dir: dir.to_owned(),
            ip: super::address(),
            extra: String::new(),
            descriptors: None,
            content,
            process: None,
        }
    }

    /// With further lines of configuration.
    pub(crate) fn with(mut self, extra: &str) -> Self {
        self.extra = format!("{extra}\n");
        self
    }

    /// May have so many files and connections open, and not raise that.
    pub(crate) fn limited_to(mut self, descriptors: u64) -> Self {
        self.descriptors = Some(descriptors);
        self
    }

    pub(crate) fn set_extra(&mut self, extra: &str) {
        self.extra = format!("{extra}\n");
        self.write_config();
    }

    pub(crate) fn set_content(&mut self, content: &[(&Path, &Path)]) {
        self.content =
            content.iter().map(|(torrent, target)| (torrent.to_path_buf(), target.to_path_buf())).collect();
        self.write_config();
    }

    pub(crate) fn started(mut self) -> Self {
        self.start();
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.write_config();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log")).unwrap();
        let program = env!("CARGO_BIN_EXE_narrows-agent");
        let mut command = match self.descriptors {
            None => Command::new(program),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\""), program]);
                shell
            }
        };
        let child = command
            .args(["run", "--config"])
            .arg(self.config_path())
            .env("RUST_LOG", "debug")
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.process = Some(child);
        eventually("the agent answers", || self.try_get("/status"));
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.dir.join("agent.yaml")
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.ip, 6881)
    }

    pub(crate) fn control(&self) -> SocketAddr {
        SocketAddr::new(self.ip, 6882)
    }

    pub(crate) fn write_config(&self) {
        let mut text = format!(
            "id: agent-{}\nlisten: {}\ncontrol: {}\n",
            self.ip,
            self.listen(),
            self.control()
        );
        text += "data: data\nstate: state\ncontent:\n";
        for (torrent, target) in &self.content {
            text += &format!("  - {{torrent: {:?}, target: {:?}}}\n", torrent, target);
        }
        text += &self.extra;
        std::fs::write(self.config_path(), text).unwrap();
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.dir.join("state/control.token")).unwrap()
    }

    pub(crate) fn status(&self) -> AgentStatus {
        let (code, body) = self.try_get("/status").expect("the agent answers");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn content(&self) -> ContentStatus {
        self.status().content.into_iter().next().expect("there is content")
    }

    /// Waits until the first content is as `wanted`.
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&ContentStatus) -> bool) -> ContentStatus {
        eventually(
            &format!("{what}; log: {}", self.dir.join("log").display()),
            || Some(self.content()).filter(&wanted),
        )
    }

    pub(crate) fn wait_for(&self, state: ContentState) -> ContentStatus {
        self.wait(&format!("state {state}"), |content| content.state == state)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).expect("the agent answers")
    }

    /// `POST` with the right token.
    pub(crate) fn post(&self, path: &str) -> (u16, String) {
        self.post_with(path, &format!("Authorization: Bearer {}\r\n", self.token()))
    }

    pub(crate) fn post_with(&self, path: &str, headers: &str) -> (u16, String) {
        self.exchange("POST", path, headers).expect("the agent answers")
    }

    fn try_get(&self, path: &str) -> Option<(u16, String)> {
        self.exchange("GET", path, "")
    }

    fn exchange(&self, method: &str, path: &str, headers: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.control()).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        )
        .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let code = text.split(' ').nth(1)?.parse().ok()?;
        Some((code, text.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// Another command of the program, told where this agent is.
    pub(crate) fn command(&self, args: &[&str]) -> Output {
        self.prepared(args).output().unwrap()
    }

    /// The same, not started yet.
    pub(crate) fn prepared(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narrows-agent"));
        command.args(args).arg("--config").arg(self.config_path());
        command
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// From now on no more than so many, of those that it was [`limited_to`](Self::limited_to); what is open stays open.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_now(&self, descriptors: u64) {
        let pid = Pid::from_child(self.process.as_ref().unwrap());
        let limit = rustix::process::Rlimit {
            current: Some(descriptors),
            maximum: self.descriptors,
        };
        rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit).unwrap();
    }

    /// Processor time that it has taken so far.
    #[cfg(target_os = "linux")]
    pub(crate) fn processor_time(&self) -> std::time::Duration {
        let pid = self.process.as_ref().unwrap().id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
        // user and system, in hundredths of a second
        let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        std::time::Duration::from_millis(ticks * 10)
    }

    /// The most memory that it has had resident, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let pid = self.process.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.process.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// SIGTERM; how it ended and after how long.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, std::time::Duration) {
        let start = std::time::Instant::now();
        self.signal(Signal::TERM);
        let mut child = self.process.take().unwrap();
        let status = child.wait().unwrap();
        (status, start.elapsed())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}
