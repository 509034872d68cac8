//! The control port: status, metrics and commands over HTTP.
//!
//! `GET /status`, `GET /metrics`; `POST /pause`, `/resume`, `/verify`, `/look` (of all content, or
//! `?content=NAME_OR_HASH`) and `/reload`, with `Authorization: Bearer <token>`. Errors are JSON:
//! `{"error": ".."}`.

mod client;
mod metrics;
mod server;
mod token;

pub(crate) use client::{Client, ClientError};
pub(crate) use server::serve;
pub(crate) use token::Token;
