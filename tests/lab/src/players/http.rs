//! Unicast HTTP, as a file server would do it: nginx at each seeder, curl at each client.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::net::TcpStream;

use super::{Phase, Progress, in_time, installed, script, status, write};
use crate::Stop;
use crate::content::files;
use crate::players::player::{Answer, Content, Host, Player, Task};
use crate::programs::process::CommandLine;

/// See the module. A client's progress is what its disk holds; it is complete when its script says that
/// everything is there.
#[derive(Debug, Clone, Copy)]
pub struct Http;

impl Player for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn check(&self) -> Result<(), Stop> {
        installed("nginx", "nginx-light")?;
        installed("setpriv", "util-linux")?;
        installed("curl", "curl")
    }

    fn prepare(&self, host: &Host, task: &Task) -> Result<()> {
        if host.seeder {
            return write(&nginx(host).join("nginx.conf"), &nginx_conf(host));
        }
        let server = server_of(&host.id, &task.sources).context("there is no seeder to fetch from")?;
        let mut list = String::new();
        for content in &task.contents {
            list.push_str(&list_of(server, &files_of(content)?));
        }
        write(&host.folder.join("list"), &list)
    }

    /// nginx is one process, which so ends with its number; see `http_get.sh` for the other.
    fn command(&self, host: &Host, _task: &Task) -> CommandLine {
        let nginx = nginx(host);
        let conf = nginx.join("nginx.conf");
        match host.seeder {
            true => CommandLine {
                program: "nginx".into(),
                args: vec!["-p".into(), nginx.into(), "-c".into(), conf.into()],
                env: Vec::new(),
            },
            false => CommandLine {
                program: script("http_get.sh"),
                args: vec![
                    host.folder.join("list").into(),
                    host.data.clone().into(),
                    done(host).into(),
                ],
                env: Vec::new(),
            },
        }
    }

    fn status<'a>(&'a self, host: &'a Host, task: &'a Task) -> Answer<'a> {
        Box::pin(in_time(async move {
            if host.seeder {
                // a server is ready when something listens
                let everything = |content: &Content| Progress {
                    phase: Phase::Complete,
                    done: content.size,
                    total: content.size,
                    rates: (0, 0),
                };
                let listener = SocketAddr::new(host.control.ip(), host.peer_port);
                TcpStream::connect(listener).await?;
                return Ok(status(host, task.contents.iter().map(everything)));
            }
            let finished = done(host).exists();
            let here = |content: &Content| look(host, content, finished);
            let all: Result<Vec<Progress>> = task.contents.iter().map(here).collect();
            Ok(status(host, all?))
        }))
    }
}

/// The seeder that a client fetches from: its number, the last part of its id, in turn.
pub fn server_of(id: &str, servers: &[SocketAddr]) -> Option<SocketAddr> {
    let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number: usize = id[id.len() - digits..].parse().unwrap_or(0);
    // so that the first clients of all sites do not go to the same one
    let site: usize = id[..id.len() - digits].bytes().map(usize::from).sum();
    servers.get((number + site).checked_rem(servers.len())?).copied()
}

fn nginx(host: &Host) -> PathBuf {
    host.folder.join("nginx")
}

fn done(host: &Host) -> PathBuf {
    host.folder.join("done")
}

/// It listens everywhere, so that the lab can see that it does. Without a master process it is one process,
/// and reads what the lab may read.
fn nginx_conf(host: &Host) -> String {
    let folder = nginx(host);
    let quoted = |path: PathBuf| quoted(&path.to_string_lossy());
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("  {what}_temp_path {};\n", quoted(folder.join(what))))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\nerror_log stderr warn;\npid {};\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  default_type application/octet-stream;\n\
         {temp}  server {{ listen {}; root {}; }}\n}}\n",
        quoted(folder.join("pid")),
        host.peer_port,
        quoted(host.data.clone()),
    )
}

/// A content's files by path below a data folder, with their lengths.
fn files_of(content: &Content) -> Result<Vec<(PathBuf, u64)>> {
    let name = Path::new(&content.name);
    let found = fs::symlink_metadata(&content.source);
    let meta = found.with_context(|| format!("cannot read {}", content.source.display()))?;
    match meta.is_file() {
        true => Ok(vec![(name.to_owned(), meta.len())]),
        false => {
            let list = files(&content.source)?.into_iter();
            Ok(list.map(|(path, length)| (name.join(path), length)).collect())
        }
    }
}

/// For the script: `LENGTH PATH`, a tab, and the URL as curl's configuration quotes it.
fn list_of(server: SocketAddr, files: &[(PathBuf, u64)]) -> String {
    let mut text = String::new();
    for (path, length) in files {
        let url = format!("http://{server}/{}", url_path(path));
        // writing to a String cannot fail
        let _ = writeln!(text, "{length} {}\t{}", path.display(), quoted(&url));
    }
    text
}

/// Percent-encoded (RFC 3986: what is not unreserved is), with slashes between its parts.
fn url_path(path: &Path) -> String {
    let part = |part: &OsStr| -> String {
        let bytes = part.as_encoded_bytes().iter();
        bytes
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(*byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    path.iter().map(part).collect::<Vec<_>>().join("/")
}

/// As the configurations of curl and nginx take a string with anything in it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What is there of a content.
fn look(host: &Host, content: &Content, finished: bool) -> Result<Progress> {
    let at = host.data.join(&content.name);
    let there = match fs::symlink_metadata(&at) {
        Ok(meta) if meta.is_file() => meta.len(),
        // a client may make a folder while it is read: the next look sees it
        Ok(_) => files(&at)?.iter().map(|(_, length)| length).sum(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error).with_context(|| at.display().to_string()),
    };
    let phase = match finished {
        true => Phase::Complete,
        false => Phase::Fetching,
    };
    Ok(Progress {
        phase,
        done: there,
        total: content.size,
        rates: (0, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_spread_over_the_seeders() {
        let servers: Vec<SocketAddr> = (1..=4).map(|i| SocketAddr::from(([10, 1, 0, i], 80))).collect();
        for site in ["b1", "b2", "hq-c"] {
            let mut used: Vec<_> =
                (0..8).filter_map(|client| server_of(&format!("{site}-{client}"), &servers)).collect();
            used.sort();
            let even: Vec<_> = servers.iter().flat_map(|server| [*server; 2]).collect();
            assert_eq!(used, even);
        }
        assert_eq!(server_of("b1-0", &[]), None);
    }

    #[test]
    fn a_name_with_anything_in_it_is_encoded_for_the_url_and_quoted_for_curl() {
        let server = SocketAddr::from(([10, 1, 0, 10], 6881));
        let files = [(PathBuf::from("office/ä \"1\"%.bin"), 7)];
        assert_eq!(
            list_of(server, &files),
            "7 office/ä \"1\"%.bin\t\"http://10.1.0.10:6881/office/%C3%A4%20%221%22%25.bin\"\n"
        );
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
    }

    #[test]
    fn progress_is_what_the_disk_holds_and_completion_what_the_script_says() {
        let dir = tempfile::tempdir().unwrap();
        let host = super::super::tests::host(dir.path());
        let content = super::super::tests::task().contents.remove(0);
        assert_eq!(look(&host, &content, false).unwrap().done, 0);
        fs::create_dir_all(host.data.join("office/sub")).unwrap();
        fs::write(host.data.join("office/sub/a"), [0; 250]).unwrap();
        let part = look(&host, &content, false).unwrap();
        assert_eq!((part.phase, part.status().progress), (Phase::Fetching, 0.25));
        assert_eq!(look(&host, &content, true).unwrap().phase, Phase::Complete);
    }
}
