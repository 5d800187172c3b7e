//! Lines on their way to the log. A request never waits for the writer: beyond
//! a number of bytes lines are dropped, and counted.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The time for which the writer gathers lines once it has written some: the first line after a
/// pause is written at once, and a flood of them in few writes.
const GATHERING: Duration = Duration::from_millis(5);

/// Bytes that the writer's buffer keeps from one batch to the next.
const KEPT: usize = 256 * 1024;

/// Lines that wait for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    writer: Condvar,
    /// Most bytes that may wait.
    most: usize,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    lines: u64,
    /// True if the writer sleeps until a line comes.
    is_writer_idle: bool,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Mutex::default(), writer: Condvar::new(), most, dropped: AtomicU64::new(0) }
    }

    /// Adds a line, or counts it as dropped where too much waits already.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.text.len() + line.len() > self.most || waiting.is_closed {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.text.extend_from_slice(line);
        waiting.lines += 1;
        // A writer that gathers wakes by itself, so a request does not pay for the system call.
        let wakes = std::mem::take(&mut waiting.is_writer_idle);
        // Before the wake, so that the writer does not begin with a wait for this lock.
        drop(waiting);
        if wakes {
            self.writer.notify_one();
        }
    }

    /// Takes no line any more; the writer ends when it has written the rest.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.writer.notify_one();
    }

    /// Returns lines dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes lines until the queue is closed. Those that `out` refuses count
    /// as dropped.
    pub(super) fn write(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let lines = self.take(&mut batch);
            if batch.is_empty() {
                return;
            }
            // A closed pipe or a full disk must not stop the webhook: the lines are counted as lost.
            if out.write_all(&batch).and_then(|()| out.flush()).is_err() {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
            }
            batch.clear();
            batch.shrink_to(KEPT);
            let is_open = |waiting: &mut Waiting| !waiting.is_closed;
            drop(self.writer.wait_timeout_while(self.lock(), GATHERING, is_open));
        }
    }

    /// Waits for lines, and puts all there are into `batch`, which is empty. It
    /// stays so when the queue is closed.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut waiting = self.lock();
        while waiting.text.is_empty() && !waiting.is_closed {
            waiting.is_writer_idle = true;
            waiting = self.writer.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        // The two buffers take turns, so that no batch allocates.
        std::mem::swap(&mut waiting.text, batch);
        std::mem::take(&mut waiting.lines)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;

    /// Reports each write, and waits for permission to continue.
    struct Gate {
        begun: Sender<()>,
        leave: Receiver<io::Result<()>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            // Without a sender any more, everything passes.
            self.leave.recv().unwrap_or(Ok(()))?;
            self.written.lock().expect("no panic").extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order_and_none_after_the_end() {
        let queue = Arc::new(Queue::new(1 << 20));
        let written = Arc::new(Mutex::new(Vec::new()));
        let (begun, _begun) = channel();
        let gate = Gate { begun, leave: channel().1, written: Arc::clone(&written) };
        let writer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.write(gate)
        });
        let expected = (0..1000).map(|number| number.to_string() + "\n").collect::<String>();
        for number in 0..1000 {
            queue.push(format!("{number}\n").as_bytes());
            if number % 100 == 0 {
                thread::sleep(GATHERING);
            }
        }
        queue.close();
        writer.join().expect("it ends");
        queue.push(b"late\n");
        assert_eq!(String::from_utf8_lossy(&written.lock().expect("no panic")), expected);
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn what_waits_at_the_end_is_written_though_there_was_no_writer() {
        let queue = Queue::new(100);
        queue.push(b"first\n");
        queue.push(b"last\n");
        queue.close();
        let mut written = Vec::new();
        queue.write(&mut written);
        assert_eq!((written.as_slice(), queue.dropped()), (b"first\nlast\n".as_slice(), 0));
    }

    #[test]
    fn a_writer_that_hangs_costs_lines_and_no_time() {
        let queue = Arc::new(Queue::new(100));
        let written = Arc::new(Mutex::new(Vec::new()));
        let ((begun, has_begun), (let_go, leave)) = (channel(), channel());
        let gate = Gate { begun, leave, written: Arc::clone(&written) };
        let writer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.write(gate)
        });
        queue.push(b"first\n");
        has_begun.recv().expect("it writes");
        // Twenty of them fit, whatever the writer does.
        for _ in 0..50 {
            queue.push(b"line\n");
        }
        assert_eq!(queue.dropped(), 30);
        let_go.send(Ok(())).expect("it waits");
        has_begun.recv().expect("it writes");
        let_go.send(Err(io::ErrorKind::BrokenPipe.into())).expect("it waits");
        drop(let_go);
        queue.close();
        writer.join().expect("it ends");
        assert_eq!(written.lock().expect("no panic").as_slice(), b"first\n");
        assert_eq!(queue.dropped(), 50, "what could not be written counts as well");
    }
}
