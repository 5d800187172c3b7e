//! Signals that end the program: held back while a file is written, so that nothing half done is left.

use std::fs;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::exit::Exit;

/// The signals that end a program and that a user sends.
#[cfg(unix)]
const SIGNALS: &[i32] = &[SIGHUP, SIGINT, SIGTERM];
#[cfg(not(unix))]
const SIGNALS: &[i32] = &[SIGINT, SIGTERM];

/// The state that the handlers share.
#[derive(Debug, Default)]
struct Handlers {
    /// True while a signal ends the program at once.
    is_free: Arc<AtomicBool>,
    /// The signal that came while it was held back.
    came: Arc<AtomicUsize>,
    /// The number of [`Held`].
    depth: AtomicUsize,
}

impl Handlers {
    /// Installs the handlers, once in a process. Where the system refuses one, the signal ends the program
    /// as before.
    fn get() -> &'static Self {
        static HANDLERS: OnceLock<Handlers> = OnceLock::new();
        HANDLERS.get_or_init(|| {
            let handlers = Self::default();
            let ignored = fs::read_to_string("/proc/self/status").ok();
            let ignored = ignored.as_deref().and_then(ignored_signals).unwrap_or_default();
            // nohup ignores SIGHUP: a handler would end what has to stay.
            for signal in SIGNALS.iter().copied().filter(|signal| ignored & bit(*signal) == 0) {
                let Ok(number) = usize::try_from(signal) else { continue };
                // They run in this order: the first signal is noted, and a second one ends the program.
                let is_free = Arc::clone(&handlers.is_free);
                let _ = if is_first_process() {
                    flag::register_conditional_shutdown(signal, 128 + signal, is_free)
                } else {
                    flag::register_conditional_default(signal, is_free)
                };
                let _ = flag::register_usize(signal, Arc::clone(&handlers.came), number);
                let _ = flag::register(signal, Arc::clone(&handlers.is_free));
            }
            handlers
        })
    }
}

/// True in a command that awaits its signals itself.
static IS_AWAITED: AtomicBool = AtomicBool::new(false);

/// Leaves the signals to the command from now on: it awaits them, finishes what it does, and ends as it likes.
#[cfg(feature = "serve")]
pub(super) fn await_signals() {
    IS_AWAITED.store(true, Ordering::SeqCst);
}

/// The bit of a signal in a mask of the kernel.
fn bit(signal: i32) -> u64 {
    u32::try_from(signal - 1).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or_default()
}

/// Returns the mask of the signals that the process ignores, out of its `/proc/self/status`: what `nohup`
/// set stays so (`proc_pid_status(5)`).
fn ignored_signals(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Holds the signals back until it is dropped; a signal that came ends the program then. Holds nothing in a
/// command that awaits its signals.
#[derive(Debug)]
pub(super) struct Held(Option<&'static Handlers>);

impl Held {
    /// Begins to hold signals back. A second one ends the program at once.
    pub(super) fn begin() -> Self {
        if IS_AWAITED.load(Ordering::SeqCst) {
            return Self(None);
        }
        let handlers = Handlers::get();
        // Writes may be nested: the first begins to hold signals back, the last ends it.
        if handlers.depth.fetch_add(1, Ordering::SeqCst) == 0 {
            handlers.came.store(0, Ordering::SeqCst);
            handlers.is_free.store(false, Ordering::SeqCst);
        }
        Self(Some(handlers))
    }

    /// Returns the signal that came.
    pub(super) fn signal(&self) -> Option<Signal> {
        let came = i32::try_from(self.0?.came.load(Ordering::SeqCst)).ok()?;
        SIGNALS.contains(&came).then_some(Signal(came))
    }

    /// Ends the holding, and returns the signal that came: the caller ends the program.
    pub(super) fn end(self) -> Option<Signal> {
        let signal = self.signal();
        if let Some(handlers) = self.0 {
            // The caller gets it, so the drop must not end the program as well.
            handlers.came.store(0, Ordering::SeqCst);
        }
        signal
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(handlers) = self.0 else { return };
        if handlers.depth.fetch_sub(1, Ordering::SeqCst) == 1 {
            handlers.is_free.store(true, Ordering::SeqCst);
            if let Some(signal) = self.signal() {
                signal.end();
            }
        }
    }
}

/// Returns true for the first process of a container, which a signal of its own does not end
/// (`pid_namespaces(7)`).
fn is_first_process() -> bool {
    std::process::id() == 1
}

/// A signal that requests the end of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signal(i32);

impl Signal {
    /// Returns the name.
    pub(super) fn name(self) -> &'static str {
        low_level::signal_name(self.0).unwrap_or("a signal")
    }

    /// Ends the program by the signal itself, so that a loop of a shell ends, too. Otherwise returns the
    /// code that a shell has for it.
    pub(super) fn end(self) -> Exit {
        if !is_first_process() {
            let _ = low_level::emulate_default_handler(self.0);
        }
        Exit::Stopped(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        let mask = ignored_signals(status).expect("a mask");
        assert_eq!([1, SIGINT, SIGTERM].map(|signal| mask & bit(signal) != 0), [true, false, false]);
        assert_eq!(ignored_signals("Name:\tx\n"), None);
        assert_eq!(ignored_signals("SigIgn:\tx\n"), None);
    }
}
