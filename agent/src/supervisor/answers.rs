//! What a running agent says of itself: its status, and its connections with their reasons.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use narrows_host::OffenceKind;
use narrows_host::offences::Offender;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Agent, Entry};
use crate::content::{Command, ContentExplained, ContentState, ContentStatus};
use crate::resources::Offence;

/// How long an actor may take to say how it is; it never blocks, so this is for a machine in trouble.
const ANSWER: Duration = Duration::from_secs(2);

/// `GET /status`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The agent's stable name.
    pub id: String,
    /// Its site, as the tracker says; empty until it did.
    pub site: String,
    /// Whether the operator paused the whole agent.
    pub paused: bool,
    /// The program's version.
    #[serde(default)]
    pub version: String,
    /// In the order of the configuration.
    pub content: Vec<ContentStatus>,
    /// How often peers did what honest ones do not, by kind.
    #[serde(default)]
    pub offences: BTreeMap<String, u64>,
    /// Which did, those that did last first; bounded.
    #[serde(default)]
    pub offenders: Vec<OffenderStatus>,
}

/// A peer that does what honest ones do not.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OffenderStatus {
    /// What it does.
    pub offence: String,
    /// From where.
    pub ip: IpAddr,
    /// The agent's id that it gave: a claim.
    pub agent: Option<String>,
    /// How often.
    pub times: u64,
    /// Since when, in seconds before now.
    pub first_seconds_ago: u64,
    /// When last, in seconds before now.
    pub last_seconds_ago: u64,
}

/// `GET /explain`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AgentExplained {
    /// The agent's stable name.
    pub id: String,
    /// In the order of the configuration.
    pub content: Vec<ContentExplained>,
}

impl Agent {
    /// How everything is.
    pub async fn status(&self) -> AgentStatus {
        let mut content = Vec::new();
        for entry in self.entries() {
            content.push(entry.status().await);
        }
        let now = self.services.clock.now();
        let offender = |offender: Offender<Offence>| OffenderStatus {
            offence: offender.kind.as_str().to_owned(),
            ip: offender.ip,
            agent: offender.agent,
            times: offender.times,
            first_seconds_ago: now.saturating_sub(offender.first).as_secs(),
            last_seconds_ago: now.saturating_sub(offender.last).as_secs(),
        };
        let offences = &self.services.resources.offences;
        let site = content.iter().map(|content| &content.site).find(|site| !site.is_empty());
        AgentStatus {
            id: self.services.me.id.clone(),
            site: site.cloned().unwrap_or_default(),
            paused: self.with_paused(|paused| paused.all),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            content,
            offences: offences.totals().map(|(kind, times)| (kind.as_str().to_owned(), times)).collect(),
            offenders: offences.offenders().into_iter().map(offender).collect(),
        }
    }

    /// Which peers are connected and why; of one content (name or info hash) or of all. `None`: there is no
    /// such content.
    pub async fn explain(&self, which: Option<&str>) -> Option<AgentExplained> {
        let mut content = Vec::new();
        for handle in self.entries().into_iter().filter_map(|entry| entry.handle) {
            if !handle.is_meant(which) {
                continue;
            }
            let (reply, replied) = oneshot::channel();
            let answer = async {
                handle.commands.send(Command::Explain(reply)).await.ok()?;
                replied.await.ok()
            };
            // one that does not answer is in `status`, with that as its error
            content.extend(timeout(ANSWER, answer).await.ok().flatten());
        }
        let id = self.services.me.id.clone();
        (which.is_none() || !content.is_empty()).then_some(AgentExplained { id, content })
    }
}

impl Entry {
    async fn status(&self) -> ContentStatus {
        let broken = |error: String| ContentStatus {
            name: self.wanted.name(),
            state: ContentState::Error,
            error: Some(error),
            ..ContentStatus::default()
        };
        let Some(handle) = &self.handle else {
            let error = self.wanted.meta.as_ref().err().map(ToString::to_string).unwrap_or_default();
            let again = if self.wanted.is_unread() {
                "; it is tried again every 10 s"
            } else {
                ""
            };
            return broken(format!("{error}{again}"));
        };
        let (reply, replied) = oneshot::channel();
        let answer = async {
            handle.commands.send(Command::Status(reply)).await.ok()?;
            replied.await.ok()
        };
        match timeout(ANSWER, answer).await {
            Ok(Some(status)) => status,
            _ => broken("the content does not answer; see the log".to_owned()),
        }
    }
}
