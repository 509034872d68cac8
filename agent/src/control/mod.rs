//! The control port: status, metrics and commands over HTTP.
//!
//! `GET /status`, `GET /metrics`; `POST /pause`, `/resume`, `/verify`, `/look` (of all content, or
//! `?content=NAME_OR_HASH`) and `/reload`, with `Authorization: Bearer <token>`. Errors are JSON:
//! `{"error": ".."}`. Who may ask: [`access`]; how many and for how long: [`listen`].

mod access;
mod client;
mod listen;
mod metrics;
mod patient;
mod server;
mod token;

pub(crate) use access::Access;
pub(crate) use client::{Client, ClientError};
pub(crate) use listen::serve;
pub(crate) use server::Control;
pub(crate) use token::Token;
