//! What an agent is asked by its system.

/// What the operating system asks of the agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    /// Stop gracefully.
    Stop,
    /// Read the configuration again.
    Reload,
}
