//! Parameters and attributes that look like mount options and that the driver
//! does not read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::driver::{self, UnknownParameters};
use super::{LONGEST_OPTIONS, Misplaced, Subject};
use crate::kind::Holds;
use crate::nfs::acceptance;
use crate::nfs::catalog::{Consumers, Entry, OptionId};
use crate::nfs::disguised;
use crate::nfs::option::{MountOption, are_options, has_nfs_option, split};
use crate::nfs::reading;
use crate::site::{MOUNT_OPTIONS_ANNOTATION, Place};

/// A parameter or an attribute that the driver does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadKey<'m> {
    /// The place.
    pub place: Place,
    /// The value of the key.
    pub value: &'m str,
    /// The options that it is meant to give.
    pub options: String,
    /// True if the driver's source was not read: it may take them.
    pub may_be_read: bool,
}

/// Words of options that a driver may well take for something of its own, whatever their value.
const AMBIGUOUS: [OptionId; 2] = [OptionId::Port, OptionId::Acl];

/// Words of options that a driver may take for something of its own where no mount takes their value:
/// `proto: nfs`.
const AMBIGUOUS_BY_VALUE: [OptionId; 3] = [OptionId::Proto, OptionId::Sec, OptionId::Xprtsec];

/// Words that other network file systems have, too, and drivers for nothing else.
const OF_NETWORK: [OptionId; 8] = [
    OptionId::Hard,
    OptionId::Soft,
    OptionId::Retrans,
    OptionId::Rsize,
    OptionId::Wsize,
    OptionId::Actimeo,
    OptionId::Acregmax,
    OptionId::Acdirmax,
];

/// Most keys of an object that are reported: the remedy for one looks at the others.
const MOST_KEYS: usize = 512;

/// Carriers that are looked through one by one.
const FEW_CARRIERS: usize = 8;

impl<'m> Subject<'m> {
    /// Returns the parameters or attributes that look like mount options, beside those that
    /// hold them with some driver, which are carriers. Of a driver whose source was not read those
    /// that are certainly options: it may read them.
    pub fn unread_keys(&self) -> Vec<UnreadKey<'m>> {
        if self.provisioned_by.is_some() {
            return Vec::new();
        }
        let may_be_read = !self.driver.known.is_read();
        let keys = || self.carriers.iter().filter_map(|carrier| carrier.place.key());
        // An object may have thousands: one look for each.
        let many: Option<BTreeSet<&str>> = (self.carriers.len() > FEW_CARRIERS).then(|| keys().collect());
        let is_carrier = |key: &str| {
            many.as_ref().map_or_else(|| keys().any(|found| found == key), |many| many.contains(key))
        };
        // The keys that a driver reads of a class of snapshots were seldom looked at.
        let is_open = self.kind.row().holds == Holds::Snapshots && !self.refuses_unknown_keys();
        self.keys()
            .filter(|(key, value)| {
                let is_said = !value.is_empty() || self.refuses_unknown_keys() || is_taken(key);
                is_said && !is_carrier(key) && !self.driver.speaks_of_key(key)
            })
            .filter(|(key, value)| {
                let adds_options = || may_be_read && reading::further_options(value).next().is_some();
                !is_open || driver::resembles_mount_options(key) || adds_options()
            })
            .filter_map(|(key, value)| {
                let of_word = || match self.refuses_unknown_keys() {
                    true => word(key, value),
                    false if self.has_listed_keys() => word(key, value).filter(|option| is_taken(option)),
                    false => None,
                };
                let options = if may_be_read {
                    let whole = are_certainly_options(key, value).then(|| (*value).to_owned());
                    whole.or_else(|| added(value))
                } else {
                    meant(key, value).or_else(of_word)
                }?;
                Some(UnreadKey { place: self.place_of_key(key), value, options, may_be_read })
            })
            .take(MOST_KEYS)
            .collect()
    }

    /// Returns true if every key that the driver reads of such an object is in its row.
    fn has_listed_keys(&self) -> bool {
        let is_volume = matches!(self.kind.row().holds, Holds::Volume | Holds::InlineVolumes(_));
        is_volume && !self.driver.attributes.is_empty()
    }

    /// Returns true if a parameter or an attribute that is no carrier holds nothing but options of NFS: a
    /// driver whose source was not read may take them from there.
    pub(super) fn may_read_a_key_of_its_own(&self) -> bool {
        self.keys().any(|(key, value)| !self.driver.speaks_of_key(key) && may_be_options(key, value))
    }

    /// Returns true if the driver refuses the object for a parameter that it does not know.
    pub fn refuses_unknown_keys(&self) -> bool {
        match self.kind.row().holds {
            Holds::Class => self.driver.unknown_parameters == UnknownParameters::Refused,
            Holds::Snapshots => self.mounts_for_snapshots(),
            Holds::Volume | Holds::InlineVolumes(_) | Holds::Claim => false,
        }
    }

    /// Returns true for an object that mounts nothing itself: a claim, or a workload beside its inline
    /// volumes. It is a subject only where it holds options that nothing reads.
    pub fn mounts_nothing(&self) -> bool {
        match self.kind.row().holds {
            Holds::Claim => true,
            Holds::InlineVolumes(_) => self.volume.is_none(),
            Holds::Class | Holds::Snapshots | Holds::Volume => false,
        }
    }

    /// Returns true for a class of snapshots that the driver mounts nothing with, as far as its source was
    /// read: every driver but csi-driver-nfs.
    pub fn carries_no_mount(&self) -> bool {
        self.kind.row().holds == Holds::Snapshots && !self.mounts_for_snapshots()
    }

    /// Returns true for a class of snapshots whose driver mounts to write them, with or without options.
    pub fn mounts_for_snapshots(&self) -> bool {
        // newNFSSnapshot, CreateSnapshot:
        // https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/controllerserver.go
        let is_read = std::ptr::eq(self.driver, driver::csi_driver_nfs());
        is_read && self.kind.row().holds == Holds::Snapshots
    }
}

/// Returns the options that a key and its value are meant to give; `None` where they are
/// meant for something else.
///
/// ```
/// # use nfs_mount_guard_engine::subject::meant;
/// assert_eq!(meant("nfsVersion", "4.1").as_deref(), Some("nfsvers=4.1"));
/// assert_eq!(meant("share", "/a,b=c"), None);
/// ```
pub fn meant(key: &str, value: &str) -> Option<String> {
    if driver::resembles_mount_options(key) {
        return Some(value.to_owned());
    }
    if driver::names_version(key) {
        if value.is_empty() {
            return Some(String::new());
        }
        return Some(format!("nfsvers={value}"));
    }
    if let Some(entry) = MountOption::new(key).entry() {
        // `lock` may be a switch of the driver's, and `nolock` is none.
        let is_negation = entry.negated && !entry.consumers.include(Consumers::MOUNT);
        let is_by_value = AMBIGUOUS_BY_VALUE.contains(&entry.id);
        let is_own = entry.nfs_only || is_negation || is_by_value || OF_NETWORK.contains(&entry.id);
        let is_ambiguous = AMBIGUOUS.contains(&entry.id) && !is_negation;
        let option = || word(key, value).filter(|option| !is_by_value || is_taken(option));
        if let Some(option) = Some(()).filter(|()| is_own && !is_ambiguous).and_then(|()| option()) {
            return Some(option);
        }
    }
    are_certainly_options(key, value).then(|| value.to_owned())
}

/// Returns true if a mount takes an option and acts on it: a word that only fstab(5) has, such as
/// `owner` or `comment`, may be a note.
fn is_taken(option: &str) -> bool {
    let option = MountOption::new(option);
    option.entry().is_some_and(is_of_mount) && acceptance::judge(&option).refusal.is_none()
}

fn is_of_mount(entry: &Entry) -> bool {
    [Consumers::KERNEL, Consumers::MOUNT_NFS, Consumers::VFS]
        .iter()
        .any(|layer| entry.consumers.include(*layer))
}

/// Returns true if a field is meant to hold mount options: by its name, or by what it holds where
/// the name is that of options of any sort.
pub fn may_be_meant<T: AsRef<str>>(name: &str, texts: &[T]) -> bool {
    driver::names_mount_options(name)
        || driver::resembles_mount_options(name)
        || (driver::is_option_key(name)
            || driver::speaks_of_options(name) && texts.iter().any(|text| has_nfs_option(text.as_ref())))
            && texts.iter().all(|text| are_options(text.as_ref()))
}

/// Returns true if an annotation of this name may hold options, as its value tells.
pub(super) fn may_be_stray(name: &str) -> bool {
    driver::speaks_of_options(name) || driver::is_option_key(name) || driver::resembles_mount_options(name)
}

/// Returns an annotation that holds options under another name than the one that the kubelet reads. A text
/// that no mount takes whole is something else.
pub fn stray_annotation(name: &str, value: &str) -> Option<Misplaced> {
    let is_one = !value.is_empty()
        && value.len() <= LONGEST_OPTIONS
        && name != MOUNT_OPTIONS_ANNOTATION
        && may_be_meant(name, &[value]);
    let path = ["metadata", "annotations", name].map(ToOwned::to_owned).to_vec();
    is_one.then(|| Misplaced { path, texts: vec![value.to_owned()] })
}

/// Returns the options of NFS that a value of something else adds to a command line that it is a part
/// of.
fn added(value: &str) -> Option<String> {
    let further: Vec<&str> = reading::further_options(value).map(|piece| piece.text).collect();
    let text = further.join(",");
    (!further.is_empty() && are_options(&text) && has_own_option(&text)).then_some(text)
}

/// Returns true if a value is a list of options with one of NFS, whatever its key is.
fn are_certainly_options(key: &str, value: &str) -> bool {
    // A word alone may be a name, and a directory may have any.
    let has_separator = value.bytes().any(|byte| matches!(byte, b',' | b'='));
    if !has_separator && !driver::speaks_of_options(key) {
        return false;
    }
    let text = words_of(value);
    are_options(&text) && has_own_option(&text) && !driver::names_directory(key)
}

/// Like [`are_certainly_options`], and where the key speaks of options they may be those of any file
/// system: `opts: noatime,ro`.
fn may_be_options(key: &str, value: &str) -> bool {
    if !driver::speaks_of_options(key) {
        return are_certainly_options(key, value);
    }
    let text = words_of(value);
    !text.is_empty() && are_options(&text)
}

/// Returns the words of a value, joined: a driver that is not known may read JSON, or what a command
/// line has.
fn words_of(value: &str) -> String {
    let words: Vec<&str> =
        disguised::words(value).map(|(_, word)| word).filter(|word| *word != "-o").collect();
    words.join(",")
}

fn has_own_option(value: &str) -> bool {
    has_nfs_option(value)
        || split(value).any(|piece| {
            let id = MountOption::new(piece.text.trim()).entry().map(|entry| entry.id);
            matches!(id, Some(OptionId::Hard | OptionId::Soft))
        })
}

/// Returns the option whose keyword is the key: `timeo: "600"`, `hard: "true"`. A driver that refuses
/// what it does not know has none of its own with such a name.
fn word(key: &str, value: &str) -> Option<String> {
    let is_small = !key.bytes().any(|byte| byte.is_ascii_uppercase());
    let keyword = if is_small { Cow::Borrowed(key) } else { Cow::Owned(key.to_ascii_lowercase()) };
    if keyword == "version" {
        return Some(if value.is_empty() { String::new() } else { format!("nfsvers={value}") });
    }
    MountOption::new(&*keyword).entry()?;
    Some(match value {
        // A flag has no value; without one any other option says nothing.
        "" if acceptance::judge(&MountOption::new(&*keyword)).refusal.is_none() => keyword.into_owned(),
        "" => String::new(),
        _ if value.eq_ignore_ascii_case("true") => keyword.into_owned(),
        _ => format!("{keyword}={value}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_by_their_key_or_by_what_it_holds() {
        for (key, value, options) in [
            ("mountOption", "bg", Some("bg")),
            ("nfsVersion", "4.1", Some("nfsvers=4.1")),
            ("timeo", "600", Some("timeo=600")),
            ("hard", "true", Some("hard")),
            ("nfsVersion", "", Some("")),
            ("soft", "", Some("soft")),
            ("timeo", "", Some("")),
            ("extra", "hard,nfsvers=4.1", Some("hard,nfsvers=4.1")),
            ("flags", "timeo=600", Some("timeo=600")),
            ("subDir", "bg", None),
            ("subDir", "hard,bg", None),
            ("basePath", "hard,bg", None),
            ("share", "/a,b=c", None),
            ("proto", "nfs", None),
            ("proto", "tcp", Some("proto=tcp")),
            ("sec", "krb5", Some("sec=krb5")),
            ("sec", "high", None),
            ("xprtsec", "mtls", Some("xprtsec=mtls")),
            ("rsize", "8192", Some("rsize=8192")),
            ("nolock", "", Some("nolock")),
            ("noacl", "true", Some("noacl")),
            ("lock", "true", None),
            ("noatime", "true", None),
            ("port", "2049", None),
            ("extra", "ro,noatime", None),
            ("nfsOption", "bg", Some("bg")),
            ("opts", "hard", Some("hard")),
            ("nfsMountFlags", "[\"hard\", \"bg\"]", Some("[\"hard\", \"bg\"]")),
            ("mountArgs", "-o bg,vers=3", Some("-o bg,vers=3")),
            ("nfs-opts", "hard bg vers=3", Some("hard bg vers=3")),
            ("options", "noatime", None),
            ("volumeOption", "thin", None),
        ] {
            assert_eq!(meant(key, value).as_deref(), options, "{key}");
        }
    }
}
