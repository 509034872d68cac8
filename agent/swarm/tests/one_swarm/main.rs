//! One swarm among scripted and random peers.

#![allow(unreachable_pub, reason = "modules of one test program")]

mod cost;
mod extensions;
mod gateway;
mod hostile;
mod liars;
mod liveness;
mod neighbours;
mod pair;
mod progress;
mod share;
mod sites;
mod stock;
mod supply;
mod table;
mod unreachable;
mod upstreams;
mod wrong_hash;
