//! Writing the query of an announce.

use std::fmt::{self, Write as _};

use super::{
    AgentReport, AnnounceRequest, GatewayPreference, MAX_BROUGHT, MAX_GONE, MAX_SEEN_OFFENDERS, MAX_SOURCES,
    Sharing,
};
use crate::announce::keys::{agent, request};
use crate::query;

impl AnnounceRequest {
    /// Writes the query that [`AnnounceRequest::parse`] reads.
    pub fn to_query(&self) -> String {
        let mut out = Query(String::with_capacity(384));
        out.bytes(request::INFO_HASH, &self.info_hash.0);
        out.bytes(request::PEER_ID, &self.peer_id.0);
        out.pair(request::PORT, self.port);
        out.pair(request::UPLOADED, self.uploaded);
        out.pair(request::DOWNLOADED, self.downloaded);
        if self.left != u64::MAX {
            out.pair(request::LEFT, self.left);
        }
        out.pair(request::COMPACT, u8::from(self.compact));
        out.flag(request::NO_PEER_ID, self.no_peer_id);
        out.optional(request::EVENT, self.event.as_str());
        out.optional(request::NUMWANT, self.numwant);
        if let Some(key) = self.key {
            out.pair(request::KEY, format_args!("{key:08X}"));
        }
        out.optional(request::IP, self.ip);
        if let Some(report) = &self.narrows {
            report.write(&mut out);
        }
        out.0
    }
}

impl AgentReport {
    fn write(&self, out: &mut Query) {
        out.flag(agent::NARROWS, true);
        out.bytes(agent::AGENT, self.agent.as_bytes());
        out.pair(agent::ROLE, self.role.as_str());
        out.pair(agent::WAN, self.wan);
        if self.reused > 0 {
            out.pair(agent::REUSED, self.reused);
        }
        out.flag(agent::WANTED, self.wanted);
        out.optional(agent::GATEWAY, self.gateway);
        out.optional(agent::LOST, self.lost);
        out.flag(agent::STALLED, self.stalled);
        out.flag(agent::RESTARTED, self.restarted);
        for gone in self.gone.iter().take(MAX_GONE) {
            out.pair(agent::GONE, gone);
        }
        for (site, bytes) in self.sources.iter().take(MAX_SOURCES) {
            out.bytes(agent::FROM, site.as_bytes());
            // writing to a String cannot fail
            let _ = write!(out.0, ":{bytes}");
        }
        for (addr, bytes) in self.brought.iter().take(MAX_BROUGHT) {
            out.pair(agent::BY, format_args!("{addr}:{bytes}"));
        }
        match self.preference {
            GatewayPreference::Auto => {}
            GatewayPreference::Never => out.pair(agent::GW, "never"),
            GatewayPreference::Prefer => out.pair(agent::GW, "prefer"),
        }
        match self.share {
            Sharing::Always => {}
            Sharing::Never => out.pair(agent::SHARE, "never"),
        }
        out.optional(agent::METRICS, self.metrics);
        out.optional(agent::NETWORKS, self.networks);
        out.optional(agent::RATES, self.rates);
        for seen in self.offenders.iter().take(MAX_SEEN_OFFENDERS) {
            out.pair(agent::OFFENDER, seen);
        }
    }
}

/// A query under way.
struct Query(String);

impl Query {
    fn key(&mut self, key: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(key);
        self.0.push('=');
    }

    /// A value that needs no encoding.
    fn pair(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        // writing to a String cannot fail
        let _ = write!(self.0, "{value}");
    }

    fn optional(&mut self, key: &str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.pair(key, value);
        }
    }

    /// `key=1`, if it is so.
    fn flag(&mut self, key: &str, is_set: bool) {
        if is_set {
            self.pair(key, 1);
        }
    }

    /// A value that is percent-encoded.
    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        query::encode(value, &mut self.0);
    }
}
