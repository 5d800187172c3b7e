//! NFS protocol versions and which of them an option list requests.

use std::fmt;

/// A protocol version that mount.nfs can try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `NFSv3`.
    V3,
    /// `NFSv4.0`.
    V40,
    /// `NFSv4.1`.
    V41,
    /// `NFSv4.2`.
    V42,
}

impl Version {
    /// Lists them from the newest on, the order in which mount.nfs tries them when none is pinned
    /// (`nfs_autonegotiate`,
    /// <https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=nfs-utils-2-6-2>).
    pub const NEGOTIATED: [Self; 4] = [Self::V42, Self::V41, Self::V40, Self::V3];

    const fn bit(self) -> u8 {
        match self {
            Self::V3 => 1,
            Self::V40 => 2,
            Self::V41 => 4,
            Self::V42 => 8,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3 => "3",
            Self::V40 => "4.0",
            Self::V41 => "4.1",
            Self::V42 => "4.2",
        })
    }
}

/// A set of protocol versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Versions(u8);

impl Versions {
    /// Every version.
    pub const ALL: Self = Self(0b1111);
    /// `NFSv3` only.
    pub const V3: Self = Self(0b0001);
    /// `NFSv4.0` only.
    pub const V40: Self = Self(0b0010);
    /// `NFSv4.1` only.
    pub const V41: Self = Self(0b0100);
    /// `NFSv4.2` only.
    pub const V42: Self = Self(0b1000);
    /// Every `NFSv4`.
    pub const V4: Self = Self(0b1110);
    /// None at all.
    pub const NONE: Self = Self(0);

    /// Returns the intersection of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns true if `version` is in the set.
    pub const fn contains(self, version: Version) -> bool {
        self.0 & version.bit() != 0
    }

    /// Returns true if the set holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the versions of the set in the order mount.nfs tries them.
    pub fn iter(self) -> impl Iterator<Item = Version> {
        Version::NEGOTIATED.into_iter().filter(move |version| self.contains(*version))
    }
}

/// Every version: what a list requests that names none.
impl Default for Versions {
    fn default() -> Self {
        Self::ALL
    }
}

/// The versions that one version option requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The versions mount.nfs may then try.
    pub versions: Versions,
    /// True if the minor version of `NFSv4` is named as well.
    pub has_minor: bool,
}

/// Reads the value of `vers=` and `nfsvers=`, or what follows the `v` of
/// `v4.1`. `None` where nfs-utils or every kernel refuses it.
///
/// A major version may have leading zeros (measured: `vers=04` is 4.2), a
/// minor one must be a single `0`, `1` or `2`; `3` takes none at all
/// (measured: `vers=3.0` exit 32).
pub fn parse(text: &str) -> Option<Request> {
    let (major, minor) = match text.split_once('.') {
        Some((major, minor)) => (major, Some(minor)),
        None => (text, None),
    };
    if major.is_empty() || !major.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Versions 2 and older are not among them: no kernel here has NFSv2 enabled by default.
    let request = |versions, has_minor| Some(Request { versions, has_minor });
    // mount.nfs reads the major number with strtol, so 04 is 4.
    match (major.trim_start_matches('0'), minor) {
        ("3", None) => request(Versions::V3, false),
        ("4", None) => request(Versions::V4, false),
        // With a minor version the text goes to the kernel as it is, which knows it by
        // its letters (measured: `vers=04.1` is passed on; Linux `nfs_vers_tokens`).
        ("4", Some("0")) if major == "4" => request(Versions::V40, true),
        ("4", Some("1")) if major == "4" => request(Versions::V41, true),
        ("4", Some("2")) if major == "4" => request(Versions::V42, true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_mount_nfs_takes() {
        for text in ["3", "4", "04", "4.0", "4.1", "4.2"] {
            assert!(parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn refuses_what_mount_nfs_refuses() {
        for text in ["", "2", "5", "3.0", "3.1", "4.", "4.3", "4.1.1", "04.1", "004.2", "abc", "-1", "+3"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
