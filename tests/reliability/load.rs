//! A caller that behaves as an API server does towards a webhook: HTTP/1.1
//! (client-go sets `NextProtos` to it for webhooks), a pool that keeps at most
//! 25 idle connections a host and takes the one used last, one attempt a call.
//! A call is made again only where its connection was closed before a byte of
//! it was written, as Go's transport does.
//!
//! A list of endpoints stands in for the Service: a new connection goes to one
//! that said it was ready when it was last asked. The delay of the endpoints controller and of
//! kube-proxy is not modeled.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client;
use crate::client_config::{authority, trusting};
use crate::guard::Guard;

/// Idle connections that client-go keeps for a host.
const IDLE: usize = 25;

/// One of the endpoints of the Service.
#[derive(Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    pub status: SocketAddr,
    pub ready: AtomicBool,
    /// Calls that are under way.
    pub under_way: AtomicUsize,
}

impl Endpoint {
    pub fn of(guard: &Guard) -> Arc<Self> {
        Arc::new(Self {
            address: guard.address,
            status: guard.status,
            ready: AtomicBool::new(true),
            under_way: AtomicUsize::new(0),
        })
    }
}

/// The kind of a call.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: &'static str,
    /// The review before and after its uid.
    pub body: (Bytes, Bytes),
    /// Text that the answer must hold, beside the uid.
    pub wanted: &'static str,
}

/// The reason why a call failed.
#[derive(Debug, Clone)]
pub struct Failure {
    pub endpoint: SocketAddr,
    pub begun: Instant,
    pub why: String,
}

/// An idle connection, or one in use.
struct Connection {
    endpoint: Arc<Endpoint>,
    sender: SendRequest<Full<Bytes>>,
}

/// The caller.
pub struct Caller {
    connector: TlsConnector,
    endpoints: Mutex<Vec<Arc<Endpoint>>>,
    idle: Mutex<Vec<Connection>>,
    /// True if connections are kept.
    keeps: bool,
    turn: AtomicU64,
    /// New connections that were refused by one endpoint and made to another.
    pub refused: AtomicU64,
    /// Connections made.
    pub connected: AtomicU64,
}

impl Caller {
    /// One that trusts the authority in `certs`.
    pub fn new(certs: &Path, endpoints: Vec<Arc<Endpoint>>, keeps: bool) -> Arc<Self> {
        Arc::new(Self {
            connector: connector(certs, "http/1.1"),
            endpoints: Mutex::new(endpoints),
            idle: Mutex::default(),
            keeps,
            turn: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            connected: AtomicU64::new(0),
        })
    }

    /// One for a single server.
    pub fn of(guard: &Guard, keeps: bool) -> Arc<Self> {
        Self::new(&guard.certs, vec![Endpoint::of(guard)], keeps)
    }

    /// Another server takes the place of one that ended.
    pub fn replace(&self, old: &Arc<Endpoint>, new: Arc<Endpoint>) {
        let mut endpoints = self.endpoints.lock().expect("a list");
        endpoints.retain(|endpoint| !Arc::ptr_eq(endpoint, old));
        endpoints.push(new);
    }

    fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.endpoints.lock().expect("a list").clone()
    }

    /// Makes one call.
    pub async fn call(&self, call: &Call, uid: u64) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let mut connection = match self.idle() {
                Some(connection) => connection,
                None => self.connect().await.map_err(|(endpoint, why)| Failure { endpoint, begun, why })?,
            };
            let endpoint = Arc::clone(&connection.endpoint);
            endpoint.under_way.fetch_add(1, Ordering::SeqCst);
            let answered = send(&mut connection.sender, call, uid).await;
            endpoint.under_way.fetch_sub(1, Ordering::SeqCst);
            match answered {
                Ok(closes) => {
                    let mut idle = self.idle.lock().expect("a pool");
                    if self.keeps && !closes && idle.len() < IDLE {
                        idle.push(connection);
                    }
                    return Ok(());
                }
                Err(None) => {}
                Err(Some(why)) => return Err(Failure { endpoint: endpoint.address, begun, why }),
            }
        }
    }

    fn idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().expect("a pool");
        loop {
            let connection = idle.pop()?;
            if !connection.sender.is_closed() {
                return Some(connection);
            }
        }
    }

    /// A new connection to an endpoint that is ready. One that refuses is out of
    /// the list's next turn only: the next one is tried.
    async fn connect(&self) -> Result<Connection, (SocketAddr, String)> {
        let endpoints = self.endpoints();
        let ready: Vec<_> = endpoints.iter().filter(|one| one.ready.load(Ordering::SeqCst)).collect();
        let ready = if ready.is_empty() { endpoints.iter().collect() } else { ready };
        let first = usize::try_from(self.turn.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        let mut last = None;
        for step in 0..ready.len() {
            let endpoint = ready[(first + step) % ready.len()];
            match TcpStream::connect(endpoint.address).await {
                Ok(stream) => {
                    return self.handshake(endpoint, stream).await.map_err(|why| (endpoint.address, why));
                }
                Err(error) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    last = Some((endpoint.address, format!("connect: {error}")));
                }
            }
        }
        Err(last.expect("an endpoint"))
    }

    async fn handshake(&self, endpoint: &Arc<Endpoint>, stream: TcpStream) -> Result<Connection, String> {
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let stream = tls(&self.connector, stream).await.map_err(|error| format!("TLS: {error}"))?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("HTTP: {error}"))?;
        tokio::spawn(connection);
        self.connected.fetch_add(1, Ordering::Relaxed);
        Ok(Connection { endpoint: Arc::clone(endpoint), sender })
    }
}

/// Sends one request. `Err(None)` when the connection was closed before a byte
/// of it was written; `Ok(true)` when the connection is not to be used again.
async fn send(sender: &mut SendRequest<Full<Bytes>>, call: &Call, uid: u64) -> Result<bool, Option<String>> {
    if sender.ready().await.is_err() {
        return Err(None);
    }
    let uid = format!("u-{uid}");
    let body = [&call.body.0, uid.as_bytes(), &call.body.1].concat();
    let request = client::request(hyper::Method::POST, call.path, Some("application/json"), body);
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) if error.is_canceled() => return Err(None),
        Err(error) => return Err(Some(format!("call: {error:?}"))),
    };
    let status = response.status();
    let closes = response.headers().get("connection").is_some_and(|value| value == "close");
    let body =
        response.into_body().collect().await.map_err(|error| Some(format!("answer: {error}")))?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    if status != 200 || !text.contains(&format!("\"uid\":\"{uid}\"")) || !text.contains(call.wanted) {
        return Err(Some(format!("answered {status}: {text}")));
    }
    Ok(closes)
}

/// Asks the endpoints whether they are ready, as kubelet would, for as long as
/// it is held.
pub struct Probes(tokio::task::JoinHandle<()>);

impl Probes {
    pub fn start(caller: &Arc<Caller>, every: Duration) -> Self {
        let caller = Arc::clone(caller);
        Self(tokio::spawn(async move {
            loop {
                for endpoint in caller.endpoints() {
                    let answer = client::status(endpoint.status, "/readyz").await;
                    let ready = answer.is_ok_and(|answer| answer.status == 200);
                    endpoint.ready.store(ready, Ordering::SeqCst);
                }
                tokio::time::sleep(every).await;
            }
        }))
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The results of calls.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub failures: Vec<Failure>,
    /// Microseconds, sorted once the load has ended.
    pub latencies: Vec<u32>,
}

impl Tally {
    /// The latency that so many of a thousand calls do not exceed.
    pub fn quantile(&self, per_mille: usize) -> Duration {
        let index = (self.latencies.len() * per_mille / 1000).min(self.latencies.len().saturating_sub(1));
        Duration::from_micros(self.latencies.get(index).copied().unwrap_or_default().into())
    }

    /// The failures by what they say, for a message.
    pub fn reasons(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for failure in &self.failures {
            *reasons.entry(failure.why.chars().take(200).collect()).or_default() += 1;
        }
        reasons
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures.extend(other.failures);
        self.latencies.extend(other.latencies);
    }
}

/// A load that runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    workers: Vec<tokio::task::JoinHandle<Tally>>,
}

impl Load {
    /// `workers` call as fast as they can, or together `rate` times a second.
    pub fn start(caller: &Arc<Caller>, calls: &[Call], workers: u64, rate: Option<u64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let made = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let calls: Arc<[Call]> = calls.into();
        let workers = (0..workers)
            .map(|worker| {
                let (caller, stop, made) = (Arc::clone(caller), Arc::clone(&stop), Arc::clone(&made));
                let calls = Arc::clone(&calls);
                tokio::spawn(async move {
                    let mut tally = Tally::default();
                    let mut number = worker;
                    while !stop.load(Ordering::Relaxed) {
                        if let Some(rate) = rate {
                            // By the clock and not by the last answer: a call
                            // that waits does not make the load lighter.
                            let due = begun + Duration::from_micros(number * 1_000_000 / rate);
                            tokio::time::sleep_until(due.into()).await;
                        }
                        let call = &calls[usize::try_from(number).unwrap_or_default() % calls.len()];
                        let start = Instant::now();
                        let result = caller.call(call, number).await;
                        tally.latencies.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
                        tally.calls += 1;
                        made.fetch_add(1, Ordering::Relaxed);
                        tally.failures.extend(result.err());
                        number += workers;
                    }
                    tally
                })
            })
            .collect();
        Self { stop, made, workers }
    }

    /// Calls made so far.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Waits until so many calls were made.
    pub async fn until(&self, calls: u64) {
        while self.made() < calls {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it.
    pub async fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for worker in self.workers {
            all.add(worker.await.expect("a worker"));
        }
        all.latencies.sort_unstable();
        all
    }
}

/// Trusts the authority in `certs`, speaks `protocol`, resumes no session:
/// every connection is to see the certificate.
pub fn connector(certs: &Path, protocol: &str) -> TlsConnector {
    let mut config = trusting(authority(certs), protocol);
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// TLS over a connection that is open.
pub async fn tls(connector: &TlsConnector, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

/// A connection from an address of the caller's choice: every address of
/// 127.0.0.0/8 is this machine.
pub async fn connect_from(source: [u8; 4], address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(address).await
}
