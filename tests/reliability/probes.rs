//! Probes beside callers that ask the status port without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Figure, Problems, Row, Run, Size};
use crate::client::{block_on, status};
use crate::guard::Guard;
use crate::load::connect_from;

pub const ROW: Row = Row {
    name: "probes",
    what: "300 connections from one address that ask for /metrics again and again without waiting for the answer, opened again as they are closed (the status port takes 64); 40 probes of /readyz and /healthz from another address, with the kubelet's time-out of 1 s",
    reach: "40 of 40 within 1 s",
    run: Run::Alone(run),
};

const PROBES: usize = 40;

fn run(size: Size) -> Figure {
    // In seconds on a machine that does other things, a second says little.
    let (every, patience) = size.pick(
        (Duration::from_millis(50), Duration::from_secs(3)),
        (Duration::from_millis(500), Duration::from_secs(1)),
    );
    let guard = Guard::start(&[]);
    let (good, slowest, answered) = block_on(async {
        let answered = Arc::new(AtomicU64::new(0));
        let opened = Arc::new(AtomicUsize::new(0));
        let flood: Vec<_> = (0..300)
            .map(|_| {
                let (answered, opened, address) = (answered.clone(), opened.clone(), guard.status);
                tokio::spawn(async move {
                    loop {
                        opened.fetch_add(1, Ordering::Relaxed);
                        if let Ok(stream) = connect_from([127, 0, 0, 2], address).await {
                            pipeline(stream, &answered).await;
                        }
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                })
            })
            .collect();
        while opened.load(Ordering::Relaxed) < 300 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (mut good, mut slowest) = (0, Duration::ZERO);
        for probe in 0..PROBES {
            let path = if probe % 2 == 0 { "/readyz" } else { "/healthz" };
            let begun = Instant::now();
            let answer = timeout(patience, status(guard.status, path)).await;
            slowest = slowest.max(begun.elapsed());
            good += usize::from(matches!(answer, Ok(Ok(reply)) if reply.status == 200));
            tokio::time::sleep(every).await;
        }
        for task in flood {
            task.abort();
        }
        (good, slowest, answered.load(Ordering::Relaxed))
    });
    let mut problems = Problems::default();
    problems.unless(good == PROBES, || format!("{good} of {PROBES} probes were answered"));
    problems.unless(answered > 0, || "nothing else was answered".to_owned());
    Figure {
        seen: format!(
            "{good} of {PROBES}, the slowest {:.0} ms; the others read {} MiB meanwhile",
            slowest.as_secs_f64() * 1e3,
            answered >> 20
        ),
        problems: problems.0,
    }
}

/// Writes requests without waiting, and reads what comes.
async fn pipeline(stream: tokio::net::TcpStream, answered: &AtomicU64) {
    let (mut reader, mut writer) = stream.into_split();
    let requests = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(32);
    let writes = async { while writer.write_all(requests.as_bytes()).await.is_ok() {} };
    let reads = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            answered.fetch_add(u64::try_from(length).unwrap_or_default(), Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = writes => {}
        () = reads => {}
    }
}
