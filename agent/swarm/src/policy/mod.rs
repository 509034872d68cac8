//! Small pure rules.
