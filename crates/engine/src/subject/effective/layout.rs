//! Runs the steps of a driver's row over the carriers of one subject.

mod disguise;
mod rewriting;
mod version;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::{Options, Token, Unrendered};
use crate::nfs::catalog::{OptionId, OptionSet};
use crate::nfs::option::{self, MountOption};
use crate::nfs::placeholder::placeholders;
use crate::nfs::reading;
use crate::nfs::settings::Settings;
use crate::site::Site;
use crate::subject::carrier::{self, Carrier, Form};
use crate::subject::driver::assembly::{Addition, Cut, Empty, NoneWord, Step, Unless, When};
use crate::subject::driver::{Case, Driver, On, Role};
use crate::subject::facts::Facts;

/// One string that is joined with others, and the tokens in it.
#[derive(Debug, Clone)]
pub(super) struct Part<'m> {
    pub(super) text: Cow<'m, str>,
    tokens: Range<usize>,
}

/// Lays out the options of the carriers; gives also the driver's own list where
/// the carriers hold no option at all.
pub(crate) fn lay_out<'m>(
    driver: &'static Driver,
    carriers: &[Carrier<'m>],
    facts: &Facts<'m>,
) -> (Options<'m>, &'static [&'static str]) {
    let elements = carriers.iter().map(|carrier| carrier.elements.len()).sum();
    let mut layout = Assembly {
        driver,
        takes_placeholders: facts.takes_placeholders,
        tokens: Vec::with_capacity(elements),
        list: Vec::with_capacity(elements),
        others: Vec::new(),
        parts: Vec::with_capacity(elements),
        kept_back: Vec::new(),
        irregular: Vec::new(),
        taken_version: None,
        listed_version: None,
        version: None,
        carriers_version: None,
        is_cut_short: false,
        is_several_words: false,
        adds_words: false,
        arguments: Vec::new(),
    };
    for (index, carrier) in carriers.iter().enumerate() {
        layout.add_carrier(index, carrier);
    }
    // Before the defaults: such a list has an element, and is empty nevertheless.
    layout.drop_none_word();
    layout.take_versions(carriers);
    layout.choose_version(carriers, facts);
    // After the version is chosen, by which some drivers choose their defaults.
    let defaults = layout.defaults(carriers);
    for step in driver.steps {
        layout.run(step, defaults, facts);
    }
    let mut options = layout.finish();
    let reads_keys = || {
        !driver.known.is_read()
            || driver.carriers.iter().any(|key| {
                let is_elsewhere = if facts.is_class { key.on == On::Volume } else { key.on == On::Class };
                !is_elsewhere && key.role.holds_options()
            })
    };
    let is_open = facts.may_be_any_driver
        || facts.is_in_tree_nfs && facts.unrendered_annotation.is_some()
        || facts.unrendered_keys().next().is_some() && reads_keys();
    options.may_hold_any = is_open;
    (options, defaults)
}

/// The state between two steps.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the list")]
struct Assembly<'m> {
    driver: &'static Driver,
    /// True if a program may still fill placeholders in.
    takes_placeholders: bool,
    tokens: Vec<Token<'m>>,
    /// The options of the list, or of the annotation that replaces it.
    list: Vec<Part<'m>>,
    /// The options of the other carriers in force.
    others: Vec<Part<'m>>,
    /// The string so far.
    parts: Vec<Part<'m>>,
    /// The options that the driver or its mount helper removes for itself.
    kept_back: Vec<Part<'m>>,
    irregular: Vec<(usize, usize)>,
    /// The version that the driver took out of the list, and its token.
    taken_version: Option<usize>,
    /// The version that the driver read out of the list's text.
    listed_version: Option<&'static str>,
    /// The version that the driver appends.
    version: Option<Cow<'static, str>>,
    /// The version that it would append without a list.
    carriers_version: Option<Cow<'static, str>>,
    is_cut_short: bool,
    is_several_words: bool,
    adds_words: bool,
    /// Options in another word of the driver's mount command.
    arguments: Vec<&'m str>,
}

impl<'m> Assembly<'m> {
    /// Adds the tokens of a carrier, and its parts to those of the list or of
    /// the other carriers.
    fn add_carrier(&mut self, index: usize, carrier: &Carrier<'m>) {
        if carrier.role == Some(Role::Argument) {
            self.arguments.extend(
                carrier
                    .elements
                    .iter()
                    .flat_map(|text| reading::further_options(text))
                    .map(|piece| piece.text),
            );
        }
        if carrier.form.holds_no_options() || !carrier.in_force && carrier.is_overlong() {
            return;
        }
        let splits = carrier.form == Form::SplitEverywhere
            || match self.driver.cut {
                Cut::Elements => false,
                Cut::ElementsOfList => carrier.role.is_some(),
                Cut::Options => true,
            };
        for (element_index, element) in carrier.elements.iter().copied().enumerate() {
            let start = self.tokens.len();
            let site = |range| Site { carrier: index, element: element_index, range };
            // No comma, quote or whitespace: one option, and nearly every element is such a one.
            if option::is_plain(element) {
                self.add_option(element, Some(site(0..element.len())), true, carrier.in_force);
                if self.tokens.last().is_some_and(|token| token.entry().is_none()) {
                    disguise::mark(self.tokens.get_mut(start..).unwrap_or_default());
                }
                self.add_part(element, start, carrier);
                continue;
            }
            self.irregular.push((index, element_index));
            for piece in carrier.pieces(element) {
                let piece_start = self.tokens.len();
                if !piece.text.is_empty() {
                    let is_plain = option::is_plain(piece.text);
                    let is_unrendered = carrier.is_unrendered(element, piece.range.clone());
                    self.add_option(piece.text, Some(site(piece.range)), is_plain, carrier.in_force);
                    if let Some(token) = self.tokens.last_mut() {
                        token.is_unrendered = is_unrendered;
                    }
                }
                if splits && !piece.text.is_empty() {
                    self.add_part(piece.text, piece_start, carrier);
                }
            }
            disguise::mark(self.tokens.get_mut(start..).unwrap_or_default());
            if !splits {
                self.add_part(element, start, carrier);
            }
        }
    }

    fn add_option(&mut self, text: &'m str, site: Option<Site>, is_plain: bool, in_force: bool) {
        let option = MountOption::new(self.fold(text));
        self.tokens.push(Token::new(option, site, is_plain, in_force, self.driver));
    }

    /// Adds a part of the carrier's, whose tokens are those from `start` on.
    fn add_part(&mut self, text: &'m str, start: usize, carrier: &Carrier<'m>) {
        if !carrier.in_force {
            return;
        }
        let part = Part { text: self.fold(text), tokens: start..self.tokens.len() };
        let begins_with =
            |own: &&str| text.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own));
        if self.driver.own_elements.iter().any(|own| own.eq_ignore_ascii_case(text))
            || carrier.role.is_none() && self.driver.own_prefixes.iter().any(begins_with)
        {
            self.keep_back(vec![part]);
            return;
        }
        let tokens = self.tokens.get(part.tokens.clone()).unwrap_or_default();
        let is_taken_version = carrier.role.is_none()
            && self.driver.takes_out.contains(&"vers")
            && tokens.iter().any(|token| token.option.keyword() == "vers" && token.option.value().is_some());
        if is_taken_version {
            // The driver reads the list from the left: the last one stays.
            self.taken_version = Some(start);
        } else if !tokens.is_empty() && tokens.iter().all(|token| token.is_drivers_own) {
            // mount.nfs does not get it, but a finding may name it.
            self.kept_back.push(part);
        } else if carrier.role.is_none() {
            self.list.push(part);
        } else {
            self.others.push(part);
        }
    }

    /// Makes letters small as `efs.csi.aws.com` does (<https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/a4fc67600be60d0f8350dc9459e55ff04e9aa944/pkg/driver/node.go>).
    /// In a file, a placeholder's name keeps its letters: the driver gets what it becomes.
    fn fold(&self, text: &'m str) -> Cow<'m, str> {
        let may_change = |byte: u8| byte.is_ascii_uppercase() || !byte.is_ascii();
        if self.driver.case != Case::Folded || !text.bytes().any(may_change) {
            return text.into();
        }
        let (mut folded, mut at) = (String::with_capacity(text.len()), 0);
        for range in placeholders(text).filter(|_| self.takes_placeholders) {
            folded.push_str(&text.get(at..range.start).unwrap_or_default().to_lowercase());
            folded.push_str(text.get(range.clone()).unwrap_or_default());
            at = range.end;
        }
        folded.push_str(&text.get(at..).unwrap_or_default().to_lowercase());
        folded.into()
    }

    /// Keeps back a word that means "no option", where it stands alone.
    fn drop_none_word(&mut self) {
        let Some(word) = self.driver.none_word else { return };
        for (parts, is_list) in [(&mut self.list, true), (&mut self.others, false)] {
            if let [part] = parts.as_slice()
                && part.text.eq_ignore_ascii_case(word.text())
                && !(is_list && matches!(word, NoneWord::OtherCarriers(_)))
            {
                for token in self.tokens.get_mut(part.tokens.clone()).unwrap_or_default() {
                    token.is_drivers_own = true;
                }
                self.kept_back.append(parts);
            }
        }
    }

    /// Returns the driver's own list, where no carrier that replaces it holds anything.
    fn defaults(&self, carriers: &[Carrier<'m>]) -> &'static [&'static str] {
        let replaces = |(index, carrier): (usize, &Carrier<'m>)| {
            carrier.in_force
                && match carrier.role {
                    None if index == 0 => !carrier::is_empty(self.driver, carrier),
                    Some(Role::Version | Role::Argument | Role::Apart | Role::NotTaken) => false,
                    Some(Role::Sole) => carrier.elements.iter().any(|text| !text.is_empty()),
                    Some(Role::SoleEvenEmpty) => true,
                    _ => !carrier.is_empty(),
                }
        };
        if carriers.iter().enumerate().any(replaces) {
            return &[];
        }
        match self.driver.empty {
            Empty::KernelDefaults | Empty::Hidden => &[],
            Empty::DriverDefaults(defaults) => defaults,
            Empty::DriverDefaultsByVersion(v3, v4) => by_version(self.version.as_deref(), v3, v4),
            Empty::DriverDefaultsByCarrier(v3, v4) => by_version(self.carriers_version.as_deref(), v3, v4),
        }
    }

    fn run(&mut self, step: &Step, defaults: &'static [&'static str], facts: &Facts<'_>) {
        match step {
            Step::List => {
                self.parts.append(&mut self.list);
                for option in defaults {
                    self.add_drivers(option);
                }
            }
            Step::Others => self.parts.append(&mut self.others),
            Step::ReadOnly(when) => {
                if facts.show(when) {
                    self.add_drivers("ro");
                }
            }
            Step::Add(addition) => {
                if self.takes(addition, facts) {
                    self.add_drivers(addition.options);
                }
            }
            Step::Version(versioning) => self.add_version(versioning, facts),
            Step::Split => self.split(),
            Step::RetryWithout(prefix) => self.retry_without(prefix),
            Step::Sort => {
                self.parts.retain(|part| !part.text.is_empty());
                self.parts.sort_unstable_by(|a, b| a.text.as_bytes().cmp(b.text.as_bytes()));
                self.parts.dedup_by(|a, b| a.text == b.text);
            }
            Step::KeepFirstOfEqual => {
                let mut seen = HashSet::new();
                self.parts.retain(|part| seen.insert(part.text.clone()));
            }
            Step::OnePerKeyword => self.keep_one_per_keyword(),
            Step::Trim => {
                for index in 0..self.parts.len() {
                    self.rewrite(index, |text| text.trim_matches(rewriting::is_python_space).to_owned());
                }
            }
            Step::StripPrefix(prefix) => {
                self.rewrite(0, |text| text.strip_prefix(prefix).unwrap_or(text).to_owned());
            }
            Step::Shell => self.pass_through_shell(),
        }
    }

    /// Adds options of the driver's own as one element.
    fn add_drivers(&mut self, options: &'static str) {
        let start = self.tokens.len();
        for piece in option::split(options) {
            self.add_option(piece.text, None, true, true);
        }
        self.parts.push(Part { text: options.into(), tokens: start..self.tokens.len() });
    }

    fn takes(&self, addition: &Addition, facts: &Facts<'_>) -> bool {
        let mut tokens =
            self.parts.iter().flat_map(|part| self.tokens.get(part.tokens.clone()).unwrap_or_default());
        let is_kept_out = match addition.unless {
            Unless::Keyword(keywords) => tokens.any(|token| keywords.contains(&token.option.keyword())),
            unless => self.parts.iter().any(|part| unless.is_met_by_element(&part.text)),
        };
        let holds = match addition.when {
            When::Always => true,
            When::Shows(evidence) => facts.show(&evidence),
            When::Holds(element) => self.parts.iter().any(|part| part.text == element),
            When::VersionIs(version) => self.version.as_deref() == Some(version),
        };
        !is_kept_out && holds
    }

    /// Marks what the driver takes out.
    fn keep_back(&mut self, parts: Vec<Part<'m>>) {
        for part in &parts {
            for token in self.tokens.get_mut(part.tokens.clone()).unwrap_or_default() {
                token.is_drivers_own = true;
            }
        }
        self.kept_back.extend(parts);
    }

    fn finish(self) -> Options<'m> {
        let Self {
            driver,
            mut tokens,
            parts,
            kept_back,
            irregular,
            is_cut_short,
            is_several_words,
            adds_words,
            ..
        } = self;
        let mut order = Vec::with_capacity(tokens.len());
        let mut places = Vec::new();
        for index in parts.iter().chain(&kept_back).flat_map(|part| part.tokens.clone()) {
            let Some(token) = tokens.get(index) else { continue };
            // `bg` is bg whatever follows its `=`.
            if !token.is_unrendered || token.option.keyword() == "bg" {
                order.push(index);
            } else {
                places.push((index, order.len()));
            }
        }
        mark_sloppy(&mut tokens, &order);
        let mut words = OptionSet::default();
        for word in tokens.iter().filter(|token| token.is_written()).filter_map(Token::id) {
            words.insert(word);
        }
        let may_reach = |token: &Token<'_>| token.in_force || !driver.known.is_read();
        let is_open = |(_, token): &(usize, &Token<'_>)| token.is_unrendered && may_reach(token);
        let unrendered = tokens.iter().enumerate().filter(is_open).map(|(token, _)| {
            let found = places.iter().find(|(index, _)| *index == token).filter(|_| keeps_places(driver));
            Unrendered { token, place: found.map_or(usize::MAX, |(_, place)| *place) }
        });
        let unrendered = unrendered.collect();
        let mut options = Options {
            tokens,
            order,
            parts,
            irregular,
            words,
            unrendered,
            may_hold_any: false,
            is_cut_short,
            is_several_words,
            adds_words,
            settings: Settings::default(),
        };
        options.settings = Settings::of(options.effective_options());
        options
    }
}

fn by_version<'d>(version: Option<&str>, v3: &'d [&'d str], v4: &'d [&'d str]) -> &'d [&'d str] {
    if version.is_some_and(|version| version.starts_with('4')) { v4 } else { v3 }
}

/// Returns true if the driver passes each element at the place where it is written, whatever its text.
fn keeps_places(driver: &Driver) -> bool {
    let moves = |step: &Step| matches!(step, Step::Sort | Step::KeepFirstOfEqual | Step::OnePerKeyword);
    !driver.steps.iter().any(moves)
}

fn mark_sloppy(tokens: &mut [Token<'_>], order: &[usize]) {
    let is_sloppy = |token: &Token<'_>| token.id() == Some(OptionId::Sloppy);
    if order.iter().any(|index| tokens.get(*index).is_some_and(is_sloppy)) {
        // A second one of equal text, which the driver drops, is the first one's double.
        for token in tokens.iter_mut().filter(|token| token.in_force) {
            token.is_beside_sloppy = true;
        }
    }
}
