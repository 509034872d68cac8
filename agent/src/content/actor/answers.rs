//! What an actor says of its content.

use std::sync::atomic::Ordering;

use super::{Actor, Stage};
use crate::content::{ContentExplained, ContentState, ContentStatus};

impl Actor {
    pub(super) fn status(&self) -> ContentStatus {
        let meta = &self.spec.meta;
        let mut out = ContentStatus {
            name: meta.name.clone(),
            info_hash: meta.info_hash.to_string(),
            bytes: meta.total,
            ..ContentStatus::default()
        };
        let mut totals = self.totals;
        match &self.stage {
            Stage::Opening => {}
            Stage::Checking {
                total,
                progress,
                content,
            } => {
                totals.add_damage(content);
                let done = progress.done.load(Ordering::Relaxed);
                out.progress = f64::from(done.min(*total)) / f64::from((*total).max(1));
            }
            Stage::Failed { error, content, .. } => {
                content.iter().for_each(|content| totals.add_damage(content));
                out.state = ContentState::Error;
                out.error = Some(error.to_string());
            }
            Stage::Running(session) => {
                let status = session.swarm_status(self.now());
                totals.add(&status);
                session.fill(&status, &mut out, self.now());
                totals.add_damage(&session.content());
            }
        }
        totals.fill(&mut out);
        out
    }

    pub(super) fn explain(&self) -> ContentExplained {
        let (name, info_hash) = (&self.spec.meta.name, self.spec.meta.info_hash.to_string());
        match &self.stage {
            Stage::Running(session) => {
                let now = self.now();
                let unreachable = session.unreachable_peers(now);
                let tracker_error = session.tracker_error();
                ContentExplained::new(
                    name,
                    info_hash,
                    session.explanation(now),
                    unreachable,
                    tracker_error,
                )
            }
            _ => ContentExplained {
                name: name.clone(),
                info_hash,
                if_gateway_dies: "What is on disk is being checked; no peer is connected yet.".to_owned(),
                ..ContentExplained::default()
            },
        }
    }
}
