//! The places of requests under way. When all are taken, the one whose caller
//! has been waited for longest gives up its place: a body that trickles must
//! not cost those whose body is there.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// A caller may be waited for this long, even where places are short: a body
/// comes with its head, or a few round trips later.
const GRACE: Duration = Duration::from_millis(100);

/// How long it takes at most until a place that was given up is free.
const HANDOVER: Duration = Duration::from_millis(100);

/// All places.
#[derive(Debug)]
pub struct Places {
    free: Semaphore,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// By number, which is by age.
    here: BTreeMap<u64, (Instant, Arc<Notify>)>,
}

impl Places {
    /// So many.
    pub fn new(places: usize) -> Self {
        Self { free: Semaphore::new(places), waiting: Mutex::default() }
    }

    /// Takes a place that is free.
    pub fn try_take(&self) -> Option<Place<'_>> {
        let permit = self.free.try_acquire().ok()?;
        Some(Place { places: self, _permit: permit })
    }

    /// Takes a place, somebody's who has been waited for if it must be; `None`
    /// when there is none.
    pub async fn take(&self) -> Option<Place<'_>> {
        if let Some(place) = self.try_take() {
            return Some(place);
        }
        if !self.ask_the_slowest() {
            return None;
        }
        let permit = timeout(HANDOVER, self.free.acquire()).await.ok()?.ok()?;
        Some(Place { places: self, _permit: permit })
    }

    /// Whether one could be asked for its place.
    fn ask_the_slowest(&self) -> bool {
        let mut waiting = self.waiting();
        let Some(oldest) = waiting.here.first_entry() else { return false };
        if oldest.get().0.elapsed() < GRACE {
            return false;
        }
        let (_, wanted) = oldest.remove();
        wanted.notify_one();
        true
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, until this is dropped.
#[derive(Debug)]
pub struct Place<'p> {
    places: &'p Places,
    _permit: SemaphorePermit<'p>,
}

impl Place<'_> {
    /// Waits for the caller; `None` when somebody else needs the place more.
    pub async fn wait<T>(&self, caller: impl Future<Output = T>) -> Option<T> {
        let mut caller = pin!(caller);
        // What is there already costs no entry.
        if let Poll::Ready(came) = poll_fn(|cx| Poll::Ready(caller.as_mut().poll(cx))).await {
            return Some(came);
        }
        let entry = Entry::new(self.places);
        tokio::select! {
            biased;
            came = &mut caller => Some(came),
            () = entry.wanted.notified() => None,
        }
    }
}

/// An entry in the list of those who wait.
struct Entry<'p> {
    places: &'p Places,
    number: u64,
    wanted: Arc<Notify>,
}

impl<'p> Entry<'p> {
    fn new(places: &'p Places) -> Self {
        let wanted = Arc::new(Notify::new());
        let mut waiting = places.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.here.insert(number, (Instant::now(), Arc::clone(&wanted)));
        Self { places, number, wanted }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.places.waiting().here.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_slowest_gives_up_its_place() {
        let places = Places::new(2);
        let (first, second) = (places.take().await.expect("a place"), places.take().await.expect("a place"));
        let slow = async {
            let came = first.wait(std::future::pending::<()>()).await;
            drop(first);
            came
        };
        let newcomer = async {
            assert!(places.take().await.is_none(), "it has been waited for a moment only");
            tokio::time::sleep(GRACE).await;
            places.take().await.is_some()
        };
        assert_eq!(tokio::join!(slow, newcomer), (None, true));
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_being_judged_keeps_its_place() {
        let places = Places::new(1);
        let place = places.take().await.expect("a place");
        assert_eq!(place.wait(async { 7 }).await, Some(7));
        tokio::time::sleep(GRACE * 2).await;
        assert!(places.take().await.is_none());
    }
}
