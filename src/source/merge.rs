//! `<<` and keys that stand in a mapping twice, as kubectl reads them, and
//! whether another reader takes another value.
//!
//! kubectl reads with sigs.k8s.io/yaml, so with go-yaml v2: it goes through a
//! mapping in the order of the text, and what comes later replaces what came
//! before, merged or not (`decode.go`, `mapping` and `merge`). YAML 1.1 itself,
//! and kustomize with go-yaml v3, let a mapping's own keys win wherever they
//! stand (<https://yaml.org/type/merge.html>).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Problem;
use super::text::Lines;
use super::tree::{Content, NodeId, Style, Tree};

/// A key and its value.
type Member = (NodeId, NodeId);

/// Values that are compared before two of them count as different.
// Values that aliases bring may be compared again and again.
const MOST_COMPARED: usize = 10_000;

impl Tree<'_> {
    /// Returns the entries of a mapping as kubectl reads them, those that `<<` merges into it
    /// included.
    pub fn entries(&self, id: NodeId) -> Option<Cow<'_, [Member]>> {
        let entries = self.own_entries(id)?;
        if !self.merges(entries) {
            return Some(Cow::Borrowed(entries));
        }
        let mut read = Read::default();
        self.collect(entries, true, &mut read);
        Some(Cow::Owned(read.entries))
    }

    /// Returns true if the key is a plain `<<`.
    pub fn is_merge(&self, key: NodeId) -> bool {
        matches!(
            self.written(key).map(|node| &node.content),
            Some(Content::Scalar { text, style: Style::Plain, is_string: false }) if text == "<<"
        )
    }

    /// Returns the entries that are written in the mapping itself.
    pub(super) fn own_entries(&self, id: NodeId) -> Option<&[Member]> {
        match &self.node(id)?.content {
            Content::Map { entries, .. } => Some(entries),
            _ => None,
        }
    }

    fn merges(&self, entries: &[Member]) -> bool {
        entries.iter().any(|(key, _)| self.is_merge(*key))
    }

    /// Returns the mappings that the value of a `<<` names, the one that wins last.
    fn sources(&self, value: NodeId) -> Vec<NodeId> {
        match self.written(value).map(|node| &node.content) {
            // Of a list of mappings the first one wins, so it is read last.
            Some(Content::List { items, .. }) => items.iter().rev().copied().collect(),
            _ => vec![value],
        }
    }

    /// Reads entries as kubectl does, or with the mapping's own keys first and
    /// the first of all.
    fn collect<'s>(&'s self, entries: &[Member], as_kubectl: bool, read: &mut Read<'s>) {
        let own = entries.iter().filter(|(key, _)| !self.is_merge(*key));
        // Own keys win there, so they come first and are not replaced.
        if !as_kubectl {
            for entry in own {
                read.put(self.text(entry.0), *entry, false);
            }
        }
        for (key, value) in entries {
            if !self.is_merge(*key) {
                if as_kubectl {
                    read.put(self.text(*key), (*key, *value), true);
                }
                continue;
            }
            let mut sources = self.sources(*value);
            if !as_kubectl {
                sources.reverse();
            }
            for source in sources {
                self.collect(self.own_entries(source).unwrap_or_default(), as_kubectl, read);
            }
        }
    }

    /// Returns the reason why the mapping has no one reading: a key twice, or a merge that two
    /// readers carry out differently. With `heads`, only where it says what the object is.
    pub(super) fn disputed(&self, id: NodeId, heads: bool, lines: &Lines<'_>) -> Option<Problem> {
        const HEADS: [&str; 4] = ["apiVersion", "kind", "items", "request"];
        let entries = self.own_entries(id)?;
        let counts = |key: NodeId| !heads || self.text(key).is_some_and(|key| HEADS.contains(&key));
        if let Some(again) = self.repeated.get(&self.target(id)).copied().filter(|_| !heads) {
            return Some(self.said_twice(again));
        }
        if heads {
            let mut seen = HashSet::new();
            // Without these heads it is not known what the object is, so they are looked at first.
            let again = entries.iter().find(|(key, _)| counts(*key) && !seen.insert(self.text(*key)));
            if let Some((again, _)) = again {
                return Some(self.said_twice(*again));
            }
        }
        if !self.merges(entries) {
            return None;
        }
        let merged = entries.iter().filter(|(key, _)| self.is_merge(*key));
        for source in merged.flat_map(|(_, value)| self.sources(*value)) {
            if self.own_entries(source).is_none() {
                let message = "<< merges a value that is not a mapping, which kubectl refuses; merge a mapping, or a list of mappings".to_owned();
                return Some(Problem::at(self.start(source), message));
            }
        }
        let is_merged_twice = entries.iter().filter(|(key, _)| self.is_merge(*key)).count() > 1;
        let (mut kubectl, mut others) = (Read::default(), Read::default());
        self.collect(entries, true, &mut kubectl);
        self.collect(entries, false, &mut others);
        let mut budget = MOST_COMPARED;
        kubectl.entries.iter().filter(|(key, _)| counts(*key)).find_map(|(key, value)| {
            let name = self.text(*key)?;
            let (other_key, other) = others.get(name)?;
            if self.is_same(*value, other, &mut budget) {
                return None;
            }
            let line = |key: NodeId| lines.position(self.start(key)).line;
            let (kubectl, other) = (line(*key), line(other_key));
            let message = if is_merged_twice {
                format!(
                    "{name} is set twice through <<: kubectl reads the one in line {kubectl} and not the one in line \
{other}, kustomize refuses a second <<; keep one"
                )
            } else {
                format!(
                    "{name} is set twice, once through <<: kubectl reads the one in line {kubectl}, kustomize the one \
in line {other}; keep one, or write {name} after the <<"
                )
            };
            Some(Problem::at(self.start(other_key), message))
        })
    }

    /// Returns the first dispute of the object at `id`, aliases followed.
    pub(super) fn disputed_within(&self, id: NodeId, lines: &Lines<'_>) -> Option<Problem> {
        if self.repeated.is_empty() && !self.has_merges {
            return None;
        }
        let mut open = vec![self.target(id)];
        // Aliases may lead to a node many times.
        let mut seen: HashSet<NodeId> = open.iter().copied().collect();
        while let Some(id) = open.pop() {
            if let Some(problem) = self.disputed(id, false, lines) {
                return Some(problem);
            }
            let inner: Vec<NodeId> = match self.written(id).map(|node| &node.content) {
                Some(Content::Map { entries, .. }) => {
                    entries.iter().flat_map(|(key, value)| [*value, *key]).collect()
                }
                Some(Content::List { items, .. }) => items.clone(),
                _ => continue,
            };
            // The first of the text is looked at first.
            for id in inner.into_iter().rev().map(|id| self.target(id)) {
                if seen.insert(id) {
                    open.push(id);
                }
            }
        }
        None
    }

    fn start(&self, id: NodeId) -> usize {
        self.written(id).map_or(0, |node| node.span.start)
    }

    fn said_twice(&self, again: NodeId) -> Problem {
        let key = self.text(again).unwrap_or_default();
        Problem::at(self.start(again), format!("duplicate key {key}; keep one"))
    }

    /// Returns true if two values are the same; a lack of `budget` is a difference.
    fn is_same(&self, one: NodeId, other: NodeId, budget: &mut usize) -> bool {
        let (one, other) = (self.target(one), self.target(other));
        if one == other {
            return true;
        }
        // Beyond the bound two values count as different: one problem too many is better than a value that
        // is silently the wrong one.
        let Some(left) = budget.checked_sub(1) else { return false };
        *budget = left;
        match (self.node(one).map(|node| &node.content), self.node(other).map(|node| &node.content)) {
            (
                Some(Content::Scalar { text, is_string, .. }),
                Some(Content::Scalar { text: other_text, is_string: other_is_string, .. }),
            ) => {
                text == other_text
                    && is_string == other_is_string
                    && !self.is_folded(one)
                    && !self.is_folded(other)
            }
            (Some(Content::List { items, .. }), Some(Content::List { items: others, .. })) => {
                items.len() == others.len()
                    && items.iter().zip(others).all(|(one, other)| self.is_same(*one, *other, budget))
            }
            (Some(Content::Map { .. }), Some(Content::Map { .. })) => {
                let (Some(entries), Some(others)) = (self.entries(one), self.entries(other)) else {
                    return false;
                };
                entries.len() == others.len()
                    && entries.iter().zip(others.iter()).all(|((key, value), (other_key, other))| {
                        self.is_same(*key, *other_key, budget) && self.is_same(*value, *other, budget)
                    })
            }
            _ => false,
        }
    }
}

/// Entries read so far, in the order of their first place.
#[derive(Default)]
struct Read<'s> {
    entries: Vec<Member>,
    by_key: HashMap<&'s str, usize>,
}

impl<'s> Read<'s> {
    fn put(&mut self, key: Option<&'s str>, entry: Member, replaces: bool) {
        let Some(key) = key else {
            self.entries.push(entry);
            return;
        };
        match self.by_key.get(key).and_then(|index| self.entries.get_mut(*index)) {
            Some(place) if replaces => *place = entry,
            Some(_) => {}
            None => {
                self.by_key.insert(key, self.entries.len());
                self.entries.push(entry);
            }
        }
    }

    fn get(&self, key: &str) -> Option<Member> {
        self.by_key.get(key).and_then(|index| self.entries.get(*index)).copied()
    }
}
