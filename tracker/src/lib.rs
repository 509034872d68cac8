//! The Narrows tracker: HTTP announce and scrape, allow-list, site map reload, metrics.
