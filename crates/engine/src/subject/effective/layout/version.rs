//! The version that a driver appends by itself, and what it takes out of the
//! list for it.

use super::{Assembly, Part};
use crate::nfs::option::{self, MountOption};
use crate::nfs::placeholder::has_placeholder;
use crate::subject::carrier::{Carrier, Form};
use crate::subject::driver::assembly::{Step, Versioning};
use crate::subject::effective::Token;
use crate::subject::facts::Facts;

impl<'m> Assembly<'m> {
    /// Takes the versions that the driver looks for out of the list.
    pub(super) fn take_versions(&mut self, carriers: &[Carrier<'_>]) {
        let list = carriers.iter().find(|carrier| carrier.in_force && carrier.role.is_none());
        let found = list.and_then(|list| self.driver.version_in(&list.elements));
        let Some((version, becomes)) = found else { return };
        let (mut taken, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.list).into_iter().partition(|part| part.text == version);
        self.list = kept;
        self.listed_version = becomes;
        if becomes.is_some() {
            self.taken_version = taken.pop().map(|part| part.tokens.start);
        }
        self.keep_back(taken);
    }

    /// Finds the version that the driver appends: of the list, of its carrier,
    /// or its default.
    pub(super) fn choose_version(&mut self, carriers: &[Carrier<'m>], facts: &Facts<'_>) {
        let versioning = self.driver.steps.iter().find_map(|step| match step {
            Step::Version(versioning) => Some(versioning),
            _ => None,
        });
        let Some(versioning) = versioning else { return };
        let of_text = self.listed_version;
        let of_list = self.taken_version.and_then(|index| self.tokens.get(index)?.option.value()).or(of_text);
        let of_carrier = carriers
            .iter()
            .find(|carrier| carrier.form == Form::Version)
            .and_then(|carrier| carrier.elements.first().copied())
            .filter(|version| !version.is_empty());
        let appended = |given: Option<&str>| match given {
            Some(given) if facts.takes_placeholders && has_placeholder(given) => {
                Some(given.to_owned().into())
            }
            Some(given) => {
                let rewrite = versioning.rewrites.iter().find(|(from, _)| *from == given);
                let other = versioning.any_other.filter(|(taken, _)| !taken.contains(&given));
                let becomes = rewrite.map(|(_, to)| *to).or(other.map(|(_, to)| to));
                Some(becomes.map_or_else(|| given.to_owned().into(), Into::into))
            }
            None => versioning
                .default
                .iter()
                .find(|(when, _)| when.is_none_or(|when| facts.show(&when)))
                .map(|(_, version)| (*version).into()),
        };
        let (version, carriers_version) = (appended(of_list.or(of_carrier)), appended(of_carrier));
        self.version = version;
        self.carriers_version = carriers_version;
    }

    pub(super) fn add_version(&mut self, versioning: &Versioning, facts: &Facts<'_>) {
        let Some(version) = &self.version else { return };
        let text = format!("vers={version}");
        if versioning.unless_equal && self.parts.iter().any(|part| part.text == text) {
            return;
        }
        let tokens = if let Some(index) = self.taken_version {
            if let Some(token) = self.tokens.get_mut(index) {
                token.replace_option(MountOption::new(text.clone()));
            }
            index..index + 1
        } else {
            // The value may hold more than a version: it is put after vers= as it is.
            let start = self.tokens.len();
            for piece in option::split(&text) {
                let option = MountOption::new(piece.text.to_owned());
                let is_plain = option::is_plain(piece.text);
                let is_unrendered = facts.takes_placeholders && has_placeholder(piece.text);
                let token = Token::new(option, None, is_plain, true, self.driver);
                self.tokens.push(Token { is_unrendered, ..token });
            }
            start..self.tokens.len()
        };
        self.parts.push(Part { text: text.into(), tokens });
    }
}
