//! The secret that commands to a running agent need, in a file of its state folder.

use std::io;
use std::path::Path;

use narrows_host::bearer::{Bearer, Shown};
use narrows_host::private;

/// The secret that commands need: 64 hex digits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Token(Bearer);

impl Token {
    /// Reads the token at `path`, or makes a new one that only its owner can read: also in place of one that
    /// belongs to another user or that others could read, for they know it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn ensure(path: &Path) -> io::Result<Self> {
        if private::is_private(path) {
            if let Ok(token) = Self::read(path) {
                // also puts the permissions right
                token.write(path)?;
                return Ok(token);
            }
        } else if std::fs::symlink_metadata(path).is_ok() {
            tracing::warn!(path = %path.display(), "others may know this token; a new one takes its place");
        }
        let secret: [u8; 32] = rand::random();
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = Self(Bearer::new(hex));
        token.write(path)?;
        Ok(token)
    }

    /// Reads the token at `path`.
    ///
    /// # Errors
    /// The system's, or that it is none.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let text = text.trim();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(Bearer::new(text)))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "not a token"))
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        private::replace(path, |out| out.write_all(self.0.secret().as_bytes()))
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> String {
        self.0.header()
    }

    /// Whether the value of an `Authorization` header holds this token; takes as long for any wrong one.
    pub(crate) fn matches(&self, header: &[u8]) -> bool {
        self.0.shown_in(Some(header)) == Shown::Right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stays_the_same_over_restarts_and_only_its_bearer_passes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.token");
        let token = Token::ensure(&path).unwrap();
        assert_eq!(Token::ensure(&path).unwrap(), token);
        assert!(token.matches(token.header().as_bytes()));
        for wrong in [
            "",
            "Bearer ",
            "Bearer 00",
            &token.header()[..70],
            &token.header().replace("Bearer", "Basic"),
        ] {
            assert!(!token.matches(wrong.as_bytes()), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_others_could_have_put_there_or_read_is_not_taken_over() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (path, planted) = (dir.path().join("control.token"), dir.path().join("planted"));
        let secret = "0".repeat(64);
        let write = |path: &Path| private::replace(path, |out| out.write_all(secret.as_bytes())).unwrap();
        std::fs::write(&path, &secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(Token::ensure(&path).unwrap().0.secret(), secret);
        write(&planted);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&planted, &path).unwrap();
        assert_ne!(Token::ensure(&path).unwrap().0.secret(), secret);
        assert_eq!(
            std::fs::read_to_string(&planted).unwrap(),
            secret,
            "it is not written through"
        );
        if rustix::process::geteuid().is_root() {
            write(&path);
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            assert_ne!(Token::ensure(&path).unwrap().0.secret(), secret);
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_token() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.token");
        Token::ensure(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
