//! Pieces on disk: staging, verification, resume data, making torrents. Blocking I/O.
