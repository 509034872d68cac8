//! Who may ask the control port: programs and people of this machine and of the monitoring, and no web page.
//!
//! What it says is not for everyone: info hashes are what peers are asked for content by. A page in a browser
//! could ask on behalf of whom reads it: from another site, which browsers say (Sec-Fetch-Site, W3C Fetch
//! Metadata), or from a name of its own that it lets point here (DNS rebinding), which then stands in `Host`.

use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{StatusCode, Uri};
use narrows_host::own_names::{OwnNames, is_own_page};

/// The names that the control port answers to.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    names: OwnNames,
}

/// Why a request is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Foreign {
    pub(super) status: StatusCode,
    /// What is wrong, and what to do.
    pub(super) problem: &'static str,
}

const FOREIGN_PAGE: Foreign = Foreign {
    status: StatusCode::FORBIDDEN,
    problem: "a page of another site may not ask anything here",
};

const FOREIGN_NAME: Foreign = Foreign {
    status: StatusCode::MISDIRECTED_REQUEST,
    problem: "the control port answers to an address, to localhost and to the machine's own name only; to reach it by this name, \
              add it in agent.yaml, as in `control_names: [munich-017.example.com]`",
};

impl Access {
    /// Answers to the name of this machine and to those of `control_names`.
    pub(crate) fn of(own: String, configured: Vec<String>) -> Self {
        let names = OwnNames::new(configured.into_iter().chain([own]));
        Self { names }
    }

    /// Whether a request with this head may be answered, whatever it asks.
    ///
    /// # Errors
    /// Says what is wrong, and what to do.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        if !headers.get_all("sec-fetch-site").iter().all(|site| is_own_page(site.as_bytes())) {
            return Err(FOREIGN_PAGE);
        }
        let is_own = |host: &HeaderValue| host.to_str().is_ok_and(|host| self.names.has(host));
        let is_here = headers.get_all(HOST).iter().all(is_own)
            && uri.authority().is_none_or(|authority| self.names.has(authority.as_str()));
        if is_here { Ok(()) } else { Err(FOREIGN_NAME) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)]) -> Result<(), Foreign> {
        let access = Access::of("munich-017".into(), vec!["agents.example.com".into()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        access.admit(&Uri::from_static("/status"), &map)
    }

    #[test]
    fn addresses_and_own_names_are_answered_and_no_name_that_a_stranger_can_have() {
        for own in [
            "127.0.0.1:6882",
            "10.2.0.10",
            "[::1]:6882",
            "[2001:db8::1]",
            "localhost",
            "LocalHost:6882",
            "munich-017:6882",
            "agents.example.com.",
            "Agents.Example.COM:80",
        ] {
            assert_eq!(asked(&[("host", own)]), Ok(()), "{own}");
        }
        for foreign in [
            "rebound.attacker.example",
            "rebound.attacker.example:6882",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "munich-017.attacker.example",
            "10.2.0.10@attacker.example",
            "",
            "x",
        ] {
            assert_eq!(asked(&[("host", foreign)]), Err(FOREIGN_NAME), "{foreign}");
        }
        let two = [("host", "localhost"), ("host", "attacker.example")];
        assert_eq!(asked(&two), Err(FOREIGN_NAME), "each of them");
        assert_eq!(asked(&[]), Ok(()), "no browser leaves it out");
        let access = Access::of("munich-017".into(), Vec::new());
        let absolute = Uri::from_static("http://attacker.example/status");
        assert_eq!(access.admit(&absolute, &HeaderMap::new()), Err(FOREIGN_NAME));
    }

    #[test]
    fn pages_of_other_sites_get_nothing_also_if_they_only_read() {
        for own in ["same-origin", "none"] {
            assert_eq!(asked(&[("sec-fetch-site", own), ("host", "localhost")]), Ok(()));
        }
        for foreign in ["cross-site", "same-site", "new-value", ""] {
            let got = asked(&[("sec-fetch-site", foreign), ("host", "localhost")]);
            assert_eq!(got, Err(FOREIGN_PAGE), "{foreign}");
        }
    }
}
