//! Values that shells offer, for arguments that take others as well: a static completion
//! knows only what a value parser lists.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};

use crate::rules::RULES;

/// A parser that lists values, and leaves reading to another one.
#[derive(Clone)]
pub(super) struct Offered<P> {
    reader: P,
    values: fn() -> Vec<PossibleValue>,
}

impl<P: TypedValueParser> Offered<P> {
    /// Returns values for what `reader` reads.
    pub(super) const fn new(reader: P, values: fn() -> Vec<PossibleValue>) -> Self {
        Self { reader, values }
    }
}

impl<P: TypedValueParser> TypedValueParser for Offered<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<P::Value, Error> {
        self.reader.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.values)().into_iter()))
    }
}

/// Parses arguments that name a rule: its code, or its name. A prefix is taken, too.
pub(super) fn rule() -> Offered<StringValueParser> {
    Offered::new(StringValueParser::new(), || {
        let codes = RULES.iter().map(|rule| PossibleValue::new(rule.code.to_string()).help(rule.name));
        let names = RULES.iter().map(|rule| PossibleValue::new(rule.name).help(rule.summary));
        codes.chain(names).collect()
    })
}
