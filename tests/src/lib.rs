//! End-to-end tests with other people's BitTorrent clients; the lab is `narrows-lab`, in `lab/`.

pub mod real;
