//! The memory of bodies.

use std::ops::Deref;

use axum::body::Bytes;

/// A body as it grows. A single frame is not copied.
#[derive(Debug, Default)]
pub struct Buffer {
    /// All there is, while that is one frame.
    frame: Bytes,
    /// All there is, once it is more.
    frames: Option<Vec<u8>>,
}

impl Buffer {
    /// Adds what came.
    pub fn push(&mut self, data: Bytes) {
        // Most bodies are one frame, which is kept without a copy.
        if self.frames.is_none() && self.frame.is_empty() {
            self.frame = data;
            return;
        }
        let frame = std::mem::take(&mut self.frame);
        let memory = self.frames.get_or_insert_default();
        memory.reserve(frame.len() + data.len());
        memory.extend_from_slice(&frame);
        memory.extend_from_slice(&data);
    }

    /// Makes room for a body of so many bytes, for which there has to be a share
    /// of the budget.
    #[must_use]
    pub fn expect(self, length: usize) -> Self {
        let mut memory = Vec::with_capacity(length);
        memory.extend_from_slice(&self);
        Self { frame: Bytes::new(), frames: Some(memory) }
    }

    /// Returns the same without the room for more: it waits.
    #[must_use]
    pub fn fit(mut self) -> Self {
        if let Some(memory) = &mut self.frames {
            memory.shrink_to_fit();
        }
        self
    }

    /// Returns at most so many bytes of what is there, in memory of their own.
    #[must_use]
    pub fn beginning(self, most: usize) -> Self {
        // A slice of the frame would hold all of its memory.
        Self { frame: Bytes::copy_from_slice(self.get(..most).unwrap_or(&self)), frames: None }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.frames.as_ref().map_or(&self.frame, |memory| memory)
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
        buffer.frames.as_ref().map_or(0, Vec::capacity)
    }

    #[test]
    fn a_body_holds_no_more_than_its_length_while_it_comes() {
        assert!(held(&filled(None, 2, 10)) < 1000, "a small body has no share of the budget");
        assert_eq!(held(&filled(Some(100_000), 1, 10)), 100_000);
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
