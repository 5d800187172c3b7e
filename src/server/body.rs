//! Reading a request's body under a budget. What does not fit is read to its
//! end all the same, and forgotten: a caller who is cut off while it still
//! writes sees a broken connection instead of an answer, and under
//! failurePolicy Ignore a broken connection is a yes.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;

/// One permit of the budget stands for this many bytes.
const UNIT: usize = 1024;

/// The share of the budget that a body grows by.
const STEP: usize = 1024 * 1024;

/// The bytes that all large bodies together may hold.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

/// What came of a body.
#[derive(Debug)]
pub enum Received {
    /// All of it.
    Whole(Bytes, Share),
    /// Its beginning, and why not more.
    Beginning(Bytes, &'static str),
    /// The caller broke off.
    Broken,
}

/// The part of the budget that a body holds while it lives.
#[derive(Debug, Default)]
pub struct Share(Option<OwnedSemaphorePermit>);

impl Share {
    fn grow(&mut self, budget: &Budget, bytes: usize) -> bool {
        match (&mut self.0, budget.take(bytes)) {
            (_, None) => false,
            (Some(held), Some(more)) => {
                held.merge(more);
                true
            }
            (none @ None, Some(more)) => {
                *none = Some(more);
                true
            }
        }
    }
}

/// Says why a body was not kept.
const TOO_LONG: &str = "the body is longer than the limit of 48 MiB";
const NO_BUDGET: &str = "too many large requests are under way";
const TOO_SLOW: &str = "the body did not arrive in time";

/// Reads `body` until `deadline`. `announced` is its length, where the caller
/// said so.
pub async fn receive(
    body: &mut Body,
    announced: Option<u64>,
    budget: &Budget,
    limits: &Limits,
    deadline: Instant,
) -> Received {
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut share = Share::default();
    let mut granted = limits.small_body;
    let mut refused = None;
    match announced {
        Some(length) if length > limits.body => refused = Some(TOO_LONG),
        Some(length) if length > granted => {
            if share.grow(budget, length) {
                granted = length;
            } else {
                refused = Some(NO_BUDGET);
            }
        }
        _ => {}
    }
    let mut buffer = Buffer::None;
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Received::Beginning(buffer.into_bytes(), TOO_SLOW),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Received::Broken,
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = granted.saturating_sub(buffer.len());
        if refused.is_none() && data.len() > room {
            let wanted = buffer.len() + data.len();
            let step = (wanted - granted).max(STEP).min(limits.body.saturating_sub(granted));
            if wanted > limits.body {
                refused = Some(TOO_LONG);
            } else if share.grow(budget, step) {
                granted += step;
            } else {
                refused = Some(NO_BUDGET);
            }
        }
        if refused.is_none() {
            buffer.push(data, announced);
        } else {
            buffer.keep_beginning(&data, limits.small_body);
            share = Share::default();
        }
    }
    match refused {
        None => Received::Whole(buffer.into_bytes(), share),
        Some(reason) => Received::Beginning(buffer.into_bytes(), reason),
    }
}

/// Reads what is left of `body` and forgets it, until `deadline`.
pub async fn discard(body: &mut Body, deadline: Instant) {
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

    fn push(&mut self, data: Bytes, announced: Option<usize>) {
        match self {
            Self::None => *self = Self::One(data),
            Self::One(first) => {
                let whole = announced.unwrap_or_default().max(first.len() + data.len());
                let mut bytes = Vec::with_capacity(whole);
                bytes.extend_from_slice(first);
                bytes.extend_from_slice(&data);
                *self = Self::Many(bytes);
            }
            Self::Many(bytes) => bytes.extend_from_slice(&data),
        }
    }

    /// Keeps at most `most` bytes of what is there and of `data`.
    fn keep_beginning(&mut self, data: &Bytes, most: usize) {
        let mut bytes = match std::mem::replace(self, Self::None) {
            Self::None => Vec::new(),
            Self::One(bytes) => bytes.to_vec(),
            Self::Many(bytes) => bytes,
        };
        if bytes.len() > most {
            bytes.truncate(most);
            bytes.shrink_to_fit();
        }
        let room = most.saturating_sub(bytes.len()).min(data.len());
        bytes.extend_from_slice(data.get(..room).unwrap_or_default());
        *self = Self::Many(bytes);
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.into(),
        }
    }
}
