//! A run over time, as plain data: what the plot draws and the events are judged by.

/// What TCP/IP, Ethernet and BitTorrent add to the content on the wire: 66 bytes of headers (14 Ethernet, 20
/// IP, 32 TCP with timestamps) on 1,448 of payload, and 13 bytes of a piece message on 16 KiB.
pub const HEADERS: f64 = 1.045;

/// Progress per agent and bytes per link, sampled about five times a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// The agents' ids, seeders too, in the order of [`Sample::progress`].
    pub agents: Vec<String>,
    /// One per link and direction, `hq → b1`, in the order of [`Sample::link_bytes`].
    pub links: Vec<String>,
    /// In the order of time.
    pub samples: Vec<Sample>,
    /// What happened, with the second since the clients' start, in the order of time.
    pub events: Vec<(f64, String)>,
    /// The shortest time that the links allow, in seconds; `None` if they do not limit it.
    pub bound: Option<f64>,
}

/// A moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Seconds since the clients' start; what was before has negative ones.
    pub at: f64,
    /// Per agent, 0 to 1; of several contents the mean.
    pub progress: Vec<f64>,
    /// Per link and direction, wire bytes since the clients' start, with all headers: the kernel's counters
    /// in `--netns`, else what the agents say they fetched.
    pub link_bytes: Vec<u64>,
}

impl Timeline {
    /// Bytes that crossed a link in a direction until `at`, as of the last sample not after it.
    pub fn bytes_at(&self, link: usize, at: f64) -> u64 {
        let before = self.samples.iter().take_while(|sample| sample.at <= at).last();
        before.and_then(|sample| sample.link_bytes.get(link)).copied().unwrap_or(0)
    }
}
