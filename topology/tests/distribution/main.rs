//! What is distributed over random maps: forests, fair shares, bounds.

mod advice;
mod fair;
mod forest;
mod meshes;
mod newcomer;
mod plan;
mod stripes;
mod support;
