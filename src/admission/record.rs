//! Records the decision about a request.

use super::Endpoint;
use super::wire::Request;
use crate::engine::Judged;
use crate::engine::judge::Treatment;
use crate::finding::Code;
use crate::subject::driver::Nfs;

/// The decision, for log and metrics. Borrows from the request.
#[derive(Debug, Default)]
pub struct Record<'r> {
    /// The request's uid.
    pub uid: &'r str,
    /// The endpoint of the request.
    pub endpoint: Endpoint,
    /// `CREATE`, `UPDATE` and so on; empty where it could not be read.
    pub operation: &'r str,
    /// The object's kind; empty where it could not be read.
    pub kind: &'r str,
    /// The object's name.
    pub name: &'r str,
    /// The object's namespace; empty where its kind has none.
    pub namespace: &'r str,
    /// The user of the request.
    pub user: &'r str,
    /// True if nothing is stored.
    pub dry_run: bool,
    /// The driver that mounts the object.
    pub driver: &'r str,
    /// The verdict on whether it is NFS; `None` for an object that is not evaluated.
    pub nfs: Option<Nfs>,
    /// `allow`, `patch` or `deny`.
    pub decision: &'static str,
    /// The decision in mode enforce, if the policy only observes.
    pub would_be: Option<&'static str>,
    /// The findings.
    pub findings: &'r [Judged],
    /// The treatment of each finding, in mode enforce.
    pub treatments: &'r [Treatment],
    /// The codes of the findings, each once.
    pub rules: &'r [Code],
    /// The codes that were passed over, each once.
    pub exempted: &'r [Code],
    /// The string mount.nfs would have got.
    pub options_before: &'r str,
    /// The string it will get after the patch.
    pub options_after: &'r str,
    /// The JSON patch; empty without one.
    pub patch: &'r str,
    /// The provisioner that the object names and that is not believed to have
    /// made it; empty where there is none.
    pub disbelieved: &'r str,
    /// The reason why the object could not be read; empty where it could.
    pub error: &'r str,
}

impl<'r> Record<'r> {
    /// Returns a request that is let through without anything to say of it.
    pub(super) fn of<O>(request: &'r Request<'_, O>, endpoint: Endpoint) -> Self {
        Self {
            uid: &request.uid,
            endpoint,
            operation: request.operation.as_deref().unwrap_or_default(),
            kind: request.kind(),
            name: request.name.as_deref().unwrap_or_default(),
            namespace: request.namespace.as_deref().unwrap_or_default(),
            user: request.user(),
            dry_run: request.dry_run.unwrap_or_default(),
            decision: "allow",
            ..Self::default()
        }
    }
}
