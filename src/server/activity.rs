//! Tracks the activity of a connection, and its start.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;

/// The states of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
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
    /// the [`Activity`]: one word, so that both change at once.
    state: AtomicU64,
    /// Requests that came and whose answer is not written yet. Held while
    /// `state` changes with it.
    busy: Mutex<Busy>,
    /// Milliseconds from `begun` to when the stream took no more bytes, plus 1;
    /// 0 while it takes them.
    blocked: AtomicU64,
    /// True if the system gave up sending what was written.
    timed_out: AtomicBool,
}

/// Requests of a connection that came and whose answer is not written yet.
#[derive(Debug, Default)]
struct Busy {
    requests: u64,
    next: u64,
    /// When each answer that is made and not written was made, by number. They
    /// are few: as many as a connection may have requests in flight.
    unread: Vec<(u64, Instant)>,
}

impl Clock {
    /// Returns a connection that was just opened.
    pub fn start() -> Self {
        Self {
            begun: Instant::now(),
            state: AtomicU64::new(Activity::New as u64),
            busy: Mutex::default(),
            blocked: AtomicU64::new(0),
            timed_out: AtomicBool::new(false),
        }
    }

    /// Returns the present state, and when it began; no caller uses the time of [`Activity::Busy`].
    pub fn get(&self) -> (Activity, Instant) {
        let word = self.state.load(Ordering::Relaxed);
        let state = match word % 4 {
            0 => Activity::New,
            1 => Activity::Head,
            2 => Activity::Idle,
            _ => Activity::Busy,
        };
        (state, self.begun + Duration::from_millis(word / 4))
    }

    /// Returns when the present state has lasted too long; `None` while a request is
    /// being answered, which has a clock of its own.
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let (state, since) = self.get();
        match state {
            Activity::New | Activity::Head => Some(since + limits.head),
            Activity::Idle => Some(since + limits.idle),
            Activity::Busy => None,
        }
    }

    /// Returns since when the caller has been expected to read: when the oldest answer was made that is not
    /// written whole, or when the stream took no more bytes. A response that arrives byte by byte is no
    /// progress.
    pub fn unread_since(&self) -> Option<Instant> {
        let answer = self.busy().unread.iter().map(|(_, made)| *made).min();
        let blocked = self.blocked.load(Ordering::Relaxed).checked_sub(1);
        let blocked = blocked.map(|millis| self.begun + Duration::from_millis(millis));
        [answer, blocked].into_iter().flatten().min()
    }

    /// Notes that the stream took no more bytes.
    pub fn blocked(&self) {
        let now = self.elapsed() + 1;
        // Of several in a row the first counts: since then the caller has not read.
        let _ = self.blocked.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that the stream took all bytes.
    pub fn flushed(&self) {
        self.blocked.store(0, Ordering::Relaxed);
    }

    /// Notes that the system gave up sending what was written.
    pub fn timed_out(&self) {
        self.timed_out.store(true, Ordering::Relaxed);
    }

    /// Returns true if the system gave up sending what was written.
    pub fn has_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// Notes that bytes of HTTP/1 came in: between requests they begin a head.
    pub fn received(&self) {
        if self.get().0 == Activity::Idle {
            self.set(Activity::Head);
        }
    }

    /// Notes that a request came; it is in flight until what is returned is dropped.
    pub fn answering(self: &Arc<Self>) -> Answering {
        let mut busy = self.busy();
        busy.requests += 1;
        // Without a time, because no caller uses that of Busy.
        self.state.store(Activity::Busy as u64, Ordering::Relaxed);
        drop(busy);
        Answering { clock: Arc::clone(self), unread: None }
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> u64 {
        // Leaves room for the state in the two low bits.
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX / 4)
    }

    fn set(&self, state: Activity) {
        self.state.store(self.elapsed() * 4 + state as u64, Ordering::Relaxed);
    }
}

/// A request whose answer is not written yet.
#[derive(Debug)]
pub struct Answering {
    clock: Arc<Clock>,
    /// The number of the answer, once it is made.
    unread: Option<u64>,
}

impl Answering {
    /// Notes that the answer is made: from now on the caller is waited for.
    pub fn made(&mut self) {
        let mut busy = self.clock.busy();
        let number = busy.next;
        busy.next += 1;
        busy.unread.push((number, Instant::now()));
        self.unread = Some(number);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut busy = self.clock.busy();
        if let Some(place) = busy.unread.iter().position(|(number, _)| Some(*number) == self.unread) {
            busy.unread.swap_remove(place);
        }
        busy.requests -= 1;
        // Another request of the connection may be in flight: HTTP/2 has streams, HTTP/1.1 pipelining.
        if busy.requests == 0 {
            self.clock.set(Activity::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answer_that_is_not_written_counts() {
        let clock = Arc::new(Clock::start());
        let (mut first, mut second) = (clock.answering(), clock.answering());
        assert_eq!(clock.unread_since(), None, "none is made");
        first.made();
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        second.made();
        assert_eq!(clock.unread_since(), Some(begun));
        drop(second);
        assert_eq!(clock.unread_since(), Some(begun), "another answer was written");
        drop(first);
        assert_eq!((clock.unread_since(), clock.get().0), (None, Activity::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_blocked_until_all_of_it_is_flushed() {
        let clock = Clock::start();
        let begun = Instant::now();
        clock.blocked();
        tokio::time::sleep(Duration::from_secs(1)).await;
        clock.blocked();
        assert_eq!(clock.unread_since(), Some(begun));
        clock.flushed();
        assert_eq!(clock.unread_since(), None);
    }
}
