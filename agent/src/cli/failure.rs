//! Why a command failed: what a person is told, and the exit code.

use std::io;

use narrows_config::{LoadError, Mistakes};
use narrows_host::complain;

use crate::control::ClientError;
use crate::supervisor::StartError;

/// Exit code for a wrong configuration (EX_USAGE of sysexits.h).
const EXIT_CONFIG: u8 = 64;
/// Exit code if another agent uses the state folder (EX_UNAVAILABLE).
const EXIT_IN_USE: u8 = 69;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The configuration is wrong.
    Config(LoadError),
    /// What `check` found.
    Wrong(Wrong),
    /// The agent does not start.
    Start(StartError),
    /// Anything else; the exit code is 1.
    Other(anyhow::Error),
}

/// What is wrong with a configuration and with what it names.
#[derive(Debug)]
pub(super) struct Wrong {
    /// In the file itself.
    pub(super) mistakes: Option<Mistakes>,
    /// In the .torrent files and the places of contents.
    pub(super) contents: Vec<String>,
}

impl Wrong {
    /// As a compiler shows it, each beginning with `error:`.
    pub(super) fn shown(&self) -> String {
        let contents = self.contents.iter().map(|what| format!("error: {what}\n"));
        self.mistakes.iter().map(ToString::to_string).chain(contents).collect::<Vec<_>>().join("\n")
    }
}

impl Failure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Wrong(Wrong {
                mistakes: Some(_), ..
            }) => EXIT_CONFIG,
            Self::Start(StartError::StateInUse(_)) => EXIT_IN_USE,
            Self::Wrong(_) | Self::Start(_) | Self::Other(_) => 1,
        }
    }

    /// Says it on stderr.
    pub(super) fn tell(&self) {
        match self {
            Self::Config(error) => complain!("{}", error.shown().trim_end()),
            Self::Wrong(wrong) => complain!("{}", wrong.shown().trim_end()),
            _ => complain!("narrows-agent: {}", self.text()),
        }
    }

    /// With its causes, each said once.
    pub(super) fn text(&self) -> String {
        let error: &(dyn std::error::Error + 'static) = match self {
            Self::Config(error) => error,
            Self::Wrong(wrong) => return wrong.shown().trim_end().to_owned(),
            Self::Start(error) => error,
            Self::Other(error) => error.as_ref(),
        };
        let mut text = error.to_string();
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        for cause in causes.map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        text
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::Config(error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Other(error.into())
    }
}
