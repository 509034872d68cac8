//! `GET /metrics`, in Prometheus' text format. Made from the status at each scrape, so content that is gone
//! leaves no stale series behind. Labels: `content` (the name in its .torrent) and `info_hash`, as the
//! tracker's, since two versions may have one name; `class`, `role`, `offence`; never an address, peer or error text.
//! What they mean, and when to be alarmed: tracker/prometheus/README.md.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use narrows_protocol::Role;
use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::content::{ContentState, ContentStatus};
use crate::platform;
use crate::supervisor::AgentStatus;

/// What tells contents apart.
const OF_CONTENT: [&str; 2] = ["content", "info_hash"];

/// The metrics of an agent with this status; `data` is on the disk whose free space is shown.
pub(super) fn render(status: &AgentStatus, data: &Path) -> prometheus::Result<String> {
    let registry = Registry::new();
    let all = &status.content;
    gauge(
        &registry,
        all,
        "content_bytes",
        "Size of the content.",
        |content| content.bytes,
    )?;
    gauge(
        &registry,
        all,
        "content_done_bytes",
        "Bytes in verified pieces.",
        |content| content.bytes_done,
    )?;
    for state in ContentState::ALL {
        let help = format!("1 while the content is in the state {state}.");
        gauge(&registry, all, &format!("content_{state}"), &help, |content| {
            u64::from(content.state == state)
        })?;
    }
    let progress = GaugeVec::new(
        opts("progress_ratio", "Bytes in verified pieces over all bytes."),
        &OF_CONTENT,
    )?;
    for content in all {
        progress.with_label_values(&[&content.name, &content.info_hash]).set(content.progress);
    }
    register(&registry, progress)?;
    counter(
        &registry,
        all,
        "received_bytes_total",
        "Payload received.",
        "class",
        |content| vec![("lan", content.bytes_lan), ("wan", content.bytes_wan)],
    )?;
    counter(
        &registry,
        all,
        "sent_bytes_total",
        "Payload sent.",
        "class",
        |content| vec![("lan", content.uploaded_lan), ("wan", content.uploaded_wan)],
    )?;
    plain_counter(
        &registry,
        all,
        "wasted_bytes_total",
        "Payload received and thrown away.",
        |content| content.bytes_wasted,
    )?;
    plain_counter(
        &registry,
        all,
        "pieces_bad_total",
        "Pieces that came with a wrong hash.",
        |content| content.pieces_bad,
    )?;
    plain_counter(
        &registry,
        all,
        "pieces_damaged_total",
        "Pieces that were at the target and were found wrong or missing there.",
        |content| content.pieces_damaged,
    )?;
    plain_counter(
        &registry,
        all,
        "pieces_healed_total",
        "Damaged pieces that were written anew.",
        |content| content.pieces_healed,
    )?;
    verified(&registry, all)?;
    gauge(
        &registry,
        all,
        "receive_bytes_per_second",
        "Payload received.",
        |content| content.rate_down,
    )?;
    gauge(
        &registry,
        all,
        "send_bytes_per_second",
        "Payload sent.",
        |content| content.rate_up,
    )?;
    gauge(
        &registry,
        all,
        "tracker_up",
        "0 if the last announce failed.",
        |content| u64::from(content.tracker_error.is_none()),
    )?;
    gauge(
        &registry,
        all,
        "unreachable_peers",
        "Peers that the tracker names and that cannot be connected to; counted up to 16.",
        |content| content.unreachable.len() as u64,
    )?;
    labelled(&registry, all, "peers", "Open connections.", "class", |content| {
        vec![
            ("local", content.peers_local as u64),
            ("upstream", content.peers_upstream as u64),
            ("remote", content.peers_remote as u64),
        ]
    })?;
    labelled(
        &registry,
        all,
        "role",
        "1 for the present role.",
        "role",
        |content| Role::ALL.map(|role| (role.as_str(), u64::from(content.role == role))).to_vec(),
    )?;
    let offences = IntCounterVec::new(
        opts(
            "offences_total",
            "What peers did that honest ones do not; /status says which.",
        ),
        &["offence"],
    )?;
    for (offence, times) in &status.offences {
        offences.with_label_values(&[offence]).inc_by(*times);
    }
    register(&registry, offences)?;
    single(
        &registry,
        "paused",
        "1 if the operator paused the agent.",
        i64::from(status.paused),
    )?;
    // the folder is made when something is put there
    let folder = data.ancestors().find(|folder| folder.exists());
    if let Some(Ok(free)) = folder.map(platform::free_space) {
        single(
            &registry,
            "disk_free_bytes",
            "Free bytes where data is.",
            clamp(free),
        )?;
    }
    if let Some(Ok(size)) = folder.map(platform::disk_size) {
        single(
            &registry,
            "disk_size_bytes",
            "Bytes of the disk where data is, free or not.",
            clamp(size),
        )?;
    }
    TextEncoder::new().encode_to_string(&registry.gather())
}

fn gauge(
    registry: &Registry,
    all: &[ContentStatus],
    name: &str,
    help: &str,
    value: impl Fn(&ContentStatus) -> u64,
) -> prometheus::Result<()> {
    let metric = IntGaugeVec::new(opts(name, help), &OF_CONTENT)?;
    for content in all {
        metric.with_label_values(&[&content.name, &content.info_hash]).set(clamp(value(content)));
    }
    register(registry, metric)
}

fn labelled(
    registry: &Registry,
    all: &[ContentStatus],
    name: &str,
    help: &str,
    label: &str,
    values: impl Fn(&ContentStatus) -> Vec<(&'static str, u64)>,
) -> prometheus::Result<()> {
    let metric = IntGaugeVec::new(opts(name, help), &["content", "info_hash", label])?;
    for content in all {
        for (kind, value) in values(content) {
            metric.with_label_values(&[content.name.as_str(), &content.info_hash, kind]).set(clamp(value));
        }
    }
    register(registry, metric)
}

fn counter(
    registry: &Registry,
    all: &[ContentStatus],
    name: &str,
    help: &str,
    label: &str,
    values: impl Fn(&ContentStatus) -> Vec<(&'static str, u64)>,
) -> prometheus::Result<()> {
    let metric = IntCounterVec::new(opts(name, help), &["content", "info_hash", label])?;
    for content in all {
        for (kind, value) in values(content) {
            metric.with_label_values(&[content.name.as_str(), &content.info_hash, kind]).inc_by(value);
        }
    }
    register(registry, metric)
}

fn plain_counter(
    registry: &Registry,
    all: &[ContentStatus],
    name: &str,
    help: &str,
    value: impl Fn(&ContentStatus) -> u64,
) -> prometheus::Result<()> {
    let metric = IntCounterVec::new(opts(name, help), &OF_CONTENT)?;
    for content in all {
        metric.with_label_values(&[&content.name, &content.info_hash]).inc_by(value(content));
    }
    register(registry, metric)
}

/// None for what is not whole.
fn verified(registry: &Registry, all: &[ContentStatus]) -> prometheus::Result<()> {
    let help = "When every file at the target was last found as it was when it was hashed.";
    let metric = IntGaugeVec::new(opts("verified_timestamp_seconds", help), &OF_CONTENT)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for content in all {
        if let Some(age) = content.verified {
            let time = now.as_secs().saturating_sub(age);
            metric.with_label_values(&[&content.name, &content.info_hash]).set(clamp(time));
        }
    }
    register(registry, metric)
}

fn single(registry: &Registry, name: &str, help: &str, value: i64) -> prometheus::Result<()> {
    let metric = IntGauge::with_opts(opts(name, help))?;
    metric.set(value);
    register(registry, metric)
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("narrows_agent_{name}"), help)
}

fn register(registry: &Registry, metric: impl Collector + 'static) -> prometheus::Result<()> {
    registry.register(Box::new(metric))
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_contents_with_one_name_neither_hides_the_other_and_their_bytes_are_not_added_up() {
        let version = |hash: &str, state, bytes_lan| ContentStatus {
            name: "office".to_owned(),
            info_hash: hash.to_owned(),
            state,
            bytes_lan,
            ..ContentStatus::default()
        };
        let status = AgentStatus {
            content: vec![
                version("aa", ContentState::Error, 5),
                version("bb", ContentState::Seeding, 70),
            ],
            ..AgentStatus::default()
        };
        let text = render(&status, Path::new("/")).unwrap();
        for line in [
            r#"content_error{content="office",info_hash="aa"} 1"#,
            r#"content_error{content="office",info_hash="bb"} 0"#,
            r#"received_bytes_total{class="lan",content="office",info_hash="aa"} 5"#,
            r#"received_bytes_total{class="lan",content="office",info_hash="bb"} 70"#,
        ] {
            assert!(
                text.contains(&format!("narrows_agent_{line}\n")),
                "{line}: {text}"
            );
        }
    }
}
