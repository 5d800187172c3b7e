//! Plain HTTP on the port that speaks TLS.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Figure, Problems, Row, Run, Size};
use crate::client::block_on;
use crate::guard::Guard;

pub const ROW: Row = Row {
    name: "plain-http",
    what: "2,000 requests of plain HTTP to the TLS port in 10 s",
    reach: "each is refused and counted; at most one line of log a second",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let (calls, during) = size.pick((100_u32, Duration::from_secs(2)), (2000, Duration::from_secs(10)));
    let guard = Guard::start(&[]);
    let begun = Instant::now();
    let (refused, counted) = block_on(async {
        let mut refused = 0;
        for index in 0..calls {
            tokio::time::sleep_until((begun + during * index / calls).into()).await;
            let mut stream = TcpStream::connect(guard.address).await.expect("connected");
            let request = b"POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(request).await.expect("sent");
            let mut answer = String::new();
            let read = stream.read_to_string(&mut answer).await;
            refused +=
                u32::from(read.is_ok() && answer.starts_with("HTTP/1.1 400 ") && answer.contains("TLS"));
        }
        let name = "nfs_mount_guard_clients_refused_total{reason=\"plain_http\"}";
        while guard.metric(name).await.unwrap_or_default() < f64::from(calls) && begun.elapsed() < during * 2
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (refused, guard.metric(name).await)
    });
    let lines = guard.log().into_iter().filter(|event| event["message"] == "connection rejected").count();
    let seconds = begun.elapsed().as_secs() + 2;
    let mut problems = Problems::default();
    problems.unless(refused == calls, || format!("{refused} were told so"));
    problems.unless(counted == Some(f64::from(calls)), || format!("{counted:?} were counted"));
    let is_told = lines >= 1 && u64::try_from(lines).is_ok_and(|lines| lines <= seconds);
    problems.unless(is_told, || format!("{lines} lines in {seconds} s"));
    Figure {
        seen: format!(
            "{refused} of {calls} refused with 400 and counted; {lines} lines in {:.0} s",
            begun.elapsed().as_secs_f64()
        ),
        problems: problems.0,
    }
}
