//! The memory of bodies.

use std::cell::Cell;
use std::ops::{Deref, RangeInclusive};

use axum::body::Bytes;

/// A body as it grows. A single frame is not copied.
#[derive(Debug, Default)]
pub struct Buffer {
    /// All there is, while that is one frame.
    frame: Bytes,
    /// All there is, once it is more.
    frames: Option<Memory>,
}

impl Buffer {
    /// Adds what came.
    pub fn push(&mut self, data: Bytes) {
        if self.frames.is_none() && self.frame.is_empty() {
            self.frame = data;
            return;
        }
        let frame = std::mem::take(&mut self.frame);
        let memory = &mut self.frames.get_or_insert_default().0;
        memory.reserve(frame.len() + data.len());
        memory.extend_from_slice(&frame);
        memory.extend_from_slice(&data);
    }

    /// Makes room for a body of so many bytes, for which there has to be a share
    /// of the budget.
    #[must_use]
    pub fn expect(self, length: usize) -> Self {
        let mut memory = Memory::spare(length);
        memory.0.reserve_exact(length);
        memory.0.extend_from_slice(&self);
        Self { frame: Bytes::new(), frames: Some(memory) }
    }

    /// Returns the same without the room for more: it waits.
    #[must_use]
    pub fn fit(mut self) -> Self {
        if let Some(memory) = &mut self.frames {
            memory.0.shrink_to_fit();
        }
        self
    }

    /// At most so many bytes of what is there, in memory of their own.
    #[must_use]
    pub fn beginning(self, most: usize) -> Self {
        Self { frame: Bytes::copy_from_slice(self.get(..most).unwrap_or(&self)), frames: None }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.frames.as_ref().map_or(&self.frame, |memory| &memory.0)
    }
}

/// Bytes that a thread keeps for its next large body. To ask the
/// system for them every time takes time of each body.
const KEPT: RangeInclusive<usize> = 128 * 1024..=512 * 1024;

/// Memory that serves for a further body of the thread.
#[derive(Debug, Default)]
struct Memory(Vec<u8>);

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Memory {
    /// For a body of so many bytes: none that would hold much more than its
    /// share while the body comes.
    fn spare(length: usize) -> Self {
        let kept = SPARE.try_with(Cell::take).unwrap_or_default();
        Self(if kept.capacity() / 2 <= length { kept } else { Vec::new() })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.0);
        if KEPT.contains(&memory.capacity()) {
            memory.clear();
            // A thread that ends keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set(memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(expected: Option<usize>, frames: usize, length: usize) -> Buffer {
        let mut buffer = Buffer::default();
        if let Some(expected) = expected {
            buffer = buffer.expect(expected);
        }
        for _ in 0..frames {
            buffer.push(vec![b'a'; length].into());
        }
        assert_eq!(*buffer, *vec![b'a'; frames * length]);
        buffer
    }

    fn held(buffer: &Buffer) -> usize {
        buffer.frames.as_ref().map_or(0, |memory| memory.0.capacity())
    }

    #[test]
    fn memory_of_a_large_body_serves_again_and_holds_nothing_of_it() {
        let first = filled(Some(200_000), 2, 100_000).as_ptr();
        assert_eq!(filled(Some(150_000), 3, 50_000).as_ptr(), first);
        drop(filled(Some(4 * KEPT.end()), 4, *KEPT.end()));
        assert!(SPARE.take().capacity() <= *KEPT.end());
    }

    #[test]
    fn a_body_holds_no_more_than_about_its_length_while_it_comes() {
        drop(filled(Some(*KEPT.end()), 2, KEPT.end() / 2));
        assert!(held(&filled(None, 2, 10)) < 1000, "a small body has no share of the budget");
        drop(filled(Some(*KEPT.end()), 2, KEPT.end() / 2));
        assert!(held(&filled(Some(100_000), 1, 10)) <= 200_000);
    }

    #[test]
    fn a_small_body_leaves_the_memory_of_large_ones_where_it_is() {
        let first = filled(Some(200_000), 2, 100_000).as_ptr();
        drop(filled(None, 3, 1000));
        assert_eq!(filled(Some(200_000), 2, 100_000).as_ptr(), first);
    }

    #[test]
    fn a_body_that_waits_holds_its_length() {
        let buffer = filled(None, 5, 5000);
        assert!(held(&buffer) > 25_000, "it grew");
        assert_eq!(held(&buffer.fit()), 25_000);
    }

    #[test]
    fn a_single_frame_stays_where_it_is() {
        let mut buffer = Buffer::default();
        assert!(buffer.is_empty());
        let frame = Bytes::from(vec![1, 2, 3]);
        buffer.push(frame.clone());
        assert_eq!(buffer.as_ptr(), frame.as_ptr());
        buffer = buffer.expect(100);
        buffer.push(frame);
        assert_eq!(*buffer, [1, 2, 3, 1, 2, 3]);
        assert_eq!(*buffer.beginning(4), [1, 2, 3, 1]);
    }
}
