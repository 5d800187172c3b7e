//! What a connection is doing, and since when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;

/// The states of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No request came yet; perhaps there is no TLS either.
    New = 0,
    /// Some bytes of a further request's head are there.
    Head = 1,
    /// Between requests.
    Idle = 2,
    /// A request is being answered.
    Busy = 3,
}

/// A connection's clock: one for each of its states.
#[derive(Debug)]
pub struct Clock {
    begun: Instant,
    /// Milliseconds from `begun` to the last change of state, times 4, plus
    /// the [`State`]: one word, so that both change at once.
    state: AtomicU64,
    /// Requests being answered. Held while `state` changes with it.
    busy: Mutex<u64>,
}

impl Clock {
    /// A connection that was just opened.
    pub fn start() -> Self {
        Self { begun: Instant::now(), state: AtomicU64::new(State::New as u64), busy: Mutex::default() }
    }

    /// The present state, and when it began; of [`State::Busy`] nobody asks when.
    pub fn get(&self) -> (State, Instant) {
        let word = self.state.load(Ordering::Relaxed);
        let state = match word % 4 {
            0 => State::New,
            1 => State::Head,
            2 => State::Idle,
            _ => State::Busy,
        };
        (state, self.begun + Duration::from_millis(word / 4))
    }

    /// When the present state has lasted too long; `None` while a request is
    /// being answered, which has a clock of its own.
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let (state, since) = self.get();
        match state {
            State::New | State::Head => Some(since + limits.head),
            State::Idle => Some(since + limits.idle),
            State::Busy => None,
        }
    }

    /// Bytes of HTTP/1 came in: between requests they begin a head.
    pub fn received(&self) {
        if self.get().0 == State::Idle {
            self.set(State::Head);
        }
    }

    /// A request came; it is being answered until what is returned is dropped.
    pub fn answering(self: &Arc<Self>) -> Answering {
        let mut busy = self.busy();
        *busy += 1;
        self.state.store(State::Busy as u64, Ordering::Relaxed);
        drop(busy);
        Answering(Arc::clone(self))
    }

    fn busy(&self) -> MutexGuard<'_, u64> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX / 4);
        self.state.store(elapsed * 4 + state as u64, Ordering::Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering(Arc<Clock>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut busy = self.0.busy();
        *busy -= 1;
        if *busy == 0 {
            self.0.set(State::Idle);
        }
    }
}
