//! The peer wire protocol: messages, handshake, extension handshake. No I/O.
