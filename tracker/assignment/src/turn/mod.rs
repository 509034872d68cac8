//! An announce under way, and what else changes a swarm: who has not come back, and a new site map.

mod announce;
mod expire;
mod identify;
mod remap;
mod reply;
