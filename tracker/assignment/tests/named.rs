//! Cases that have a name.

mod cases;
mod sim;
mod support;
