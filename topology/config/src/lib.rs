//! Files that people edit: sites.yaml, tracker.yaml, agent.yaml.
//!
//! A file is read to a tree in which everything knows its place ([`Node`]); its owner takes the values out of
//! it by a table of keys ([`Fields`]), and whatever is wrong goes to one [`Report`], so that all mistakes are
//! told at once, each with its line, a caret and what to do ([`Mistakes`]). Nothing here knows of sites or of
//! BitTorrent.

mod characters;
mod fields;
mod mistakes;
mod rate;
mod read;
mod report;
mod similar;
mod text;
mod tree;
pub mod units;
pub mod values;

pub use fields::{Fields, Key};
pub use mistakes::{LoadError, Mistake, Mistakes};
pub use rate::{Rate, RateError};
pub use read::{Subject, load, parse};
pub use report::{Place, Report};
pub use similar::{did_you_mean, nearest};
pub use tree::{Node, Value};
