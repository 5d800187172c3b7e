//! Objects that have the name of a volume and are another one.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;
use std::ptr;

use super::Volume;
use crate::node::mounts::Mount;
use crate::node::volumes::{self, Plugin};
use crate::subject::Subject;
use crate::subject::driver;

/// The name of the kubelet's own NFS volumes in the driver table.
const IN_TREE: &str = "kubernetes.io/nfs";

/// The attributes that csi-driver-nfs puts into `subDir`, and the words that stand for them there
/// (`NodePublishVolume`,
/// <https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/nodeserver.go>).
const PLACEHOLDERS: [(&str, &str); 3] = [
    ("${pvc.metadata.namespace}", "csi.storage.k8s.io/pvc/namespace"),
    ("${pvc.metadata.name}", "csi.storage.k8s.io/pvc/name"),
    ("${pv.metadata.name}", "csi.storage.k8s.io/pv/name"),
];

/// Returns true if csi-driver-nfs mounts it, which goes by the attributes alone: its node plugin reads
/// no `volumeHandle`.
fn is_of_csi_driver_nfs(subject: &Subject<'_>) -> bool {
    ptr::eq(subject.driver, driver::csi_driver_nfs())
}

/// Returns the one value of an attribute, whatever the case of its name; `None` also where it is there
/// twice, because Go reads a map in random order.
fn attribute<'m>(subject: &Subject<'m>, name: &str) -> Option<&'m str> {
    let mut found = subject.keys().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

/// Returns the path on the server that csi-driver-nfs mounts.
fn share(subject: &Subject<'_>) -> Option<String> {
    let share = attribute(subject, "share").filter(|share| !share.is_empty())?;
    let has_sub = subject.keys().any(|(key, _)| key.eq_ignore_ascii_case("subDir"));
    if !has_sub {
        return Some(share.to_owned());
    }
    let mut sub = attribute(subject, "subDir")?.to_owned();
    for (word, key) in PLACEHOLDERS {
        if let Some(value) = attribute(subject, key) {
            sub = sub.replace(word, value);
        }
    }
    // A word that stands for nothing stays in the path, which was not meant.
    (!sub.contains("${")).then(|| format!("{}/{sub}", share.trim_end_matches('/')))
}

/// Returns the steps of a path on a server.
fn steps(path: &str) -> Vec<&str> {
    path.split('/').filter(|step| !matches!(*step, "" | ".")).collect()
}

/// Returns the server and the path of an NFS mount.
fn source(mount: &Mount) -> Option<(&str, &str)> {
    mount.source.split_once(":/").filter(|(server, _)| !server.starts_with('[')).or_else(|| {
        let (server, path) = mount.source.split_once("]:/")?;
        Some((server.strip_prefix('[').unwrap_or(server), path))
    })
}

/// Returns the address that a server's name is.
fn address(server: &str) -> Option<IpAddr> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

impl Volume<'_> {
    /// Returns why an object of this name is not the volume's: an inline volume has the name that its Pod
    /// gives it, and a PersistentVolume may have the same. `None` where it is.
    pub(super) fn other_object(
        &self,
        subject: &Subject<'_>,
        export: Option<&str>,
        pods_dir: &Path,
    ) -> Option<String> {
        let is_of_csi = self.id.plugin == Plugin::Csi;
        let note = if is_of_csi { volumes::csi_note(pods_dir, self.id).ok() } else { None };
        let is_inline = note.as_ref().and_then(volumes::CsiNote::is_inline);
        let driver = note.map(|note| note.driver_name).or_else(|| self.id.plugin.flex_driver());
        if is_of_csi != subject.is_csi()
            || driver.as_ref().is_some_and(|driver| driver != subject.driver_name)
        {
            let driver = driver.as_deref().unwrap_or(if is_of_csi { "a CSI driver" } else { IN_TREE });
            return Some(format!("it is of {}, and the directory of {driver}", subject.driver_name));
        }
        if is_inline.is_some_and(|is_inline| is_inline != subject.volume.is_some()) {
            let (object, other) = match subject.volume {
                Some(_) => ("an inline volume", "a PersistentVolume"),
                None => ("a PersistentVolume", "an inline volume of the Pod"),
            };
            return Some(format!("it is {object}, and the directory of {other}"));
        }
        let is_of_csi = is_of_csi_driver_nfs(subject);
        if !is_of_csi && subject.driver_name != IN_TREE {
            return None;
        }
        let mount = self.mount.filter(|mount| mount.nfs.is_some())?;
        let (server, mounted) = source(mount)?;
        // The server may have another name in a mount that shares its superblock, but no other address.
        let shown = mount.options.get("addr").and_then(Option::as_deref);
        let real = address(server).or_else(|| shown.and_then(address));
        if let Some((asked, real)) = subject.server.and_then(address).zip(real)
            && asked != real
        {
            return Some(format!("its server is {asked}, and {real} is mounted"));
        }
        let export = if is_of_csi { share(subject).map(Cow::Owned) } else { export.map(Cow::Borrowed) };
        let export = steps(export.as_deref()?).join("/");
        let mounted = steps(mounted).join("/");
        (mounted != export)
            .then(|| format!("it is at path /{export} of its server, and /{mounted} is mounted"))
    }

    /// Says that the mount names another server than the object, which may be another name of it.
    pub(super) fn server_note(&self, subject: &Subject<'_>) -> Option<String> {
        if !is_of_csi_driver_nfs(subject) && subject.driver_name != IN_TREE {
            return None;
        }
        let (asked, (mounted, _)) = (subject.server?, source(self.mount?)?);
        let bare = |server: &str| server.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        // Two addresses were compared.
        let is_same = bare(asked) == bare(mounted) || address(asked).is_some();
        (!is_same).then(|| {
            format!(
                "the object names server {asked}, and the mount {mounted}: the same one under another name, or the object was changed after the mount"
            )
        })
    }
}
