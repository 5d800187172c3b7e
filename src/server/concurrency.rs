//! The places of requests in flight. A request keeps its place until its answer
//! is written. No address gets more than half of the places. When all are taken,
//! the request whose caller has been waited for longest gives up its place: a body
//! that trickles must not cost those whose body is there.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// A caller may be waited for this long, even where places are short: a body
/// comes with its head, or a few round trips later, and so does the reading of an
/// answer.
pub const GRACE: Duration = Duration::from_millis(100);

/// The longest time until a permit that was given up is free.
const HANDOVER: Duration = Duration::from_millis(250);

/// The places that one address may have, which all its connections share.
#[derive(Debug)]
pub struct Source(Arc<Semaphore>);

impl Source {
    /// Limits an address that holds none of `places`: half of them.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places.div_ceil(2))))
    }
}

/// All places.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    free: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// By number, which is by age.
    here: BTreeMap<u64, Slow>,
}

/// A request whose caller is waited for.
#[derive(Debug)]
struct Slow {
    since: Instant,
    wanted: Arc<Notify>,
    source: Arc<Source>,
}

impl ConcurrencyLimit {
    /// Makes so many places.
    pub fn new(places: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(places)), waiting: Mutex::default() }
    }

    /// Takes a place that is free, for a caller from `source`.
    pub fn try_take(self: &Arc<Self>, source: &Arc<Source>) -> Option<Permit> {
        // First the share of the address, so that it cannot take a place that is not its own.
        let share = Arc::clone(&source.0).try_acquire_owned().ok()?;
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Permit { places: Arc::clone(self), source: Arc::clone(source), _permits: (share, permit) })
    }

    /// Takes a place, if needed from a caller that has been waited for; `None` if
    /// there is none. `dismiss` ends connections that do not read their
    /// answers, of the address or of any, and says whether there were some.
    pub async fn take(
        self: &Arc<Self>,
        source: &Arc<Source>,
        dismiss: impl Fn(Option<&Arc<Source>>) -> bool,
    ) -> Option<Permit> {
        let make_room = |of: Option<&Arc<Source>>| self.ask_the_slowest(of) || dismiss(of);
        let share = take_one(&source.0, || make_room(Some(source))).await?;
        let permit = take_one(&self.free, || make_room(None)).await?;
        Some(Permit { places: Arc::clone(self), source: Arc::clone(source), _permits: (share, permit) })
    }

    /// Returns true if one was found whose place is taken back.
    fn ask_the_slowest(&self, of: Option<&Arc<Source>>) -> bool {
        let mut waiting = self.waiting();
        let is_of = |slow: &Slow| of.is_none_or(|source| Arc::ptr_eq(source, &slow.source));
        let oldest = waiting.here.iter().find(|(_, slow)| is_of(slow));
        let Some((number, _)) = oldest.filter(|(_, slow)| slow.since.elapsed() >= GRACE) else {
            return false;
        };
        let number = *number;
        if let Some(slow) = waiting.here.remove(&number) {
            slow.wanted.notify_one();
        }
        true
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a permit that is free, or that becomes free once room is made.
async fn take_one(free: &Arc<Semaphore>, make_room: impl Fn() -> bool) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(free).try_acquire_owned() {
        return Some(permit);
    }
    if !make_room() {
        return None;
    }
    // The one that gives up its place still writes an answer.
    timeout(HANDOVER, Arc::clone(free).acquire_owned()).await.ok()?.ok()
}

/// A place, until this is dropped.
#[derive(Debug)]
pub struct Permit {
    places: Arc<ConcurrencyLimit>,
    source: Arc<Source>,
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Permit {
    /// Waits for the caller; `None` if another caller gets the place.
    pub async fn wait<T>(&self, caller: impl Future<Output = T>) -> Option<T> {
        let mut caller = pin!(caller);
        // A value that is ready costs no entry.
        if let Poll::Ready(came) = poll_fn(|cx| Poll::Ready(caller.as_mut().poll(cx))).await {
            return Some(came);
        }
        let entry = Waiter::new(self);
        tokio::select! {
            // A body that came at last is worth more than the place.
            biased;
            came = &mut caller => Some(came),
            () = entry.wanted.notified() => None,
        }
    }
}

/// An entry in the list of those who wait.
struct Waiter<'p> {
    places: &'p ConcurrencyLimit,
    number: u64,
    wanted: Arc<Notify>,
}

impl<'p> Waiter<'p> {
    fn new(place: &'p Permit) -> Self {
        let wanted = Arc::new(Notify::new());
        let mut waiting = place.places.waiting();
        let number = waiting.next;
        waiting.next += 1;
        let slow =
            Slow { since: Instant::now(), wanted: Arc::clone(&wanted), source: Arc::clone(&place.source) };
        waiting.here.insert(number, slow);
        Self { places: &place.places, number, wanted }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.places.waiting().here.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(places: usize) -> (Arc<ConcurrencyLimit>, Arc<Source>, Arc<Source>) {
        (
            Arc::new(ConcurrencyLimit::new(places)),
            Arc::new(Source::new(places)),
            Arc::new(Source::new(places)),
        )
    }

    const NOBODY: fn(Option<&Arc<Source>>) -> bool = |_| false;

    #[tokio::test(start_paused = true)]
    async fn the_slowest_gives_up_its_place() {
        let (places, one, other) = with(2);
        let first = places.take(&one, NOBODY).await.expect("a place");
        let second = places.take(&other, NOBODY).await.expect("a place");
        let third = Arc::new(Source::new(2));
        let slow = async {
            let came = first.wait(std::future::pending::<()>()).await;
            drop(first);
            came
        };
        let newcomer = async {
            assert!(places.take(&third, NOBODY).await.is_none(), "it has been waited for a moment only");
            tokio::time::sleep(GRACE).await;
            places.take(&third, NOBODY).await.is_some()
        };
        assert_eq!(tokio::join!(slow, newcomer), (None, true));
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_being_judged_keeps_its_place() {
        let (places, one, _) = with(1);
        let place = places.take(&one, NOBODY).await.expect("a place");
        assert_eq!(place.wait(async { 7 }).await, Some(7));
        tokio::time::sleep(GRACE * 2).await;
        assert!(places.take(&one, NOBODY).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_half_of_the_places_and_its_own_slowest_goes() {
        let (places, many, honest) = with(4);
        let held = [places.try_take(&many).expect("a place"), places.try_take(&many).expect("a place")];
        assert!(places.try_take(&many).is_none(), "half are taken");
        assert!(places.take(&many, NOBODY).await.is_none());
        let other = places.try_take(&honest).expect("a place");
        let [first, second] = held;
        let waits = async {
            let came = first.wait(std::future::pending::<()>()).await;
            drop(first);
            came
        };
        let elsewhere = async { timeout(GRACE * 3, other.wait(std::future::pending::<()>())).await.is_err() };
        let next = async {
            tokio::time::sleep(GRACE).await;
            places.take(&many, NOBODY).await.is_some()
        };
        assert_eq!(tokio::join!(waits, elsewhere, next), (None, true, true));
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_dismissed_where_no_place_is_free() {
        let (places, one, other) = with(1);
        let unread = Mutex::new(places.try_take(&one));
        let dismiss = |_: Option<&Arc<Source>>| unread.lock().expect("a place").take().is_some();
        assert!(places.take(&other, dismiss).await.is_some());
    }
}
