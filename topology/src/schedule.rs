//! When another rate stands.

use jiff::civil::{Time, Weekday};

use crate::Rate;

/// One line of a link's `schedule`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// By days since Monday.
    pub(crate) days: [bool; 7],
    /// Minutes since midnight, `0..=1439`.
    pub(crate) from: u16,
    /// Minutes since midnight, `1..=1440`; not after `from` means: on the following day.
    pub(crate) until: u16,
    pub(crate) rate: Rate,
}

impl Rule {
    /// Whether the rule stands at this local time. Hours that cross midnight belong to the day they begin on.
    pub(crate) fn matches(&self, day: Weekday, time: Time) -> bool {
        let minute = u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
        let today = usize::from(day.to_monday_zero_offset().unsigned_abs());
        let yesterday = (today + 6) % 7;
        if self.from < self.until {
            self.days[today] && (self.from..self.until).contains(&minute)
        } else {
            (self.days[today] && minute >= self.from) || (self.days[yesterday] && minute < self.until)
        }
    }
}
