//! `POST /check`: a site map that is being edited, checked and laid out. Nothing changes, and no file is
//! read.

use std::sync::LazyLock;

use http_body_util::{BodyExt as _, Limited};
use hyper::StatusCode;
use narrows_topology::SiteMap;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::admin::page::layout::{Drawn, drawn};
use crate::net::reply::{Answer, Refusal, Request, json};

/// The longest site map that is looked at, in bytes.
const MAX_MAP: usize = 1 << 20;

/// How many are looked at at a time: it is work for a processor.
static CHECKS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

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

pub(crate) async fn check(request: Request) -> Answer {
    let body = Limited::new(request.into_body(), MAX_MAP).collect().await.map_err(|_| {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the site map is longer than 1 MiB, or did not arrive",
        )
    })?;
    let sites = String::from_utf8(body.to_bytes().into())
        .map_err(|_| Refusal::bad_request("this is no text in UTF-8, so it is no site map"))?;
    let _turn = CHECKS.acquire().await.map_err(|_| Refusal::stopping())?;
    let answered = tokio::task::spawn_blocking(move || json(&checked(&sites))).await;
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
