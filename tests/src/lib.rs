//! End-to-end tests with other people's BitTorrent clients; the lab is `narrows-lab`, in `lab/`.
//!
//! ```
//! use narrows_tests::real::fleet::site;
//!
//! // the second byte of an address is its site: hq is 1, the branches are 2 and 3
//! assert_eq!(site("10.2.0.10".parse().unwrap()), 2);
//! ```

pub mod real;
