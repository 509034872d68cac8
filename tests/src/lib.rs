//! End-to-end tests and the lab.
