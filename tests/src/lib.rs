//! End-to-end tests and the lab.

pub mod lab;
