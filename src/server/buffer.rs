//! The memory of bodies.

use std::cell::Cell;
use std::ops::Deref;

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
        if self.is_empty() {
            self.frame = data;
        } else {
            self.in_memory(data.len()).extend_from_slice(&data);
        }
    }

    /// Makes room for a body of so many bytes.
    pub fn expect(&mut self, length: usize) {
        let further = length.saturating_sub(self.len());
        self.in_memory(further).reserve_exact(further);
    }

    /// What there is in one piece that can grow, by so many bytes at first.
    fn in_memory(&mut self, further: usize) -> &mut Vec<u8> {
        let frame = std::mem::take(&mut self.frame);
        let memory = self.frames.get_or_insert_with(|| {
            let mut memory = Memory::spare();
            memory.0.reserve(frame.len() + further);
            memory.0.extend_from_slice(&frame);
            memory
        });
        &mut memory.0
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

/// Most bytes that a thread keeps for its next body. They were the system's
/// before, and to ask it for them every time costs more than to fill them.
const KEPT: usize = 512 * 1024;

/// Memory that serves for the next body of the thread.
#[derive(Debug)]
struct Memory(Vec<u8>);

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Memory {
    fn spare() -> Self {
        Self(SPARE.try_with(Cell::take).unwrap_or_default())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.0);
        if memory.capacity() <= KEPT {
            memory.clear();
            // A thread that ends keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set(memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_usual_body_serves_again_and_holds_nothing_of_it() {
        let filled = |length: usize| {
            let mut buffer = Buffer::default();
            for _ in 0..3 {
                buffer.push(vec![b'a'; length].into());
            }
            assert_eq!(*buffer, *vec![b'a'; 3 * length]);
            buffer.as_ptr()
        };
        let first = filled(1000);
        assert_eq!(filled(500), first);
        filled(KEPT);
        assert!(SPARE.take().capacity() < KEPT);
    }

    #[test]
    fn a_single_frame_stays_where_it_is() {
        let mut buffer = Buffer::default();
        assert!(buffer.is_empty());
        let frame = Bytes::from(vec![1, 2, 3]);
        buffer.push(frame.clone());
        assert_eq!(buffer.as_ptr(), frame.as_ptr());
        buffer.expect(100);
        buffer.push(frame);
        assert_eq!(*buffer, [1, 2, 3, 1, 2, 3]);
        assert_eq!(*buffer.beginning(4), [1, 2, 3, 1]);
    }
}
