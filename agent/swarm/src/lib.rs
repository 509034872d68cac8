//! One content's swarm as a pure state machine: event and time in, actions out.
