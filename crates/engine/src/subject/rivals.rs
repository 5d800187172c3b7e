//! Keys of one object that its driver takes for one.

use super::Subject;
use super::driver;
use super::effective::Token;

impl Subject<'_> {
    /// Returns true if the driver reads the two carriers under one key, spelt in two ways, and so
    /// in no fixed order: a driver written in Go goes through its keys as they come (`NodePublishVolume` of
    /// <https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/nodeserver.go>:
    /// `range req.GetVolumeContext()`, each key as `strings.ToLower` makes it).
    fn are_rivals(&self, one: usize, other: usize) -> bool {
        let key = |index: usize| {
            let carrier = self.carriers.get(index).filter(|carrier| carrier.in_force)?;
            carrier.role.and(carrier.place.key())
        };
        one != other && key(one).zip(key(other)).is_some_and(|(one, other)| driver::is_same_key(one, other))
    }

    /// Returns true if a `bg` may come after the last `fg`, though it is read before it here.
    pub(super) fn may_background_come_last(&self) -> bool {
        let is = |keyword: &'static str| move |token: &&Token<'_>| token.option.keyword() == keyword;
        let fg = self.options.effective().rfind(is("fg"));
        fg.is_some_and(|fg| self.options.effective().filter(is("bg")).any(|bg| self.is_order_open(bg, fg)))
    }

    /// Returns true if the order of two options of the user's changes from mount to mount.
    pub fn is_order_open(&self, one: &Token<'_>, other: &Token<'_>) -> bool {
        let sites = one.site.as_ref().zip(other.site.as_ref());
        sites.is_some_and(|(one, other)| self.are_rivals(one.carrier, other.carrier))
    }
}
