//! The terminal, in which Burn's dashboard draws, and the signals that come from it and from elsewhere.

use burn::train::renderer::MetricsRenderer;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn_descent::train::StopSignal;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a program ends with that was interrupted, as a shell has it.
const INTERRUPTED: i32 = 130;
/// Between two looks at what another thread does.
const MOMENT: Duration = Duration::from_millis(1);

/// Lets Ctrl-C, and with it SIGTERM and SIGHUP, ask for a stop: after the step, with everything saved. A second one
/// ends the program at once, and so does the first where nothing trains that could answer it, as in a download or a
/// test; `again` then says how to go on. Either way the terminal is as it was before.
///
/// It takes effect once in a program, and is to be called before [`dashboard`].
pub fn on_signals(stop: &StopSignal, again: String) {
    let (stop, terminal) = (stop.clone(), Terminal::now());
    // Without a handler, signals end the program at once; the last checkpoint is whole all the same.
    let _ = ctrlc::set_handler(move || {
        let gone = terminal.survive();
        if stop.is_attended() && !stop.given() {
            stop.give();
            if gone {
                // A dashboard without a terminal may never come to its end: what is saved by then is all there is.
                while stop.is_attended() {
                    std::thread::sleep(MOMENT);
                }
                std::process::exit(INTERRUPTED);
            }
            return;
        }
        terminal.restore();
        // Whoever sent the signal may have closed the terminal.
        let _ = writeln!(std::io::stderr(), "{again}");
        std::process::exit(INTERRUPTED);
    });
}

/// Opens Burn's dashboard, in which Ctrl-C is a signal as everywhere else; by itself it takes the key and does nothing.
/// `done` counts the epochs that are over.
pub fn dashboard(stop: &StopSignal, done: usize) -> Box<dyn MetricsRenderer> {
    DRAWN.store(true, Ordering::Relaxed);
    let renderer = TuiMetricsRendererWrapper::new(stop.interrupter(), (done > 0).then_some(done));
    Terminal::keep_signals();
    Box::new(renderer)
}

/// Prints a line. A reader that has gone away (`| head`) is no reason to fail.
pub fn print(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The settings of the terminal at some time.
struct Terminal {
    #[cfg(unix)]
    settings: Option<nix::sys::termios::Termios>,
    /// Whether standard output is a terminal.
    #[cfg(unix)]
    draws: bool,
    /// Whether standard error is.
    #[cfg(unix)]
    reports: bool,
}

/// Whether a dashboard has been opened.
static DRAWN: AtomicBool = AtomicBool::new(false);
/// Leaves the other screen, which a dashboard that is just closing has not left yet, and shows the cursor.
const LEAVE_SCREEN: &str = "\x1b[?1047l\x1b[?25h";
/// Leaves what a dashboard has turned on: reports of the mouse, the other screen, the hidden cursor.
const LEAVE: &str = "\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h";

#[cfg(unix)]
impl Terminal {
    fn file() -> Option<std::fs::File> {
        std::fs::File::options().read(true).write(true).open("/dev/tty").ok()
    }

    fn now() -> Self {
        Self {
            settings: Self::file().and_then(|file| nix::sys::termios::tcgetattr(&file).ok()),
            draws: std::io::stdout().is_terminal(),
            reports: std::io::stderr().is_terminal(),
        }
    }

    fn restore(&self) {
        use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

        let (Some(mut file), Some(settings)) = (Self::file(), &self.settings) else { return };
        // Where nothing has been changed, there is no other screen to leave.
        if tcgetattr(&file).is_ok_and(|now| now.local_flags != settings.local_flags) {
            let _ = file.write_all(LEAVE.as_bytes());
            let _ = tcsetattr(&file, SetArg::TCSANOW, settings);
        } else if DRAWN.load(Ordering::Relaxed) {
            let _ = file.write_all(LEAVE_SCREEN.as_bytes());
        }
    }

    /// Lets everything that is still to be printed go nowhere where the terminal has been closed: Burn's dashboard and
    /// panic hook fail if they cannot write. Tells whether it is.
    fn survive(&self) -> bool {
        use nix::unistd::{dup2_stderr, dup2_stdout};

        let gone = [self.draws && !std::io::stdout().is_terminal(), self.reports && !std::io::stderr().is_terminal()];
        if let Ok(nowhere) = std::fs::File::options().write(true).open("/dev/null") {
            let _ = gone[0].then(|| dup2_stdout(&nowhere));
            let _ = gone[1].then(|| dup2_stderr(&nowhere));
        }
        gone.contains(&true)
    }

    /// Waits until the dashboard, on a thread of its own, has turned the terminal raw, then turns signals on again.
    fn keep_signals() {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

        let Some(file) = Self::file() else { return };
        for _ in 0..2000 {
            let Ok(mut settings) = tcgetattr(&file) else { return };
            if !settings.local_flags.contains(LocalFlags::ICANON) {
                settings.local_flags.insert(LocalFlags::ISIG);
                let _ = tcsetattr(&file, SetArg::TCSANOW, &settings);
                return;
            }
            std::thread::sleep(MOMENT);
        }
    }
}

#[cfg(not(unix))]
impl Terminal {
    fn now() -> Self {
        Self {}
    }

    fn restore(&self) {
        let _ = std::io::stdout().write_all(LEAVE.as_bytes());
    }

    fn survive(&self) -> bool {
        false
    }

    fn keep_signals() {}
}
