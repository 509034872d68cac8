//! What a running agent says of itself: its status, and its connections with their reasons.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Agent, Entry};
use crate::content::{Command, ContentExplained, ContentState, ContentStatus};

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
        let site = content.iter().map(|content| &content.site).find(|site| !site.is_empty());
        AgentStatus {
            id: self.services.me.id.clone(),
            site: site.cloned().unwrap_or_default(),
            paused: self.with_paused(|paused| paused.all),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            content,
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
