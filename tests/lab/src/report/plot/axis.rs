//! Where a value is on a page, and which values are worth a line.

/// A line of values on a page: `from..to` lies over the pixels `start..end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Of these values on those pixels; a range of nothing becomes one of 1.
    pub(super) fn new((from, to): (f64, f64), (start, end): (f64, f64)) -> Scale {
        let to = if to > from { to } else { from + 1.0 };
        Scale { from, to, start, end }
    }

    /// The pixel of a value; what is outside, or no number, is at the nearest end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if value.is_nan() { self.from } else { value };
        let share = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.start + share * (self.end - self.start)
    }

    /// The last value.
    pub(super) fn to(&self) -> f64 {
        self.to
    }
}

/// At most `most` round values from 0 to `to`, evenly spaced; always 0. For seconds, steps that a clock has.
pub(super) fn ticks(to: f64, most: usize, seconds: bool) -> Vec<f64> {
    let most = most.max(1);
    let raw = to.max(0.0) / most as f64;
    if !raw.is_finite() || raw <= 0.0 {
        return vec![0.0];
    }
    let step = if seconds && raw > 10.0 {
        const CLOCK: [f64; 9] = [15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0];
        let hours = || (raw / 3600.0).ceil() * 3600.0;
        CLOCK.into_iter().find(|step| *step >= raw).unwrap_or_else(hours)
    } else {
        let power = 10f64.powf(raw.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        steps.into_iter().find(|step| *step >= raw).unwrap_or(10.0 * power)
    };
    (0..=most).map(|i| i as f64 * step).take_while(|tick| *tick <= to * (1.0 + 1e-9)).collect()
}

/// `40 s`, `2:30`, `1:02:00`; of short axes with the digits that tell ticks apart.
pub(super) fn clock(seconds: f64, all: f64) -> String {
    if all < 10.0 {
        return format!("{seconds:.1} s");
    }
    if all < 180.0 {
        return format!("{seconds:.0} s");
    }
    let whole = seconds.round().max(0.0) as u64;
    match whole / 3600 {
        0 => format!("{}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

/// `20 Mbit/s`: of bytes per second.
pub(super) fn rate(bytes_per_second: f64) -> String {
    let bits = bytes_per_second * 8.0;
    let (unit, scale) = match bits {
        bits if bits >= 0.9995e9 => ("Gbit/s", 1e9),
        bits if bits >= 0.9995e6 => ("Mbit/s", 1e6),
        _ => ("kbit/s", 1e3),
    };
    let number = bits / scale;
    match (number * 10.0).round() {
        tenths if tenths % 10.0 == 0.0 || number >= 100.0 => format!("{number:.0} {unit}"),
        _ => format!("{number:.1} {unit}"),
    }
}
