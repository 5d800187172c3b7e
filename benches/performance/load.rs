//! A generator of load: HTTP/1.1 over TLS on connections that stay open, one
//! thread. It either asks as fast as it is answered, or at a fixed rate, and
//! then measures from the moment a request was due, not from when a connection
//! was free to send it.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::client_config::{authority, trusting};

/// Connections of one generator.
pub const CONNECTIONS: usize = 16;

/// Returns a client configuration that trusts the CA in a directory.
pub fn client(certs: &Path) -> Arc<ClientConfig> {
    Arc::new(trusting(authority(certs), "http/1.1"))
}

/// A request as it goes over the wire.
pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path}?timeout=3s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: kube-apiserver-admission\r\n\
Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\nAccept-Encoding: gzip\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// One connection and the request that is under way on it.
struct Connection {
    stream: TcpStream,
    tls: ClientConnection,
    /// When the request was due.
    due: Option<Instant>,
    answer: Vec<u8>,
}

impl Connection {
    fn open(config: &Arc<ClientConfig>, address: SocketAddr) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        tls.set_buffer_limit(None);
        let mut blocking = &stream;
        while tls.is_handshaking() {
            tls.complete_io(&mut blocking)?;
        }
        stream.set_nonblocking(true)?;
        Ok(Self { stream: TcpStream::from_std(stream), tls, due: None, answer: Vec::new() })
    }

    fn send(&mut self, request: &[u8], due: Instant) -> io::Result<()> {
        self.due = Some(due);
        self.answer.clear();
        self.tls.writer().write_all(request)?;
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                written => written?,
            };
        }
        Ok(())
    }

    /// Reads what is there; true once the answer is whole.
    fn read(&mut self) -> io::Result<bool> {
        loop {
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            let old = self.answer.len();
            self.answer.resize(old + state.plaintext_bytes_to_read(), 0);
            self.tls.reader().read_exact(&mut self.answer[old..])?;
            if is_whole(&self.answer) {
                return Ok(true);
            }
        }
    }
}

/// Returns true if an answer with a `content-length` is all there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    answer.len() >= head + 4 + length.expect("an answer has a content-length")
}

/// Connections to one server.
pub struct Load {
    poll: Poll,
    connections: Vec<Connection>,
}

/// The result of a run of load.
pub struct Outcome {
    /// Answers with status 200.
    pub answers: usize,
    /// Time from when each request was due to its whole answer, in
    /// microseconds, sorted.
    pub latencies: Vec<f64>,
}

impl Outcome {
    /// The latency that this share of the requests did not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let place = (self.latencies.len() as f64 * share).ceil() as usize;
        self.latencies[place.clamp(1, self.latencies.len()) - 1]
    }
}

impl Load {
    /// Opens some connections.
    pub fn open(config: &Arc<ClientConfig>, address: SocketAddr, connections: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut open = Vec::new();
        for index in 0..connections {
            let mut connection = Connection::open(config, address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut connection.stream, Token(index), interest)?;
            open.push(connection);
        }
        Ok(Self { poll, connections: open })
    }

    /// Asks once and gives the whole answer, head and body.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<String> {
        self.run(request, Pace::Closed, Stop::After(1))?;
        Ok(String::from_utf8_lossy(&self.connections[0].answer).into_owned())
    }

    /// Asks on every connection as soon as it has its answer.
    pub fn closed(&mut self, request: &[u8], time: Duration) -> io::Result<Outcome> {
        self.run(request, Pace::Closed, Stop::At(Instant::now() + time))
    }

    /// Asks `rate` times a second, spread evenly, and does not sleep between.
    pub fn at_rate(&mut self, request: &[u8], rate: u32, time: Duration) -> io::Result<Outcome> {
        let requests = usize::try_from(u64::from(rate) * u64::try_from(time.as_millis()).unwrap_or(0) / 1000);
        self.run(request, Pace::Rate(rate), Stop::After(requests.unwrap_or(usize::MAX)))
    }

    fn run(&mut self, request: &[u8], pace: Pace, stop: Stop) -> io::Result<Outcome> {
        let begun = Instant::now();
        let mut events = Events::with_capacity(64);
        let mut free: VecDeque<usize> = (0..self.connections.len()).collect();
        let (mut asked, mut latencies) = (0_usize, Vec::new());
        loop {
            let is_over = match stop {
                Stop::After(requests) => asked >= requests,
                Stop::At(end) => Instant::now() >= end,
            };
            while !is_over && let Some(index) = free.front().copied() {
                let due = match pace {
                    Pace::Closed => Instant::now(),
                    Pace::Rate(rate) => {
                        begun + Duration::from_secs(1) * u32::try_from(asked).unwrap_or(u32::MAX) / rate
                    }
                };
                if due > Instant::now() || matches!(stop, Stop::After(requests) if asked >= requests) {
                    break;
                }
                free.pop_front();
                self.connections[index].send(request, due)?;
                asked += 1;
            }
            if is_over && free.len() == self.connections.len() {
                break;
            }
            // It never sleeps: to wake it would cost the server time, the more
            // the longer an answer takes.
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                let index = event.token().0;
                let connection = &mut self.connections[index];
                if event.is_writable() {
                    connection.write()?;
                }
                if event.is_readable() && connection.read()? {
                    let due =
                        connection.due.take().ok_or_else(|| io::Error::other("an answer to nothing"))?;
                    if !connection.answer.starts_with(b"HTTP/1.1 200 ") {
                        return Err(io::Error::other(String::from_utf8_lossy(&connection.answer)));
                    }
                    latencies.push(due.elapsed().as_secs_f64() * 1e6);
                    free.push_back(index);
                }
            }
        }
        latencies.sort_by(f64::total_cmp);
        Ok(Outcome { answers: latencies.len(), latencies })
    }
}

#[derive(Clone, Copy)]
enum Pace {
    /// As fast as answers come.
    Closed,
    /// So many a second.
    Rate(u32),
}

#[derive(Clone, Copy)]
enum Stop {
    /// After so many requests.
    After(usize),
    /// Then.
    At(Instant),
}
