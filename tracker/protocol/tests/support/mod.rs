//! Values that announces and replies both have.

use std::net::{IpAddr, SocketAddr};

use narrows_protocol::Role;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn addr() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

pub(crate) fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::Gateway, Role::Member])
}
