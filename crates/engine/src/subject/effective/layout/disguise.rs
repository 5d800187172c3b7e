//! Marks the options of an element that were meant otherwise than they are written.

use crate::nfs::disguised;
use crate::subject::effective::{Malformation, Token};

/// Marks what is meant otherwise than it is written in the tokens of one element.
pub(super) fn mark(mut tokens: &mut [Token<'_>]) {
    while let Some((head, tail)) = tokens.split_first_mut() {
        let texts: Vec<&str> = [&*head]
            .into_iter()
            .chain(&*tail)
            .take(disguised::MOST_PIECES)
            .take_while(|token| !token.is_unrendered && !token.is_drivers_own)
            .map(|token| token.option.text())
            .collect();
        let meant = disguised::meant(&texts);
        let others = meant.as_ref().map_or(0, |meant| meant.pieces.saturating_sub(1));
        if let Some(meant) = meant {
            head.malformation.get_or_insert(Malformation::Disguised);
            head.meant = Some(Box::new(meant));
        }
        let (continued, rest) = tail.split_at_mut_checked(others).unwrap_or_default();
        for token in continued {
            token.malformation = Some(Malformation::Continued);
        }
        tokens = rest;
    }
}

/// Marks the same after the driver has changed the text of the element: of `-o vers=4,1` it takes the `-o `
/// off, and the value is cut at its comma as before.
pub(super) fn mark_again(tokens: &mut [Token<'_>]) {
    for token in &mut *tokens {
        token.meant = None;
        if matches!(token.malformation, Some(Malformation::Disguised | Malformation::Continued)) {
            token.malformation = None;
        }
    }
    mark(tokens);
}
