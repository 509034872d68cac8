//! `POST /check`: a site map that is being edited, checked and laid out. Nothing changes, and no file is
//! read.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use narrows_topology::SiteMap;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::admin::page::layout::{Drawn, drawn};
use crate::net::reply::{Answer, Refusal, json};

/// The longest site map that is looked at, in bytes.
pub(crate) const MAX_MAP: usize = 1 << 20;

/// How many are looked at at a time: it is work for a processor.
static CHECKS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(2)));

/// How long a site map waits for that.
const TURN: Duration = Duration::from_secs(10);

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Checked {
    Map(Drawn),
    Mistakes(Vec<Mistake>),
}

#[derive(Serialize)]
struct Mistake {
    line: usize,
    column: usize,
    problem: String,
    help: Option<String>,
    source: String,
}

/// # Errors
/// If it is no text, or too many are looked at.
pub(crate) async fn check(sites: Bytes) -> Answer {
    let sites = String::from_utf8(sites.into())
        .map_err(|_| Refusal::bad_request("this is no text in UTF-8, so it is no site map"))?;
    let Ok(Ok(turn)) = timeout(TURN, Arc::clone(&CHECKS).acquire_owned()).await else {
        return Err(Refusal::busy(
            "too many site maps are being checked; send it again, or use narrows-topology check",
        ));
    };
    let check = move || {
        let answer = json(&checked(&sites));
        // not before: the work goes on if the client goes
        drop(turn);
        answer
    };
    let answered = tokio::task::spawn_blocking(check).await;
    answered.ok().and_then(Result::ok).ok_or_else(|| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the site map could not be checked here; try narrows-topology check",
        )
    })
}

fn checked(text: &str) -> Checked {
    match SiteMap::parse("sites.yaml", text) {
        Ok(map) => Checked::Map(drawn(&map, 0)),
        Err(mistakes) => Checked::Mistakes(
            mistakes
                .list
                .into_iter()
                .map(|mistake| Mistake {
                    line: mistake.line,
                    column: mistake.column,
                    problem: mistake.problem,
                    help: mistake.help,
                    source: mistake.source,
                })
                .collect(),
        ),
    }
}
