//! Collects the changes that the objects of a text request, and grants those that can be made where
//! several places read one value through aliases.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};

use crate::site::Place;
use crate::source::object::{AliasUse, Layout};
use crate::source::rewrite::{self, Change, Plan, RewriteRefusal};
use crate::source::tree::NodeId;

/// The wanted change at one place of one object.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// Index of the object.
    pub(super) object: usize,
    /// Index of the part of it.
    pub(super) part: usize,
    /// Index of the carrier.
    pub(super) carrier: usize,
    /// The beginning of the object's document, which distinguishes values of several documents.
    pub(super) document: usize,
    /// The place.
    pub(super) at: usize,
    /// The plan.
    pub(super) plan: Plan,
    /// The values touched that are read at several places.
    shared: Vec<Shared>,
}

impl Wish {
    /// Returns the subject it is about: by the index of the object, and of the part in it.
    pub(super) const fn subject(&self) -> (usize, usize) {
        (self.object, self.part)
    }

    pub(super) const fn is_shared(&self) -> bool {
        !self.shared.is_empty()
    }

    fn hash(&self) -> u64 {
        let mut hasher = fnv::FnvHasher::default();
        self.plan.steps.hash(&mut hasher);
        hasher.finish()
    }
}

/// A value that is read at several places.
#[derive(Debug, Clone)]
struct Shared {
    value: NodeId,
    /// It, and the values around it.
    around: Vec<NodeId>,
    readers: u64,
    /// The aliases that bring it elsewhere.
    aliases: Vec<AliasUse>,
}

/// The carrier of what is no carrier: a field that goes away.
const NO_CARRIER: usize = usize::MAX;

/// A value of a document.
type Key = (usize, NodeId);

/// One place of one object, with the ways to change it.
#[derive(Debug)]
struct Asked {
    together: Result<Wish, RewriteRefusal>,
    /// The same without changing the other places, if the value is read elsewhere, too.
    apart: Option<Result<Wish, RewriteRefusal>>,
    object: usize,
    part: usize,
    carrier: usize,
    document: usize,
    at: usize,
}

/// The changes that the objects of a text request.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    asked: Vec<Asked>,
}

/// The granted changes, and the refused ones.
type Settled = (Vec<Wish>, Vec<(Wish, RewriteRefusal)>);

impl Wishes {
    /// Notes that a carrier is to change: by the index of the object, of the part
    /// and of the carrier in it.
    pub(super) fn add(
        &mut self,
        (object, part, carrier): (usize, usize, usize),
        layout: &Layout<'_>,
        change: Change<'_>,
    ) {
        let (document, at) = (layout.document(), layout.start(change.place));
        let wish = |plan: Plan| {
            let shared = plan.touched.iter().filter_map(|value| {
                let readers = layout.tree().readers(*value);
                (readers > 1).then(|| Shared {
                    value: *value,
                    around: layout.around(*value).collect(),
                    readers,
                    aliases: layout.aliases_of(*value),
                })
            });
            Wish { object, part, carrier, document, at, shared: shared.collect(), plan }
        };
        let together = rewrite::rewrite(layout, change).map(wish);
        let is_alone = together.as_ref().is_ok_and(|wish| !wish.is_shared());
        let has_aliases = layout.has_aliases();
        // Most values have one reader, and need no second plan.
        let apart = (!is_alone && has_aliases).then(|| rewrite::apart(layout, change).map(wish));
        self.asked.push(Asked { together, apart, object, part, carrier, document, at });
    }

    /// Notes that a carrier is to change and must not.
    pub(super) fn refuse(
        &mut self,
        (object, part, carrier): (usize, usize, usize),
        layout: &Layout<'_>,
        place: &Place,
        refusal: RewriteRefusal,
    ) {
        let (document, at) = (layout.document(), layout.start(place));
        self.asked.push(Asked { together: Err(refusal), apart: None, object, part, carrier, document, at });
    }

    /// Notes that a field is to go away or to have another name, by a plan that touches nothing that is read
    /// elsewhere, or that it should and cannot.
    pub(super) fn remove(
        &mut self,
        (object, part): (usize, usize),
        layout: &Layout<'_>,
        place: &Place,
        plan: Result<Plan, RewriteRefusal>,
    ) {
        let (document, at, carrier) = (layout.document(), layout.start(place), NO_CARRIER);
        let together =
            plan.map(|plan| Wish { object, part, carrier, document, at, plan, shared: Vec::new() });
        self.asked.push(Asked { together, apart: None, object, part, carrier, document, at });
    }

    /// Grants what changes no place that does not request it; of a subject all or
    /// nothing, for its carriers are one list for the mount.
    pub(super) fn settle(self) -> Settled {
        let mut refused: Vec<(Wish, RewriteRefusal)> = Vec::new();
        let mut asked = self.asked;
        loop {
            let (granted, now_refused) = grant(&asked);
            if now_refused.is_empty() {
                return (granted, refused);
            }
            let subjects: HashSet<_> = now_refused.iter().map(|(wish, _)| wish.subject()).collect();
            refused.extend(now_refused);
            // Changes that they requested together with others, these request alone now.
            asked.retain(|asked| !subjects.contains(&(asked.object, asked.part)));
        }
    }
}

fn grant(asked: &[Asked]) -> Settled {
    let mut counts: HashMap<(Key, u64), u64> = HashMap::new();
    for wish in asked.iter().filter_map(|asked| asked.together.as_ref().ok()) {
        for shared in &wish.shared {
            *counts.entry(((wish.document, shared.value), wish.hash())).or_default() += 1;
        }
    }
    // In place a shared value changes for all readers, so each of them must request the same.
    let is_unanimous = |wish: &Wish| {
        wish.shared
            .iter()
            .all(|shared| counts.get(&((wish.document, shared.value), wish.hash())) == Some(&shared.readers))
    };
    let (mut granted, mut refused) = (Vec::new(), Vec::new());
    let mut left: HashMap<Key, u64> = HashMap::new();
    let mut open: Vec<&Asked> = Vec::new();
    for asked in asked {
        match (&asked.together, &asked.apart) {
            (Ok(wish), _) if is_unanimous(wish) => granted.push(wish.clone()),
            (_, Some(Ok(wish))) if !wish.is_shared() => {
                for value in &wish.plan.left {
                    *left.entry((wish.document, *value)).or_default() += 1;
                }
                granted.push(wish.clone());
            }
            _ => open.push(asked),
        }
    }
    let written_out: HashSet<Key> = granted
        .iter()
        .flat_map(|wish| wish.plan.touched.iter().map(|value| (wish.document, *value)))
        .collect();
    // The values that a mapping does not read any more, although it merges them.
    let departed: HashSet<(usize, NodeId, NodeId)> = granted.iter().flat_map(departures).collect();
    for asked in open {
        // Places that have the new text of their own do not read the value any more.
        let is_left_alone = |wish: &Wish| {
            wish.shared.iter().all(|shared| {
                let around = shared.around.iter();
                let left: u64 = around.filter_map(|value| left.get(&(wish.document, *value))).sum();
                left + 1 == shared.readers
            })
        };
        match (&asked.together, &asked.apart) {
            (_, Some(Ok(wish))) if is_left_alone(wish) => granted.push(wish.clone()),
            (_, Some(Ok(wish))) => {
                // One that stays is in the way, and not one in whose place the new text stands, or in
                // whose mapping.
                let aliases = wish
                    .shared
                    .iter()
                    .flat_map(|shared| shared.aliases.iter().map(move |used| (shared, used)));
                let has_left = |shared: &Shared, map: NodeId| {
                    shared.around.iter().any(|value| departed.contains(&(wish.document, *value, map)))
                };
                let stays = |(shared, used): &(&Shared, &AliasUse)| {
                    !written_out.contains(&(wish.document, used.alias))
                        && used.merged_into.is_none_or(|map| !has_left(shared, map))
                };
                let alias = aliases.clone().find(stays).or(aliases.clone().next());
                let alias = alias.map_or(wish.at, |(_, used)| used.place);
                refused.push((wish.clone(), RewriteRefusal::Shared(alias)));
            }
            (Err(refusal), None) | (_, Some(Err(refusal))) => {
                refused.push((asked.nothing(*refusal), *refusal));
            }
            (Ok(wish), None) => refused.push((wish.clone(), RewriteRefusal::Overlap)),
        }
    }
    granted.sort_by_key(|wish| (wish.object, wish.part, wish.carrier));
    (granted, refused)
}

/// Returns the values that a wish no longer reads, each with every value that gets other content.
fn departures(wish: &Wish) -> impl Iterator<Item = (usize, NodeId, NodeId)> {
    let Plan { touched, left, .. } = &wish.plan;
    left.iter().flat_map(|value| touched.iter().map(|into| (wish.document, *value, *into)))
}

impl Asked {
    /// Returns a wish of which nothing comes.
    fn nothing(&self, refusal: RewriteRefusal) -> Wish {
        let Self { object, part, carrier, document, mut at, .. } = *self;
        if let RewriteRefusal::Outer(alias) = refusal {
            at = alias;
        }
        Wish { object, part, carrier, document, at, plan: Plan::default(), shared: Vec::new() }
    }
}
