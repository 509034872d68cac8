//! The Narrows agent: fetches and seeds what the operator assigned.
