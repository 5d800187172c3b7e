//! Reading a request's body under a budget. Small ones are simply read. A large
//! one waits for its share of the budget before more than its beginning is
//! read, so that what callers send at once waits with them and not here.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::buffer::Buffer;
use super::concurrency::Permit;
use super::limits::Limits;

/// One permit of the budget stands for this many bytes.
const UNIT: usize = 1024;

/// Bodies that may wait for a share of the budget; further ones are refused at
/// once.
const QUEUE: usize = 64;

/// The bytes that all large bodies together may hold.
#[derive(Debug)]
pub struct Budget {
    bytes: Arc<Semaphore>,
    queue: Semaphore,
}

impl Budget {
    /// Returns a budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes: Arc::new(Semaphore::new(bytes / UNIT)), queue: Semaphore::new(QUEUE) }
    }

    /// Returns a share of so many bytes, if no other request waits for one.
    fn share_at_once(&self, bytes: usize) -> Option<Share> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Some(Share(Some(Arc::clone(&self.bytes).try_acquire_many_owned(units).ok()?)))
    }

    /// Returns a share of so many bytes, in turn; `None` when there is none until then.
    async fn share(&self, bytes: usize, until: Instant) -> Option<Share> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        // A longer queue would serve its last ones after their API server has stopped waiting.
        let _turn = self.queue.try_acquire().ok()?;
        let acquired = timeout_at(until, Arc::clone(&self.bytes).acquire_many_owned(units)).await;
        Some(Share(Some(acquired.ok()?.ok()?)))
    }
}

/// The part of the budget that a body holds while it lives.
#[derive(Debug, Default)]
pub struct Share(Option<OwnedSemaphorePermit>);

impl Share {
    /// Gives back what a body of so many bytes does not need.
    fn shrink(&mut self, bytes: usize) {
        if let Some(held) = &mut self.0 {
            // A body without a length in its head took the share of the longest one.
            let spare = held.num_permits().saturating_sub(bytes.div_ceil(UNIT));
            drop(held.split(spare));
        }
    }
}

/// The result of receiving a body.
#[derive(Debug)]
pub enum Received {
    /// All of it.
    Whole(Buffer, Share),
    /// Its beginning, and why not more.
    Beginning(Buffer, Lack),
    /// The caller broke off.
    Broken,
}

/// The reason why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It is longer than the limit.
    TooLong,
    /// Other large ones hold the budget.
    NoBudget,
    /// It did not come in time.
    TooSlow,
    /// It was slow, and others need the place.
    NoPlace,
}

impl Lack {
    /// Returns the cause and the remedy, for the caller.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "the request body exceeds 48 MiB; make the object smaller",
            Self::NoBudget => "overloaded: too many large requests are in flight; try again",
            Self::TooSlow => "request timeout: the body did not arrive in time; try again",
            Self::NoPlace => {
                "overloaded: too many requests are in flight, and the body arrived slowly; try again"
            }
        }
    }
}

/// The longest waits for a body.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// When its head was there.
    pub begun: Instant,
    /// When the answer is due.
    pub due: Instant,
}

impl Times {
    /// Leaves a tenth of the caller's patience for the way back.
    pub fn new(begun: Instant, patience: Duration) -> Self {
        // An answer after the time-out of the API server counts as none, and is thrown away.
        Self { begun, due: begun + patience * 9 / 10 }
    }

    /// Returns until when there may be waiting for a share: what comes after it takes time too.
    fn half(&self) -> Instant {
        self.begun + self.due.duration_since(self.begun) / 2
    }
}

/// The part of a body that has arrived.
#[derive(Debug)]
pub struct Begun {
    buffer: Buffer,
    /// The body's length, as its head says.
    announced: Option<usize>,
    /// The body's share of the budget, if it has one already.
    share: Option<Share>,
}

impl Begun {
    /// Begins with nothing. A body of no unusual length has its share at once,
    /// if there is one, and so its memory.
    pub fn new(body: &Body, budget: &Budget, limits: &Limits) -> Self {
        let announced = body.size_hint().exact();
        let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let buffer = Buffer::default();
        let is_usual = |length: &usize| *length > limits.small_body && *length <= limits.quick_body;
        let Some(length) = announced.filter(is_usual) else {
            return Self { buffer, announced, share: None };
        };
        match budget.share_at_once(length) {
            Some(share) => Self { buffer: buffer.expect(length), announced, share: Some(share) },
            None => Self { buffer, announced, share: None },
        }
    }

    /// Returns bytes that may be read now.
    const fn most(&self, limits: &Limits) -> usize {
        if self.share.is_some() { limits.body } else { limits.small_body }
    }
}

/// Reads a body that is there already, and for which nothing has to be waited
/// for; the usual one is.
///
/// # Errors
///
/// Returns the partially read body if it is not fully buffered yet.
pub async fn receive_at_once(body: &mut Body, mut begun: Begun, limits: &Limits) -> Result<Received, Begun> {
    let most = begun.most(limits);
    let filled = {
        let mut filling = pin!(fill_to(body, &mut begun.buffer, most));
        // Polled once: what has not arrived by now is waited for elsewhere.
        poll_fn(|cx| Poll::Ready(filling.as_mut().poll(cx))).await
    };
    match filled {
        Poll::Ready(Filled::Whole) => Ok(Received::Whole(begun.buffer, begun.share.unwrap_or_default())),
        Poll::Ready(Filled::Broken) => Ok(Received::Broken),
        Poll::Ready(Filled::Full) | Poll::Pending => Err(begun),
    }
}

/// Reads the rest of `body`.
pub async fn receive(
    body: &mut Body,
    begun: Begun,
    budget: &Budget,
    limits: &Limits,
    times: Times,
    place: &Permit,
) -> Received {
    let Begun { mut buffer, announced, share } = begun;
    let mut share = if let Some(share) = share {
        share
    } else {
        match fill(body, &mut buffer, limits.small_body, times.due, place).await {
            Ok(Filled::Whole) => return Received::Whole(buffer, Share::default()),
            Ok(Filled::Broken) => return Received::Broken,
            Ok(Filled::Full) => {}
            Err(lack) => return Received::Beginning(buffer, lack),
        }
        if announced.is_some_and(|length| length > limits.body) {
            return Received::Beginning(buffer, Lack::TooLong);
        }
        // A chunked body does not say how long it is: it needs the share of the longest one.
        let length = announced.unwrap_or(limits.body);
        let Some(share) = budget.share(length, times.half()).await else {
            return Received::Beginning(buffer, Lack::NoBudget);
        };
        buffer = buffer.expect(announced.unwrap_or_default());
        share
    };
    // The share is taken from others, so a slow sender does not keep it.
    let due = times.due.min(Instant::now() + limits.large_body);
    let lack = match fill(body, &mut buffer, limits.body, due, place).await {
        Ok(Filled::Whole) => {
            share.shrink(buffer.len());
            return Received::Whole(buffer, share);
        }
        Ok(Filled::Broken) => return Received::Broken,
        Ok(Filled::Full) => Lack::TooLong,
        Err(lack) => lack,
    };
    // The beginning has the uid, which the answer needs.
    Received::Beginning(buffer.beginning(limits.small_body), lack)
}

/// The filling of a buffer.
enum Filled {
    Whole,
    /// Further than requested.
    Full,
    Broken,
}

/// Reads until the body ends or the buffer holds more than `most`, or the caller
/// is waited for no longer.
async fn fill(
    body: &mut Body,
    buffer: &mut Buffer,
    most: usize,
    due: Instant,
    place: &Permit,
) -> Result<Filled, Lack> {
    match place.wait(timeout_at(due, fill_to(body, buffer, most))).await {
        None => Err(Lack::NoPlace),
        Some(Err(_)) => Err(Lack::TooSlow),
        Some(Ok(filled)) => Ok(filled),
    }
}

/// Reads until the body ends or the buffer holds more than `most`. It can be
/// dropped at any time, and what came is in the buffer.
async fn fill_to(body: &mut Body, buffer: &mut Buffer, most: usize) -> Filled {
    loop {
        if buffer.len() > most {
            return Filled::Full;
        }
        match body.frame().await {
            None => return Filled::Whole,
            Some(Err(_)) => return Filled::Broken,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    buffer.push(data);
                }
            }
        }
    }
}

/// Reads what is left of `body` and forgets it, until `deadline`. A caller who
/// is cut off while it still writes may see a broken connection instead of its
/// answer, and under failurePolicy Ignore a broken connection is a yes.
pub async fn discard(mut body: Body, deadline: Instant) {
    while let Ok(Some(Ok(_))) = timeout_at(deadline, body.frame()).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_usual_body_has_its_share_at_once_or_waits_for_it() {
        let limits = Limits::default();
        let budget = Budget::new(300 * 1024);
        let body = || Body::from(vec![b' '; 200 * 1024]);
        let (mut first, mut second) = (body(), body());
        let begun = Begun::new(&first, &budget, &limits);
        let received = receive_at_once(&mut first, begun, &limits).await;
        assert!(matches!(&received, Ok(Received::Whole(whole, _)) if whole.len() == 200 * 1024));
        let begun = Begun::new(&second, &budget, &limits);
        assert!(begun.share.is_none(), "the first has it");
        assert!(receive_at_once(&mut second, begun, &limits).await.is_err());
        drop(received);
        assert!(Begun::new(&body(), &budget, &limits).share.is_some(), "it is given back");
    }

    #[test]
    fn only_a_body_of_usual_length_is_given_memory_for_its_word() {
        let limits = Limits::default();
        let budget = Budget::new(limits.bodies);
        for (length, is_given) in [
            (limits.small_body, false),
            (limits.small_body + 1, true),
            (limits.quick_body, true),
            (limits.quick_body + 1, false),
        ] {
            let body = Body::from(vec![b' '; length]);
            assert_eq!(Begun::new(&body, &budget, &limits).share.is_some(), is_given, "{length}");
        }
    }
}
