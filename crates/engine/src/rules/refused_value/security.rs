//! `xprtsec=` next to a transport that it does not secure.

use super::super::RuleContext;
use crate::finding::{Sentence, Severity};
use crate::nfs::acceptance::{Transport, transport};
use crate::nfs::catalog::{OptionId, OptionSet};
use crate::subject::effective::Token;

/// An `xprtsec=tls` or `xprtsec=mtls`, and a transport other than TCP, both of which count. No kernel mounts
/// the two: before 6.5 it does not know `xprtsec`, and since then it refuses the transport
/// (`nfs_validate_transport_protocol`,
/// <https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c>).
pub(super) struct Unsecured<'t, 'm> {
    security: &'t Token<'m>,
    transport: &'t Token<'m>,
    name: &'static str,
}

impl<'t, 'm> Unsecured<'t, 'm> {
    pub(super) fn of(check: &RuleContext<'t, 'm>) -> Option<Self> {
        if !check.speaks_of(OptionSet::of(&[OptionId::Xprtsec])) {
            return None;
        }
        let counts = |token: &&Token<'_>| token.acceptance.refusal.is_none() && !token.is_drivers_own;
        let mut last = check.subject.options.effective().filter(counts).rev();
        let mut others = last.clone();
        let security = last.find(|token| token.id() == Some(OptionId::Xprtsec))?;
        let transport = others.find(|token| transport(&token.option).is_some())?;
        let name = match self::transport(&transport.option)? {
            Transport::Tcp => return None,
            Transport::Udp => "UDP",
            Transport::Rdma => "RDMA",
        };
        let is_secured = matches!(security.option.value(), Some("tls" | "mtls"));
        is_secured.then_some(Self { security, transport, name })
    }

    /// Returns true for the `xprtsec=`.
    pub(super) fn is_about(&self, token: &Token<'_>) -> bool {
        std::ptr::eq(self.security, token)
    }

    pub(super) fn report(&self, check: &mut RuleContext<'_, '_>) {
        let token = if self.security.site.is_some() { self.security } else { self.transport };
        let message = format!(
            "{} requires TCP, but {:?} requests {}",
            check.quote(self.security),
            self.transport.option.text(),
            self.name
        );
        let (severity, message) = if self.security.is_beside_sloppy {
            (Severity::Lesser, format!("{message}; kernels before 6.5 ignore it with sloppy"))
        } else {
            (Severity::CannotMount, message)
        };
        check.report(token, severity, Sentence::with_remedy(message, "drop one of them"), None);
    }
}
