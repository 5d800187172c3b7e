//! Reading a request's body under a budget. Small ones are simply read. A large
//! one waits for its share of the budget before more than its beginning is
//! read, so that what callers send at once waits with them and not here.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;
use super::places::Place;

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
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes: Arc::new(Semaphore::new(bytes / UNIT)), queue: Semaphore::new(QUEUE) }
    }

    /// A share of so many bytes, in turn; `None` when there is none until then.
    async fn share(&self, bytes: usize, until: Instant) -> Option<Share> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
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
            let spare = held.num_permits().saturating_sub(bytes.div_ceil(UNIT));
            drop(held.split(spare));
        }
    }
}

/// What came of a body.
#[derive(Debug)]
pub enum Received {
    /// All of it.
    Whole(Bytes, Share),
    /// Its beginning, and why not more.
    Beginning(Bytes, Lack),
    /// The caller broke off.
    Broken,
}

/// Why a body was not read to its end.
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
    /// For the caller.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "the body is longer than the limit of 48 MiB",
            Self::NoBudget => "too many large requests are under way",
            Self::TooSlow => "the body did not arrive in time",
            Self::NoPlace => "too many requests are under way, and the body did not arrive at once",
        }
    }
}

/// How long a body is waited for.
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
        Self { begun, due: begun + patience * 9 / 10 }
    }

    /// Until when there may be waiting for a share: what comes after it takes
    /// time too.
    fn half(&self) -> Instant {
        self.begun + self.due.duration_since(self.begun) / 2
    }
}

/// Reads `body`. `announced` is its length, where the caller said so.
pub async fn receive(
    body: &mut Body,
    announced: Option<u64>,
    budget: &Budget,
    limits: &Limits,
    times: Times,
    place: &Place<'_>,
) -> Received {
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    let mut buffer = Buffer::None;
    match fill(body, &mut buffer, limits.small_body, times.due, place).await {
        Ok(Filled::Whole) => return Received::Whole(buffer.into_bytes(), Share::default()),
        Ok(Filled::Broken) => return Received::Broken,
        Ok(Filled::Full) => {}
        Err(lack) => return Received::Beginning(buffer.into_bytes(), lack),
    }
    if announced.is_some_and(|length| length > limits.body) {
        return Received::Beginning(buffer.into_bytes(), Lack::TooLong);
    }
    let length = announced.unwrap_or(limits.body);
    let Some(mut share) = budget.share(length, times.half()).await else {
        return Received::Beginning(buffer.into_bytes(), Lack::NoBudget);
    };
    buffer.expect(announced.unwrap_or_default());
    let due = times.due.min(Instant::now() + limits.large_body);
    let lack = match fill(body, &mut buffer, limits.body, due, place).await {
        Ok(Filled::Whole) => {
            share.shrink(buffer.len());
            return Received::Whole(buffer.into_bytes(), share);
        }
        Ok(Filled::Broken) => return Received::Broken,
        Ok(Filled::Full) => Lack::TooLong,
        Err(lack) => lack,
    };
    Received::Beginning(buffer.beginning(limits.small_body), lack)
}

/// How far a buffer was filled.
enum Filled {
    Whole,
    /// Further than asked.
    Full,
    Broken,
}

/// Reads until the body ends or the buffer holds more than `most`.
async fn fill(
    body: &mut Body,
    buffer: &mut Buffer,
    most: usize,
    due: Instant,
    place: &Place<'_>,
) -> Result<Filled, Lack> {
    let filled = place
        .wait(timeout_at(due, async {
            loop {
                match body.frame().await {
                    None => return Filled::Whole,
                    Some(Err(_)) => return Filled::Broken,
                    Some(Ok(frame)) => {
                        let Ok(data) = frame.into_data() else { continue };
                        buffer.push(data);
                        if buffer.len() > most {
                            return Filled::Full;
                        }
                    }
                }
            }
        }))
        .await;
    match filled {
        None => Err(Lack::NoPlace),
        Some(Err(_)) => Err(Lack::TooSlow),
        Some(Ok(filled)) => Ok(filled),
    }
}

/// Reads what is left of `body` and forgets it, until `deadline`. A caller who
/// is cut off while it still writes may see a broken connection instead of its
/// answer, and under failurePolicy Ignore a broken connection is a yes.
pub async fn discard(mut body: Body, deadline: Instant) {
    while let Ok(Some(Ok(_))) = timeout_at(deadline, body.frame()).await {}
}

/// A body as it grows: a single frame is not copied.
enum Buffer {
    None,
    One(Bytes),
    Many(Vec<u8>),
}

impl Buffer {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, data: Bytes) {
        match self {
            Self::None => *self = Self::One(data),
            Self::One(first) => {
                let mut bytes = Vec::with_capacity(first.len() + data.len());
                bytes.extend_from_slice(first);
                bytes.extend_from_slice(&data);
                *self = Self::Many(bytes);
            }
            Self::Many(bytes) => bytes.extend_from_slice(&data),
        }
    }

    /// Makes room for a body of so many bytes.
    fn expect(&mut self, length: usize) {
        let mut bytes = match std::mem::replace(self, Self::None) {
            Self::None => Vec::new(),
            Self::One(bytes) => bytes.to_vec(),
            Self::Many(bytes) => bytes,
        };
        bytes.reserve_exact(length.saturating_sub(bytes.len()));
        *self = Self::Many(bytes);
    }

    /// At most so many bytes of what is there, in memory of their own.
    fn beginning(self, most: usize) -> Bytes {
        let bytes = self.into_bytes();
        Bytes::copy_from_slice(bytes.get(..most).unwrap_or(&bytes))
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.into(),
        }
    }
}
