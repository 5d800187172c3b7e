//! Steps that change, split or drop what was joined so far.

use std::collections::BTreeMap;

use super::{Assembly, Part, disguise};
use crate::nfs::acceptance::names_version;
use crate::nfs::option::{self, MountOption};
use crate::subject::effective::shell::{further_words, is_several_words, shell_word};
use crate::subject::effective::{Malformation, Token};

impl<'m> Assembly<'m> {
    /// Makes a part of every option. Options that the mount helper keeps for itself are removed,
    /// although an element contains more.
    pub(super) fn split(&mut self) {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in std::mem::take(&mut self.parts) {
            let tokens = self.tokens.get(part.tokens.clone()).unwrap_or_default();
            if tokens.len() < 2 {
                parts.push(part);
                continue;
            }
            for (index, token) in part.tokens.clone().zip(tokens) {
                let option = Part { text: token.option.text().to_owned().into(), tokens: index..index + 1 };
                if token.is_drivers_own {
                    self.kept_back.push(option);
                } else {
                    parts.push(option);
                }
            }
        }
        self.parts = parts;
    }

    pub(super) fn retry_without(&mut self, prefix: &str) {
        let tokens_of = |part: &Part<'m>| self.tokens.get(part.tokens.clone()).unwrap_or_default();
        let is_version = |token: &&Token<'m>| token.entry().is_some_and(names_version);
        let versions = self.parts.iter().flat_map(tokens_of).filter(is_version);
        let is_refused = versions.clone().nth(1).is_some()
            || versions.clone().any(|token| token.acceptance.refusal.is_some());
        if !is_refused {
            return;
        }
        let (out, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.parts).into_iter().partition(|part| part.text.starts_with(prefix));
        self.parts = kept;
        self.keep_back(out);
    }

    /// Keeps the last part of each keyword, at the place of the first. A part per option is wanted here,
    /// which [`Cut::Options`] gives, or [`Step::Split`].
    pub(super) fn keep_one_per_keyword(&mut self) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut kept: Vec<Part<'m>> = Vec::with_capacity(self.parts.len());
        for part in std::mem::take(&mut self.parts) {
            let keyword = part.text.split('=').next().unwrap_or_default().to_owned();
            // The last value takes the place of the first, as in a map of the driver.
            let place = places.get(&keyword).and_then(|place| kept.get_mut(*place));
            if let Some(place) = place {
                *place = part;
            } else {
                places.insert(keyword, kept.len());
                kept.push(part);
            }
        }
        self.parts = kept;
    }

    /// Changes the text of a part, and its options where it still holds as many.
    pub(super) fn rewrite(&mut self, index: usize, change: impl FnOnce(&str) -> String) {
        let Some(part) = self.parts.get_mut(index) else { return };
        let changed = change(&part.text);
        if *part.text == *changed {
            return;
        }
        let tokens = self.tokens.get_mut(part.tokens.clone()).unwrap_or_default();
        // A text of more or fewer options is not that of these tokens.
        let pieces: Vec<&str> = option::pieces(&changed).collect();
        // Nothing may be left of a single one.
        let pieces = if pieces.is_empty() { vec![changed.as_str()] } else { pieces };
        if pieces.len() == tokens.len() {
            for (token, piece) in tokens.iter_mut().zip(pieces) {
                token.replace_option(MountOption::new(piece.to_owned()));
            }
            if tokens.len() > 1 {
                disguise::mark_again(tokens);
            }
        } else if pieces.len() > tokens.len() {
            for token in tokens.iter_mut().filter(|token| token.option.text().contains('"')) {
                token.malformation = Some(Malformation::Unquoted);
            }
        }
        part.text = changed.into();
    }

    /// Puts options that the text of another part adds, and that have no place of their own.
    fn insert_drivers(&mut self, index: usize, options: &str) {
        let start = self.tokens.len();
        for piece in option::split(options).filter(|piece| !piece.text.is_empty()) {
            let option = MountOption::new(piece.text.to_owned());
            self.tokens.push(Token::new(option, None, option::is_plain(piece.text), true, self.driver));
        }
        let part = Part { text: options.to_owned().into(), tokens: start..self.tokens.len() };
        self.parts.insert(index.min(self.parts.len()), part);
    }

    pub(super) fn pass_through_shell(&mut self) {
        let joined: Vec<&str> = self.parts.iter().map(|part| &*part.text).collect();
        let joined = joined.join(",");
        self.adds_words = further_words(&joined).is_some();
        self.is_several_words = !self.adds_words && is_several_words(&joined);
        let mut ends_at = None;
        let mut index = 0;
        while index < self.parts.len() {
            let text = self.parts.get(index).map(|part| part.text.to_string()).unwrap_or_default();
            if let Some(further) = further_words(&text) {
                self.rewrite(index, |text| shell_word(text).0);
                self.insert_drivers(index + 1, &further.join(","));
                // Over the words that were inserted.
                index += 2;
                continue;
            }
            let (word, is_whole) = shell_word(&text);
            self.rewrite(index, |_| word);
            if !is_whole {
                ends_at = Some(index + 1);
                break;
            }
            index += 1;
        }
        if let Some(end) = ends_at {
            self.parts.truncate(end);
            self.is_cut_short = true;
        }
        if !self.arguments.is_empty() {
            let text = self.arguments.join(",");
            self.insert_drivers(self.parts.len(), &text);
        }
    }
}

/// Returns true for what Python's `str.strip` takes off: Unicode's white space and four separators.
pub(super) fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
