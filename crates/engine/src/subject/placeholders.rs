//! Finds the parts of a subject that a program still fills in.

use super::Subject;
use super::driver::Nfs;
use crate::nfs::placeholder::has_placeholder;

impl Subject<'_> {
    /// Returns the parts that are not evaluated because a program may still fill them in: options
    /// with placeholders, the driver's name, the server.
    pub fn placeholders(&self) -> Vec<&str> {
        if self.nfs == Nfs::No || !self.facts.is_in_file {
            return Vec::new();
        }
        let named = [Some(self.driver_name), self.server].into_iter().flatten();
        let named = named.filter(|name| has_placeholder(name));
        let options = self.options.tokens().iter().filter(|token| token.is_unrendered);
        named.chain(options.map(|token| token.option.text())).collect()
    }
}
