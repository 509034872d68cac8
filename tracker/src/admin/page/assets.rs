//! The page's files, part of the program.

use bytes::Bytes;
use hyper::StatusCode;

use crate::net::reply::{Response, typed};

macro_rules! files {
    ($($path:literal: $file:literal, $kind:literal;)*) => {
        /// (path, content type, content)
        const FILES: &[(&str, &str, &str)] = &[$(($path, $kind, include_str!(concat!("../../../page/", $file)))),*];
    };
}

files! {
    "/": "index.html", "text/html; charset=utf-8";
    "/page/page.css": "page.css", "text/css; charset=utf-8";
    "/page/main.js": "main.js", "text/javascript; charset=utf-8";
    "/page/text.js": "text.js", "text/javascript; charset=utf-8";
    "/page/map.js": "map.js", "text/javascript; charset=utf-8";
    "/page/rollouts.js": "rollouts.js", "text/javascript; charset=utf-8";
    "/page/agents.js": "agents.js", "text/javascript; charset=utf-8";
    "/page/offenders.js": "offenders.js", "text/javascript; charset=utf-8";
    "/page/check.js": "check.js", "text/javascript; charset=utf-8";
    "/page/icon.svg": "icon.svg", "image/svg+xml";
}

/// The file at this path.
pub(crate) fn asset(path: &str) -> Option<Response> {
    let (_, kind, content) = FILES.iter().find(|(at, ..)| *at == path)?;
    Some(typed(
        StatusCode::OK,
        kind,
        Bytes::from_static(content.as_bytes()),
    ))
}
