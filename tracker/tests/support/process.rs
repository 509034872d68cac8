//! The program as a process of its own.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::{get, metric, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_narrows-tracker");

/// A tracker as a process of its own; killed when dropped.
pub struct Process {
    pub child: Child,
    pub log: Arc<Mutex<String>>,
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    pub dir: TempDir,
}

impl Process {
    pub fn start(dir: TempDir, environment: &[(&str, &Path)]) -> Self {
        Self::run(Command::new(PROGRAM), dir, environment)
    }

    /// One that may have so many files and connections open, and not raise that.
    pub fn limited_to(descriptors: u64, dir: TempDir) -> Self {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""),
            PROGRAM,
        ]);
        Self::run(shell, dir, &[])
    }

    fn run(mut program: Command, dir: TempDir, environment: &[(&str, &Path)]) -> Self {
        let mut child = program
            .args(["run", "--config"])
            .arg(dir.path().join("tracker.yaml"))
            .envs(environment.iter().copied())
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, writer) = (
            BufReader::new(child.stderr.take().unwrap()).lines(),
            Arc::clone(&log),
        );
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writer.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let bound = |what: &str| {
            let log = log.lock().unwrap();
            let line = log.lines().find(|line| line.contains("serving") && line.contains(what))?;
            line.split_once("address=")?.1.trim().parse().ok()
        };
        until("the addresses are logged", || bound("/healthz").is_some());
        let (addr, admin) = (bound("/announce").unwrap(), bound("/healthz").unwrap());
        Self {
            child,
            log,
            addr,
            admin,
            dir,
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub fn write_map(&self, text: &str) {
        // as editors do: written beside and renamed over
        let (beside, path) = (
            self.dir.path().join(".sites.tmp"),
            self.dir.path().join("sites.yaml"),
        );
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }

    pub fn sites(&self) -> u64 {
        let status: serde_json::Value = serde_json::from_slice(&get(self.admin, "/status").body).unwrap();
        status["site_map"]["sites"].as_u64().unwrap()
    }

    pub fn metric(&self, series: &str) -> f64 {
        metric(self.admin, series).unwrap()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// All that it says until it is told to stop: what it said lately may still be on its way to
    /// [`log`](Self::log).
    pub fn whole_log(self) -> String {
        self.signal("TERM");
        until("the log ends", || self.log().contains(": stopped"));
        self.log()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the tracker has ended", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
