//! Finds the parts of a subject that a program still fills in.

use super::Subject;
use super::driver::Nfs;
use super::effective::Token;
use crate::nfs::placeholder::has_placeholder;

impl<'m> Subject<'m> {
    /// Returns the parts that are not evaluated because a program may still fill them in: options
    /// with placeholders, the driver's name, the server, keys of parameters, attributes and annotations.
    pub fn placeholders(&self) -> Vec<&str> {
        if self.nfs == Nfs::No || !self.facts.takes_placeholders {
            return Vec::new();
        }
        let named = [Some(self.driver_name), self.server].into_iter().flatten();
        let named = named.filter(|name| has_placeholder(name)).chain(self.facts.unrendered_keys());
        let named = named.chain(self.facts.unrendered_annotation);
        let options = self.options.tokens().iter().filter(|token| token.is_unrendered);
        // The text as written, not as a driver folds it: a placeholder's name has its own letters.
        let written = |token: &Token<'m>| -> Option<&str> {
            let site = token.site.as_ref()?;
            let element = self.carriers.get(site.carrier)?.elements.get(site.element)?;
            element.get(site.range.clone())
        };
        named.chain(options.filter_map(written)).collect()
    }
}
