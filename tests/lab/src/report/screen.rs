//! Where the table goes: a terminal is drawn over, anything else gets a line now and then.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::report::table;
use crate::report::view::View;

/// Standard output, or standard error when the former is for machines.
#[derive(Debug)]
pub struct Screen {
    machine: bool,
    terminal: bool,
    /// Lines of the last table that stand above the cursor.
    drawn: usize,
    next: Instant,
}

impl Screen {
    /// With `machine`, everything goes to standard error.
    pub fn new(machine: bool) -> Screen {
        let terminal = if machine {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal()
        };
        Screen {
            machine,
            terminal,
            drawn: 0,
            next: Instant::now(),
        }
    }

    /// Prints a line, below the table if there is one.
    pub fn say(&mut self, text: &str) {
        self.drawn = 0;
        self.write(&format!("{text}\n"));
    }

    /// Shows this moment, if it is time to.
    pub fn show(&mut self, view: &View, now: Instant) {
        if now < self.next {
            return;
        }
        if self.terminal {
            self.next = now + Duration::from_millis(250);
            let lines = table::render(view);
            self.write(&table::redraw(&lines, self.drawn));
            self.drawn = lines.len();
        } else {
            self.next = now + Duration::from_secs(5);
            self.write(&format!("{}\n", table::line(view)));
        }
    }

    /// Shows this moment, in full on a terminal.
    pub fn last(&mut self, view: &View) {
        self.next = Instant::now();
        self.show(view, self.next);
        self.drawn = 0;
    }

    fn write(&self, text: &str) {
        // a reader that closes the output wants no more of it; the run and its exit status go on
        let _ = match self.machine {
            true => std::io::stderr().lock().write_all(text.as_bytes()),
            false => {
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
        };
    }
}
