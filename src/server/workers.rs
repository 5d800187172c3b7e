//! The threads that answer. Each has an event loop of its own, and a connection
//! stays with the one it was given to: an answer takes microseconds, and so would
//! handing it from thread to thread.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::watch;

/// Makes the event loop of one thread.
///
/// # Errors
///
/// When the system gives none.
pub fn event_loop() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// The calling thread's event loop and those of further ones. They end when this
/// is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    own: Worker,
    others: Vec<Worker>,
    /// Closed when it is dropped, which tells the threads to end.
    _running: watch::Sender<()>,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// One owner here, and one for each connection.
    connections: Arc<()>,
}

impl Worker {
    fn new(handle: Handle) -> Self {
        Self { handle, connections: Arc::default() }
    }

    fn load(&self) -> usize {
        Arc::strong_count(&self.connections)
    }
}

impl Workers {
    /// Starts threads, so that with the calling one, which is inside an event
    /// loop, there are `number`.
    ///
    /// # Errors
    ///
    /// When the system gives no more threads or files.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let running = watch::Sender::new(());
        let others = (1..number).map(|_| start_one(running.subscribe())).collect::<io::Result<_>>()?;
        Ok(Self { own: Worker::new(Handle::current()), others, _running: running })
    }

    /// Has the worker with the fewest connections serve one more.
    pub(super) fn serve<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let worker = self.others.iter().min_by_key(|worker| worker.load());
        // On a tie this thread serves it, because another one would have to be woken.
        let Some(worker) = worker.filter(|worker| worker.load() < self.own.load()) else {
            let counted = Arc::clone(&self.own.connections);
            let served = serve(stream);
            self.own.handle.spawn(async move {
                served.await;
                drop(counted);
            });
            return;
        };
        let counted = Arc::clone(&worker.connections);
        // A stream belongs to the event loop in which it is made.
        let stream = stream.into_std();
        worker.handle.spawn(async move {
            if let Ok(stream) = stream.and_then(TcpStream::from_std) {
                serve(stream).await;
            }
            drop(counted);
        });
    }
}

/// Starts a thread that runs until `running` is closed.
fn start_one(mut running: watch::Receiver<()>) -> io::Result<Worker> {
    let event_loop = event_loop()?;
    let worker = Worker::new(event_loop.handle().clone());
    thread::Builder::new().name("worker".to_owned()).spawn(move || {
        event_loop.block_on(async { while running.changed().await.is_ok() {} });
        // Dropping it would wait for each blocking task, such as a read from a volume that hangs
        // (tokio::runtime::Runtime).
        event_loop.shutdown_background();
    })?;
    Ok(worker)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::mpsc;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn each_worker_has_its_share_and_the_next_goes_where_one_left() {
        let (sender, seen) = mpsc::channel();
        let event_loop = event_loop().expect("an event loop");
        event_loop.block_on(async {
            let workers = Workers::start(3).expect("threads");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("its address");
            let mut callers = Vec::new();
            for _ in 0..6 {
                callers.push(TcpStream::connect(address).await.expect("a connection"));
                let (stream, _) = listener.accept().await.expect("a connection");
                let sender = sender.clone();
                workers.serve(stream, move |mut stream| async move {
                    let _ = sender.send(thread::current().id());
                    let _ = stream.read(&mut [0]).await;
                });
            }
            let loads = || std::iter::once(&workers.own).chain(&workers.others).map(Worker::load);
            assert!(loads().all(|load| load == 3), "two each, and the owner");
            // The tasks of this thread run only while it waits.
            let mut by_thread = BTreeMap::<String, usize>::new();
            while by_thread.values().sum::<usize>() < 6 {
                match seen.try_recv() {
                    Ok(thread) => *by_thread.entry(format!("{thread:?}")).or_default() += 1,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
            assert_eq!(by_thread.into_values().collect::<Vec<_>>(), [2, 2, 2]);
            callers.pop();
            while loads().all(|load| load == 3) {
                tokio::task::yield_now().await;
            }
            callers.push(TcpStream::connect(address).await.expect("a connection"));
            let (stream, _) = listener.accept().await.expect("a connection");
            workers.serve(stream, |_| std::future::pending());
            assert!(loads().all(|load| load == 3));
        });
    }
}
