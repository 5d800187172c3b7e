//! Who is connected. A server that is full makes room for who comes next: those
//! who keep a connection open and ask nothing have to go first, and of these
//! the ones whose address holds the most connections. So whoever opens
//! thousands of them takes them from himself and not from the API server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::clock::{Clock, State};

/// A head that is younger than this may just be on its way.
const GRACE: Duration = Duration::from_secs(1);

/// Room is made for the limit's 32nd part at once, so that a flood does not pay
/// for a look at everyone with every connection.
const PART: usize = 32;

/// Everyone who is connected to one port.
#[derive(Debug)]
pub struct Callers {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By number, which is by age.
    here: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    source: IpAddr,
    clock: Arc<Clock>,
    leave: Arc<Notify>,
}

impl Callers {
    /// At most `most` at once.
    pub fn new(most: usize) -> Self {
        Self { most, table: Mutex::default() }
    }

    /// One more; others are asked to leave where it takes that. `None` when all
    /// of them are being answered just now.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Caller> {
        let (clock, leave) = (Arc::new(Clock::start()), Arc::new(Notify::new()));
        let mut table = self.table();
        if table.here.len() >= self.most && table.make_room((self.most / PART).max(1)) == 0 {
            return None;
        }
        let number = table.next;
        table.next += 1;
        let entry = Entry { source: source(address), clock: Arc::clone(&clock), leave: Arc::clone(&leave) };
        table.here.insert(number, entry);
        drop(table);
        Some(Caller { callers: Arc::clone(self), number, clock, leave })
    }

    /// Asks some to leave, whatever the limit: the system gives no more.
    pub fn make_room(&self) -> usize {
        let mut table = self.table();
        let part = (table.here.len() / PART).max(1);
        table.make_room(part)
    }

    /// Asks everyone to leave who asked nothing yet: the server ends.
    pub fn dismiss_the_silent(&self) {
        for entry in self.table().here.values() {
            if entry.clock.get().0 == State::New {
                entry.leave.notify_one();
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it does, since when, and its number.
type Candidate = (State, Instant, u64);

impl Table {
    /// Asks `wanted` to leave, or fewer; says how many.
    fn make_room(&mut self, wanted: usize) -> usize {
        let now = Instant::now();
        // Of each address: how many are here, and who may go.
        let mut by_source: BTreeMap<IpAddr, (usize, Vec<Candidate>)> = BTreeMap::new();
        for (number, entry) in &self.here {
            let (count, candidates) = by_source.entry(entry.source).or_default();
            *count += 1;
            let (state, since) = entry.clock.get();
            let may_go = match state {
                State::New | State::Idle => true,
                State::Head => now.duration_since(since) >= GRACE,
                State::Busy => false,
            };
            if may_go {
                candidates.push((state, since, *number));
            }
        }
        let mut all = Vec::new();
        for (count, mut candidates) in by_source.into_values() {
            candidates.sort_unstable();
            // With each that goes, its address holds one less.
            let fewer = (0..count).rev();
            all.extend(
                candidates.into_iter().zip(fewer).map(|((state, since, number), others)| {
                    (state, std::cmp::Reverse(others), since, number)
                }),
            );
        }
        all.sort_unstable();
        all.truncate(wanted);
        for (_, _, _, number) in &all {
            if let Some(entry) = self.here.remove(number) {
                entry.leave.notify_one();
            }
        }
        all.len()
    }
}

/// An IPv6 caller can have every address of its network.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// One who is connected, until this is dropped.
#[derive(Debug)]
pub struct Caller {
    callers: Arc<Callers>,
    number: u64,
    clock: Arc<Clock>,
    leave: Arc<Notify>,
}

impl Caller {
    /// The connection's clock.
    pub const fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Ends when this one has to leave.
    pub async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.callers.table().here.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    /// Whether one was asked to leave.
    fn must_go(caller: &Caller) -> bool {
        let mut notified = std::pin::pin!(caller.leave.notified());
        notified.as_mut().enable()
    }

    #[tokio::test]
    async fn who_holds_the_most_and_asks_nothing_makes_room() {
        let callers = Arc::new(Callers::new(8));
        let honest = callers.enter(address(1)).expect("room");
        let flood: Vec<_> = (0..7).map(|_| callers.enter(address(2)).expect("room")).collect();
        let late = callers.enter(address(3)).expect("room is made");
        let gone: Vec<usize> = (0..7).filter(|index| must_go(&flood[*index])).collect();
        assert_eq!(gone, [0], "the oldest of the many");
        assert!(!must_go(&honest) && !must_go(&late));
    }

    #[tokio::test]
    async fn who_asked_nothing_yet_goes_before_who_did() {
        let callers = Arc::new(Callers::new(4));
        let served: Vec<_> = (0..3).map(|_| callers.enter(address(1)).expect("room")).collect();
        for caller in &served {
            drop(caller.clock().answering());
        }
        let silent = callers.enter(address(2)).expect("room");
        let _late = callers.enter(address(1)).expect("room is made");
        assert!(must_go(&silent));
        assert!(!served.iter().any(must_go));
    }

    #[tokio::test]
    async fn nobody_who_is_being_answered_has_to_go() {
        let callers = Arc::new(Callers::new(2));
        let both: Vec<_> = (0..2).map(|_| callers.enter(address(1)).expect("room")).collect();
        let answering: Vec<_> = both.iter().map(|caller| caller.clock().answering()).collect();
        assert!(callers.enter(address(2)).is_none());
        assert!(!both.iter().any(must_go));
        drop(answering);
        assert!(callers.enter(address(2)).is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let source = |text: &str| source(text.parse().expect("an address"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
    }
}
