//! When certificates and CAs are replaced, and in which order, so
//! that at no moment a server shows what an API server does not trust.
//!
//! A change of CA takes three steps, each at least [`Rotation::wait`]
//! after the one before: the new CA is *announced* in the caBundle
//! beside the old one; it *takes over* and signs; the old one is *retired*.

use time::{Duration, OffsetDateTime};

use super::state::{CaState, CertificateFacts, is_signed_by};
use super::{Authority, Error, Pair};

/// The state as it was found: any part may be missing or garbage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// See [`CaState::authority`].
    pub authority: Option<Pair>,
    /// See [`CaState::next`].
    pub next: Option<Pair>,
    /// See [`CaState::previous`].
    pub previous: Option<String>,
    /// See [`CaState::leaf`].
    pub leaf: Option<Pair>,
    /// True if the Secret's annotation requests a new CA.
    pub rotate: bool,
}

impl Stored {
    /// Returns true if `certificate` (PEM) is that of one of its CAs.
    pub fn knows(&self, certificate: &str) -> bool {
        let pairs = [self.authority.as_ref(), self.next.as_ref()].into_iter().flatten();
        pairs
            .map(|pair| pair.certificate.as_str())
            .chain(self.previous.as_deref())
            .any(|known| known.trim() == certificate.trim())
    }
}

impl From<CaState> for Stored {
    fn from(chain: CaState) -> Self {
        Self {
            authority: Some(chain.authority),
            next: chain.next,
            previous: chain.previous,
            leaf: Some(chain.leaf),
            rotate: false,
        }
    }
}

/// One step forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// A first CA was made, or one in place of what cannot be used.
    Founded,
    /// A new certificate was signed: the stored one could not be used.
    Signed,
    /// A new certificate was signed: two thirds of the old one's life were over.
    Renewed,
    /// A new CA stands beside the old one in the caBundle.
    Announced,
    /// The new CA has signed the certificate.
    TookOver,
    /// The old CA is trusted no more.
    Retired,
}

impl RotationStep {
    /// Returns its name for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Founded => "a new CA was created",
            Self::Signed => "a new certificate was signed",
            Self::Renewed => "the certificate was renewed",
            Self::Announced => "CA rotation: API servers trust the new CA as well",
            Self::TookOver => "CA rotation: the new CA signs the certificate",
            Self::Retired => "CA rotation: the old CA was removed",
        }
    }
}

/// The rules of renewal.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The names that the certificate has to speak for.
    pub names: Vec<String>,
    /// The shortest time of each step of a change of CA: long enough for every API server to see a
    /// new caBundle, and for every replica to serve with a new certificate.
    pub wait: Duration,
}

impl Rotation {
    /// Returns the state that replaces the one found, and the step that leads to it; `None` if
    /// nothing is due. `trusted_since` says since when the webhook configurations have had the
    /// caBundle of what was found; `None` where they have not.
    ///
    /// # Errors
    ///
    /// When a name cannot stand in a certificate, or the system gives no
    /// randomness.
    pub fn advance(
        &self,
        found: &Stored,
        trusted_since: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<(CaState, Option<RotationStep>), Error> {
        let Some((authority, facts)) = found.authority.as_ref().and_then(|pair| usable(pair, now)) else {
            let chain = self.found(found, now)?;
            return Ok((chain, Some(RotationStep::Founded)));
        };
        let next = found.next.as_ref().and_then(|pair| usable(pair, now)).map(|(next, _)| next);
        let mut chain = CaState {
            authority: authority.pair.clone(),
            next: next.as_ref().map(|next| next.pair.clone()),
            previous: found.previous.clone().filter(|pem| is_alive(pem, now)),
            leaf: Pair { certificate: String::new(), key: String::new() },
        };
        let served = found.leaf.as_ref().and_then(|leaf| self.served(leaf, &authority, now));
        let Some((leaf, leaf_facts)) = served else {
            chain.leaf = authority.sign(&self.names, now)?;
            return Ok((chain, Some(RotationStep::Signed)));
        };
        chain.leaf = leaf;
        let has_settled = trusted_since.is_some_and(|since| since + self.wait <= now);
        // The steps exclude each other, and one look takes one: a stop in between leaves a state
        // that is good.
        let step = if let Some(next) = next.filter(|_| has_settled) {
            chain.leaf = next.sign(&self.names, now)?;
            chain.previous = Some(authority.pair.certificate);
            chain.authority = next.pair;
            chain.next = None;
            RotationStep::TookOver
        } else if leaf_facts.renewal() <= now {
            chain.leaf = authority.sign(&self.names, now)?;
            RotationStep::Renewed
        // The certificate of the new CA has been served for the wait as well, so no replica
        // presents the old one.
        } else if chain.previous.is_some() && has_settled && leaf_facts.made + self.wait <= now {
            chain.previous = None;
            RotationStep::Retired
        } else if chain.next.is_none() && chain.previous.is_none() && (found.rotate || facts.renewal() <= now)
        {
            chain.next = Some(Authority::generate(now)?.pair);
            RotationStep::Announced
        } else {
            return Ok((chain, None));
        };
        Ok((chain, Some(step)))
    }

    /// Starts with a new CA. Certificates that the old one signed stay trusted until they
    /// expire: a replica may still serve with it.
    fn found(&self, found: &Stored, now: OffsetDateTime) -> Result<CaState, Error> {
        let authority = Authority::generate(now)?;
        let leaf = authority.sign(&self.names, now)?;
        let lost = found.authority.as_ref().map(|pair| pair.certificate.clone());
        let previous = lost.filter(|pem| is_alive(pem, now)).or_else(|| found.previous.clone());
        Ok(CaState {
            authority: authority.pair,
            next: None,
            previous: previous.filter(|pem| is_alive(pem, now)),
            leaf,
        })
    }

    /// Returns the certificate, if a server can show it to callers who trust `authority`.
    fn served(
        &self,
        leaf: &Pair,
        authority: &Authority,
        now: OffsetDateTime,
    ) -> Option<(Pair, CertificateFacts)> {
        let facts = CertificateFacts::read(&leaf.certificate).ok()?;
        let is_good = facts.not_after > now
            // A renamed Service or another namespace needs another certificate.
            && facts.names == self.names.iter().cloned().collect()
            && facts.belongs_to(&leaf.key)
            && is_signed_by(&leaf.certificate, &authority.pair.certificate);
        is_good.then(|| (leaf.clone(), facts))
    }
}

/// Returns a CA that can sign as of `now`, with what its certificate says.
fn usable(pair: &Pair, now: OffsetDateTime) -> Option<(Authority, CertificateFacts)> {
    let facts = CertificateFacts::read(&pair.certificate).ok()?;
    // A key that was edited would sign what no API server accepts.
    let is_good = facts.not_after > now && facts.belongs_to(&pair.key);
    let authority = Authority::load(pair.clone()).ok().filter(|_| is_good)?;
    Some((authority, facts))
}

fn is_alive(pem: &str, now: OffsetDateTime) -> bool {
    CertificateFacts::read(pem).is_ok_and(|facts| facts.not_after > now)
}

#[cfg(test)]
mod tests;
