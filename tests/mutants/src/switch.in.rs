//! The switch of the mutants: `NFS_MOUNT_GUARD_MUTANT` is the number of the one that is live, or `seen`, which
//! writes the numbers of those that are reached to `NFS_MOUNT_GUARD_MUTANTS_SEEN`.
#![allow(missing_docs, dead_code, unreachable_pub)]

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const SEEN: u32 = u32::MAX;
static LIVE: OnceLock<u32> = OnceLock::new();
static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

fn live() -> u32 {
    let name = std::env::var("NFS_MOUNT_GUARD_MUTANT").unwrap_or_default();
    if name == "seen" { SEEN } else { name.parse().unwrap_or(0) }
}

#[inline]
pub fn on(id: u32) -> bool {
    let live = *LIVE.get_or_init(live);
    live == id || live == SEEN && reached(id)
}

#[cold]
fn reached(id: u32) -> bool {
    if let Some(reached) = REACHED.get(id as usize)
        && !reached.swap(true, Ordering::Relaxed)
        && let Some(path) = std::env::var_os("NFS_MOUNT_GUARD_MUTANTS_SEEN")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        let _ = file.write_all(format!("{id}\n").as_bytes());
    }
    false
}

#[derive(Clone)]
pub enum Either<A, B> {
    A(A),
    B(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Either<A, B> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::A(a) => a.next(),
            Self::B(b) => b.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::A(a) => a.size_hint(),
            Self::B(b) => b.size_hint(),
        }
    }
}

impl<T, A: DoubleEndedIterator<Item = T>, B: DoubleEndedIterator<Item = T>> DoubleEndedIterator
    for Either<A, B>
{
    fn next_back(&mut self) -> Option<T> {
        match self {
            Self::A(a) => a.next_back(),
            Self::B(b) => b.next_back(),
        }
    }
}

impl<T, A: ExactSizeIterator<Item = T>, B: ExactSizeIterator<Item = T>> ExactSizeIterator for Either<A, B> {}
