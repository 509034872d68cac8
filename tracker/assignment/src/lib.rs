//! Who gets which peers: the pure core of the tracker.
