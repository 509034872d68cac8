//! Sizes and rates as people read them, the same in every program: decimal bytes, and bits per second as
//! links are rated.

use crate::Rate;

/// `2.09 GB`: three digits.
pub fn bytes(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| bytes >= 0.9995 * unit).unwrap_or((1.0, "B"));
    let number = bytes / unit;
    let digits = match number {
        n if n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} {name}")
}

/// `9.54 Mbit/s`: three digits, of bytes per second; nothing is `0`.
pub fn rate(bytes_per_second: f64) -> String {
    // what is not a number becomes 0, too
    let bits = (bytes_per_second * 8.0).round().max(0.0);
    if bits < 1.0 {
        return "0".to_owned();
    }
    let unit = 10f64.powf((bits.log10().floor() - 2.0).max(0.0));
    let rounded = (bits / unit).round() * unit;
    Rate::from_bits_per_second(rounded.min(1e18).round() as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_and_rates_are_bits() {
        for (size, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_140_000.0, "1.14 MB"),
            (20e6, "20 MB"),
            (2.094e9, "2.09 GB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        for (bytes_per_second, text) in [
            (0.0, "0"),
            (f64::NAN, "0"),
            (-1.0, "0"),
            (1_250_000.0, "10 Mbit/s"),
            (1_195_000.0, "9.56 Mbit/s"),
            (125.0, "1 kbit/s"),
            (12.5e9, "100 Gbit/s"),
        ] {
            assert_eq!(rate(bytes_per_second), text);
        }
    }
}
