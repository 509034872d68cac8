//! TLS as Narrows' programs speak it: keys that a program makes itself, [pins](Pin) of public keys, the
//! certificate of one's own that stock clients want, and what a server and a client do with them.
//!
//! What belongs here is about TLS, and knows no socket, no HTTP and no configuration file. A key is known by its pin
//! and by nothing else: no name, no authority and no date are needed, so nothing runs out on 50,000 machines. A
//! company that has an authority of its own may use that instead, or both.
//!
//! ```
//! use narrows_tls::{Identity, Pin, Trust};
//!
//! let state = tempfile::tempdir()?;
//! let own = Identity::own(state.path(), &["tracker.example.com".to_owned()])?;
//! let pin: Pin = own.pin().to_string().parse()?;
//! let again = Identity::own(state.path(), &["tracker.example.com".to_owned()])?;
//! assert_eq!(again.pin(), &pin, "the key is made once");
//!
//! let trust = Trust { pins: vec![pin], authorities: None };
//! assert!(trust.client().is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;
mod client;
mod files;
mod identity;
mod key;
mod pin;

pub use client::{Fault, Trust, TrustError, WrongPin};
pub use files::FileError;
pub use identity::Identity;
pub use key::{make_key, read_key};
pub use pin::{Pin, PinError};

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// What all that is encrypted is encrypted with; no process-wide default is set or used.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
