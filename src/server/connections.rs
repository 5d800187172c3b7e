//! Tracks open connections and enforces the connection limit. At the limit, connections that are
//! idle, or whose client does not read its response, are closed first, starting with the source
//! address that has the most. So a caller that opens thousands of them loses its own, and not those
//! of the API server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::activity::{Activity, Clock};
use super::concurrency::{self, Source};

/// A request that is expected for less than this may just be on its way, and so
/// may the reading of an answer.
const GRACE: Duration = Duration::from_secs(1);

/// Room is made for the limit's 32nd part at once, so that a flood does not pay
/// for a look at everyone with every connection.
const PART: usize = 32;

/// Connections who do not read are looked for once in this time, however many places
/// are wanted.
const LOOK: Duration = Duration::from_millis(5);

/// Everyone who is connected to one port.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    /// Places of requests in flight.
    places: usize,
    /// True if a connection may be closed while a request is being answered.
    busy_may_go: bool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By number, which is by age.
    here: BTreeMap<u64, ConnectionEntry>,
    /// The places that each address has, while it is connected or holds some.
    sources: BTreeMap<IpAddr, Weak<Source>>,
    /// When a caller that does not read was last looked for, of one address and of
    /// all, and whether there was one.
    looked: [Option<(Instant, bool)>; 2],
}

#[derive(Debug)]
struct ConnectionEntry {
    address: IpAddr,
    source: Arc<Source>,
    clock: Arc<Clock>,
    leave: Arc<Notify>,
}

impl Connections {
    /// Takes at most `most` at once, who share so many places.
    pub fn new(most: usize, places: usize) -> Self {
        Self { most, places, busy_may_go: false, table: Mutex::default() }
    }

    /// Allows to close a connection at any time, those of the fullest address first: where answers are
    /// as small as those to probes, a caller that sends requests without a pause must not keep the next
    /// one out.
    #[must_use]
    pub fn where_busy_may_go(mut self) -> Self {
        self.busy_may_go = true;
        self
    }

    /// Returns one more; others have to leave where it takes that. `None` when all of them are
    /// being answered just now.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Caller> {
        let (clock, leave) = (Arc::new(Clock::start()), Arc::new(Notify::new()));
        let mut table = self.table();
        let part = (self.most / PART).max(1);
        if table.here.len() >= self.most && table.make_room(part, self.busy_may_go) == 0 {
            return None;
        }
        let number = table.next;
        table.next += 1;
        let address = source(address);
        let source = table.source(address, self.places);
        let entry = ConnectionEntry {
            address,
            source: Arc::clone(&source),
            clock: Arc::clone(&clock),
            leave: Arc::clone(&leave),
        };
        table.here.insert(number, entry);
        drop(table);
        Some(Caller { callers: Arc::clone(self), number, source, clock, leave })
    }

    /// Makes some leave, whatever the limit: the system gives no more.
    pub fn make_room(&self) -> usize {
        let mut table = self.table();
        let part = (table.here.len() / PART).max(1);
        table.make_room(part, self.busy_may_go)
    }

    /// Makes those leave that requested nothing yet: the server ends.
    pub fn dismiss_the_silent(&self) {
        for entry in self.table().here.values() {
            if entry.clock.get().0 == Activity::New {
                entry.leave.notify_one();
            }
        }
    }

    /// Makes those leave, of one address or of all, that have not read an answer
    /// for a moment; says whether there was one.
    pub fn dismiss_unread(&self, of: Option<&Arc<Source>>) -> bool {
        let now = Instant::now();
        let mut table = self.table();
        let [of_one, of_all] = &table.looked;
        let looked = if of.is_some() { of_one } else { of_all };
        if let Some((_, found)) = looked.filter(|(when, _)| now.duration_since(*when) < LOOK) {
            return found;
        }
        let mut unread: Vec<(Instant, u64)> = Vec::new();
        for (number, entry) in &table.here {
            if of.is_none_or(|source| Arc::ptr_eq(source, &entry.source))
                && let Some(since) = entry.clock.unread_since()
                && now.duration_since(since) >= concurrency::GRACE
            {
                unread.push((since, *number));
            }
        }
        // The caller that has kept an answer longest goes first.
        unread.sort_unstable();
        // No more than a part at once: the others may just be slow.
        unread.truncate((table.here.len() / PART).max(1));
        for (_, number) in &unread {
            if let Some(entry) = table.here.remove(number) {
                entry.leave.notify_one();
            }
        }
        let [of_one, of_all] = &mut table.looked;
        *(if of.is_some() { of_one } else { of_all }) = Some((now, !unread.is_empty()));
        !unread.is_empty()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The order in which it has to go, its activity and the start of that, and its number.
type Candidate = (u8, Activity, Instant, u64);

impl Table {
    /// Makes `wanted` leave, or fewer; returns how many.
    fn make_room(&mut self, wanted: usize, busy_may_go: bool) -> usize {
        let now = Instant::now();
        // Of each address: how many are here, and who may go.
        let mut by_source: BTreeMap<IpAddr, (usize, Vec<Candidate>)> = BTreeMap::new();
        for (number, entry) in &self.here {
            let (count, candidates) = by_source.entry(entry.address).or_default();
            *count += 1;
            let (state, since) = entry.clock.get();
            let is_late = |since: Instant| now.duration_since(since) >= GRACE;
            let turn = match state {
                // Silent since its beginning: API servers send requests at once after the handshake.
                Activity::New | Activity::Head if is_late(since) => 0,
                Activity::Busy if entry.clock.unread_since().is_some_and(is_late) => 0,
                Activity::New | Activity::Head | Activity::Idle => 1,
                Activity::Busy if busy_may_go => 1,
                // A decision in the making is worth more than a connection that waits.
                Activity::Busy => continue,
            };
            candidates.push((turn, state, since, *number));
        }
        let mut all = Vec::new();
        for (count, mut candidates) in by_source.into_values() {
            candidates.sort_unstable();
            // With each that goes, its address holds one less.
            let fewer = (0..count).rev();
            all.extend(candidates.into_iter().zip(fewer).map(|((turn, state, since, number), others)| {
                (turn, std::cmp::Reverse(others), state, since, number)
            }));
        }
        // By turn, then the fullest address, then the longest in its state.
        all.sort_unstable();
        all.truncate(wanted);
        for (.., number) in &all {
            if let Some(entry) = self.here.remove(number) {
                entry.leave.notify_one();
            }
        }
        all.len()
    }

    /// Returns the places of an address.
    fn source(&mut self, address: IpAddr, places: usize) -> Arc<Source> {
        if let Some(source) = self.sources.get(&address).and_then(Weak::upgrade) {
            return source;
        }
        // Forgotten addresses go in bulk, so that each entry costs a constant on average.
        if self.sources.len() > 2 * self.here.len() + 16 {
            self.sources.retain(|_, source| source.strong_count() > 0);
        }
        let source = Arc::new(Source::new(places));
        self.sources.insert(address, Arc::downgrade(&source));
        source
    }
}

/// Returns the address that a caller counts under: an IPv6 caller can have every one of its network.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        // A host has a /64 of its own (RFC 4291, 2.5.1):
        // https://www.rfc-editor.org/rfc/rfc4291#section-2.5.1
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// One who is connected, until this is dropped.
#[derive(Debug)]
pub struct Caller {
    callers: Arc<Connections>,
    number: u64,
    source: Arc<Source>,
    clock: Arc<Clock>,
    leave: Arc<Notify>,
}

impl Caller {
    /// Returns the places of its address.
    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Returns the connection's clock.
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

    /// Returns true if one has to leave.
    fn must_go(caller: &Caller) -> bool {
        let mut notified = std::pin::pin!(caller.leave.notified());
        notified.as_mut().enable()
    }

    #[tokio::test]
    async fn who_holds_the_most_and_asks_nothing_makes_room() {
        let callers = Arc::new(Connections::new(8, 8));
        let honest = callers.enter(address(1)).expect("room");
        let flood: Vec<_> = (0..7).map(|_| callers.enter(address(2)).expect("room")).collect();
        let late = callers.enter(address(3)).expect("room is made");
        let gone: Vec<usize> = (0..7).filter(|index| must_go(&flood[*index])).collect();
        assert_eq!(gone, [0], "the oldest of the many");
        assert!(!must_go(&honest) && !must_go(&late));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_nothing_goes_before_who_did() {
        let callers = Arc::new(Connections::new(4, 4));
        let served: Vec<_> = (0..3).map(|_| callers.enter(address(1)).expect("room")).collect();
        for caller in &served {
            drop(caller.clock().answering());
        }
        let silent = callers.enter(address(2)).expect("room");
        tokio::time::sleep(GRACE).await;
        let _late = callers.enter(address(1)).expect("room is made");
        assert!(must_go(&silent));
        assert!(!served.iter().any(must_go));
    }

    #[tokio::test(start_paused = true)]
    async fn who_just_came_stays_where_one_address_has_asked_and_keeps_the_rest() {
        let callers = Arc::new(Connections::new(4, 4));
        let many: Vec<_> = (0..3).map(|_| callers.enter(address(1)).expect("room")).collect();
        for caller in &many {
            drop(caller.clock().answering());
        }
        let honest = callers.enter(address(2)).expect("room");
        let _next = callers.enter(address(1)).expect("room is made");
        assert!(!must_go(&honest));
        assert_eq!(many.iter().filter(|caller| must_go(caller)).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_has_to_go() {
        let callers = Arc::new(Connections::new(2, 2));
        let (slow, honest) =
            (callers.enter(address(1)).expect("room"), callers.enter(address(2)).expect("room"));
        let (mut unread, _busy) = (slow.clock().answering(), honest.clock().answering());
        unread.made();
        assert!(!callers.dismiss_unread(None) && !must_go(&slow), "it was asked a moment ago");
        tokio::time::sleep(GRACE).await;
        assert!(!callers.dismiss_unread(Some(honest.source())) && !must_go(&slow), "another address");
        tokio::time::sleep(LOOK).await;
        assert!(callers.dismiss_unread(None) && must_go(&slow) && !must_go(&honest));

        let slow = callers.enter(address(1)).expect("room");
        slow.clock().blocked();
        let busy = slow.clock().answering();
        tokio::time::sleep(GRACE).await;
        assert!(callers.enter(address(3)).is_some(), "room is made");
        assert!(must_go(&slow) && !must_go(&honest));
        drop(busy);
    }

    #[tokio::test]
    async fn where_busy_may_go_the_fullest_address_does() {
        let callers = Arc::new(Connections::new(4, 4).where_busy_may_go());
        let flood: Vec<_> = (0..4).map(|_| callers.enter(address(1)).expect("room")).collect();
        let _busy: Vec<_> = flood.iter().map(|caller| caller.clock().answering()).collect();
        let probe = callers.enter(address(2)).expect("room is made");
        let further: Vec<_> = (0..4).map(|_| callers.enter(address(1)).expect("room")).collect();
        assert!(!must_go(&probe));
        assert_eq!(flood.iter().chain(&further).filter(|caller| must_go(caller)).count(), 5);
    }

    #[tokio::test]
    async fn connections_of_an_address_share_its_places() {
        let callers = Arc::new(Connections::new(8, 4));
        let [one, two, other] =
            [address(1), address(1), address(2)].map(|address| callers.enter(address).expect("room"));
        assert!(Arc::ptr_eq(one.source(), two.source()) && !Arc::ptr_eq(one.source(), other.source()));
    }

    #[tokio::test]
    async fn nobody_who_is_being_answered_has_to_go() {
        let callers = Arc::new(Connections::new(2, 2));
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
