//! How fast a link is: htb at both ends, each for what leaves there. Pure: the text for `tc -batch`.

use narrows_topology::Rate;

/// How long a full queue takes to drain. Routers at slow links have about this; more would hide congestion
/// from TCP, much less would cost it throughput over paths of some tens of ms.
const QUEUE_SECONDS: f64 = 0.15;

/// The least queue: some ten packets.
const QUEUE_LEAST: u64 = 16 * 1514;

/// What an Ethernet frame of a full packet has, as htb counts it.
pub const FRAME: u64 = 1514;

/// Commands that shape what leaves `device`; `again` changes the rate of what is there. Unlimited is not
/// shaped.
///
/// htb has a single class. Its burst is what may leave at once: 2 ms of the rate, so that the kernel's timer
/// does not slow it, and at least two frames, as it must be more than one. The quantum is a frame, for there
/// is no other class to take turns with. The queue is a plain FIFO of bytes, bounded by time; what is too
/// much is dropped at its tail.
pub fn shape(device: &str, rate: Rate, again: bool) -> String {
    let Some(bytes) = rate.bytes_per_second() else {
        return match again {
            true => format!("qdisc del dev {device} root\n"),
            false => String::new(),
        };
    };
    // htb knows no rate of zero: 1 kbit/s is a packet in 12 s
    let bits = bytes.saturating_mul(8).max(1000);
    let burst = (bytes / 500).max(2 * FRAME);
    let queue = ((bytes as f64 * QUEUE_SECONDS) as u64).max(QUEUE_LEAST);
    let class = format!(
        "class replace dev {device} parent 1: classid 1:1 htb rate {bits}bit ceil {bits}bit burst {burst} \
         cburst {burst} quantum {FRAME}\n"
    );
    let leaf = format!("qdisc replace dev {device} parent 1:1 handle 2: bfifo limit {queue}\n");
    match again {
        true => class + &leaf,
        false => format!("qdisc add dev {device} root handle 1: htb default 1\n{class}{leaf}"),
    }
}

/// Commands after which nothing leaves `device`, as if the line were cut: no error tells of it.
pub fn cut(device: &str, rate: Rate) -> String {
    match rate.is_unlimited() {
        true => format!("qdisc replace dev {device} root handle 1: blackhole\n"),
        false => format!("qdisc replace dev {device} parent 1:1 handle 3: blackhole\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A full queue drains within a quarter of a second, unless that were less than some ten packets.
        #[test]
        fn the_queue_is_bounded_by_time(bits in 1_000u64..10_000_000_000) {
            let text = shape("l0a", Rate::from_bits_per_second(bits), false);
            let limit: u64 = text.split("limit ").nth(1).unwrap().trim().parse().unwrap();
            let seconds = limit as f64 * 8.0 / bits as f64;
            prop_assert!(seconds <= 0.25 || limit == QUEUE_LEAST, "{seconds}");
            let rate = format!("rate {}bit", bits / 8 * 8);
            prop_assert!(text.contains(&rate), "{text}");
        }
    }

    #[test]
    fn an_unlimited_link_is_not_shaped() {
        assert_eq!(shape("l0a", Rate::UNLIMITED, false), "");
        assert!(cut("l0a", Rate::UNLIMITED).contains("root"));
    }
}
