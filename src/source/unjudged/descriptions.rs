//! Mappings and lists that describe an NFS mount field by field: a task of Ansible's `mount` module,
//! `driver_opts` of a Docker volume, a state of Salt, and the fields that cloud-init fills in.

use super::{Search, commands, misplaced};
use crate::nfs::option::{self, MountOption};
use crate::source::tree::{NodeId, Tree};
use crate::subject::driver::{names_mount_options, speaks_of_options};

/// Keys of the type of a file system, and of its source.
const TYPES: [&str; 6] = ["fstype", "fs_type", "fsType", "vfstype", "filesystem", "type"];
const SOURCES: [&str; 6] = ["src", "source", "device", "what", "What", "share"];

/// Other file systems, as `type` has them; the other keys of [`TYPES`] name nothing else.
const OTHERS: [&str; 20] = [
    "9p", "bind", "btrfs", "ceph", "cephfs", "cifs", "ext2", "ext3", "ext4", "glusterfs", "gpfs", "lustre",
    "ntfs", "overlay", "smb", "smb3", "smbfs", "tmpfs", "vfat", "xfs",
];

/// The file system that the fields of a mount describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileSystem {
    Nfs,
    Other,
    /// It has no type, and the source of no other file system.
    Unsaid,
}

/// Options at one of several fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Described {
    /// The index of the field.
    pub(super) index: usize,
    /// The options.
    pub(super) value: NodeId,
}

/// A field by its key and its value.
type Entry = (NodeId, NodeId);

/// Returns the file system of these fields. mount(8) takes `SERVER:/PATH` without a type for NFS
/// (<https://github.com/util-linux/util-linux/blob/v2.41/libmount/src/context_mount.c>).
pub(super) fn file_system(tree: &Tree<'_>, fields: &[Entry]) -> FileSystem {
    let texts_of = |keys: &'static [&str]| {
        fields.iter().filter_map(move |(key, value)| {
            let key = tree.text(*key)?;
            keys.contains(&key).then_some((key, tree.string(*value)?))
        })
    };
    for (key, named) in texts_of(&TYPES) {
        match named {
            "nfs" | "nfs4" => return FileSystem::Nfs,
            "auto" | "none" | "" => {}
            _ if named.contains(['{', '$']) => {}
            _ if key != "type" || OTHERS.contains(&named) => return FileSystem::Other,
            _ => {}
        }
    }
    let is_export =
        texts_of(&SOURCES).any(|(_, source)| commands::is_export(source) && !source.contains('@'));
    if is_export { FileSystem::Nfs } else { FileSystem::Unsaid }
}

/// Returns the field with the options of an NFS mount that the fields describe.
fn described(tree: &Tree<'_>, fields: &[Entry]) -> Option<Described> {
    let is_options = |name: &str| name == "o" || speaks_of_options(name);
    let found = fields.iter().enumerate().find(|(_, (key, value))| {
        let name = tree.text(*key).unwrap_or_default();
        // Those of its own name are found anywhere.
        is_options(name) && !names_mount_options(name) && are_given(&misplaced::texts(tree, *value))
    });
    let (index, (_, value)) = found?;
    // Most mappings have no such field: the type is checked last.
    (file_system(tree, fields) == FileSystem::Nfs).then_some(Described { index, value: *value })
}

/// Returns true if one of these texts holds an option other than `defaults`.
fn are_given(texts: &[String]) -> bool {
    texts.iter().flat_map(|text| option::split(text)).any(|piece| {
        let text = piece.text.trim();
        text != "defaults" && MountOption::new(text).entry().is_some()
    })
}

impl Search<'_> {
    /// Returns the options of a mapping that describes an NFS mount.
    pub(super) fn described_by_map(&self, entries: &[Entry]) -> Option<Described> {
        described(self.tree, entries)
    }

    /// Returns the same of a list of mappings with one field each, as Salt has them.
    pub(super) fn described_by_list(&self, items: &[NodeId]) -> Option<Described> {
        if items.len() < 2 {
            return None;
        }
        let field = |item: &NodeId| match &*self.tree.entries(*item)? {
            [entry] => Some(*entry),
            _ => None,
        };
        let fields: Vec<Entry> = items.iter().map(field).collect::<Option<_>>()?;
        described(self.tree, &fields)
    }

    /// Returns the options that cloud-init gives each entry of `mounts` without any: the fourth of
    /// `mount_default_fields`, where such an entry is NFS, or those that come later are
    /// (<https://github.com/canonical/cloud-init/blob/04eacd06ee60de9dbb9e7be784be20dab7342c1a/cloudinit/config/cc_mounts.py>).
    pub(super) fn default_field(&self, map: NodeId) -> Option<Described> {
        const OPTIONS: usize = 3;
        let tree = self.tree;
        let fields = tree.items(tree.get(map, "mount_default_fields")?)?;
        let value = *fields.get(OPTIONS)?;
        let text = |list: &[NodeId], index: usize| list.get(index).and_then(|item| tree.string(*item));
        let of_type = |named: Option<&str>| match named {
            Some("nfs" | "nfs4") => FileSystem::Nfs,
            None | Some("auto" | "") => FileSystem::Unsaid,
            Some(_) => FileSystem::Other,
        };
        let is_open = |entry: &NodeId| {
            let entry = tree.items(*entry).unwrap_or_default();
            let named = text(entry, 2).or_else(|| text(fields, 2));
            let is_nfs = match of_type(named) {
                FileSystem::Nfs => true,
                FileSystem::Unsaid => text(entry, 0).is_some_and(commands::is_export),
                FileSystem::Other => false,
            };
            is_nfs && text(entry, OPTIONS).is_none()
        };
        let mounts = tree.get(map, "mounts").and_then(|mounts| tree.items(mounts)).unwrap_or_default();
        let is_met = if mounts.is_empty() {
            of_type(text(fields, 2)) == FileSystem::Nfs
        } else {
            mounts.iter().any(is_open)
        };
        (is_met && are_given(&misplaced::texts(tree, value))).then_some(Described { index: OPTIONS, value })
    }
}
