//! Finds the row of a keyword: a hash table that the compiler makes.

use super::Entry;
use super::table::ENTRIES;

/// Places of the table, several for each keyword.
const PLACES: usize = 512;

/// The number of a row, counted from 1; 0 for none. A keyword whose place is
/// taken stands in the next free one.
static INDEX: [u8; PLACES] = index();

/// Returns the row of a keyword of the table, exactly as it is written.
pub(super) fn find(keyword: &str) -> Option<&'static Entry> {
    let first = place(keyword.as_bytes());
    (0..PLACES).find_map(|distance| {
        let number = *INDEX.get((first + distance) % PLACES)?;
        let Some(row) = usize::from(number).checked_sub(1) else {
            return Some(None);
        };
        let (found, entry) = ENTRIES.get(row)?;
        (*found == keyword).then_some(Some(entry))
    })?
}

/// Tells most keywords apart by their length and three of their letters.
const fn place(keyword: &[u8]) -> usize {
    let length = keyword.len();
    let (_, right) = keyword.split_at(length / 2);
    match (keyword, right) {
        ([first, .., last], [middle, ..]) => {
            (length * 333 + *first as usize * 79 + *middle as usize * 495 + *last as usize * 200) % PLACES
        }
        _ => length,
    }
}

#[expect(clippy::indexing_slicing, reason = "the compiler refuses what would panic here")]
#[expect(clippy::cast_possible_truncation, reason = "a table of more rows does not compile")]
const fn index() -> [u8; PLACES] {
    assert!(ENTRIES.len() < u8::MAX as usize);
    let mut index = [0; PLACES];
    let mut row = 0;
    while row < ENTRIES.len() {
        let mut place = place(ENTRIES[row].0.as_bytes());
        while index[place] != 0 {
            place = (place + 1) % PLACES;
        }
        row += 1;
        index[place] = row as u8;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keywords_stand_beside_their_place() {
        let is_beside = |(row, (keyword, _)): (usize, &(&str, Entry))| {
            usize::from(INDEX[place(keyword.as_bytes())]) != row + 1
        };
        let beside = ENTRIES.iter().enumerate().filter(|row| is_beside(*row)).count();
        assert!(beside * 10 < ENTRIES.len(), "{beside} of {}", ENTRIES.len());
    }
}
