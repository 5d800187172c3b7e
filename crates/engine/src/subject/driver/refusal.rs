//! The values that a driver refuses by itself, so that no mount or no provisioning succeeds, as
//! data.

use std::net::IpAddr;

use super::evidence::Evidence;
use super::{Driver, On, glob};
use crate::kind::Holds;
use crate::nfs::acceptance::names_version;
use crate::nfs::option::{self, MountOption};
use crate::site::Place;
use crate::subject::facts::Facts;

/// Something that a driver refuses by itself.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// The part that it refuses.
    pub what: What,
    /// The evidence without which it does not.
    pub when: Option<Evidence>,
    /// The version of the driver that was the first to refuse it; `None` where
    /// no version is known that takes it.
    pub since: Option<&'static str>,
    /// The reason, as the end of a sentence that begins with what is refused.
    pub why: &'static str,
}

/// A part of an object that a driver may refuse.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// An option with one of these keywords.
    Keyword(&'static [&'static str]),
    /// An option with one of these keywords where an option with that one is
    /// written, too.
    KeywordBeside(&'static [&'static str], &'static str),
    /// An option with one of these keywords where none with that one is written.
    KeywordWithout(&'static [&'static str], &'static str),
    /// An option with one of these keywords whose value is none of those.
    ValueOtherThan(&'static [&'static str], &'static [&'static str]),
    /// An option with one of these keywords and one of those values.
    Value(&'static [&'static str], &'static [&'static str]),
    /// An option with a second `=`.
    SecondEqualsSign,
    /// An element of the list that is one of these and nothing else.
    Element(&'static [&'static str]),
    /// An option with this keyword whose value is not the last part of a
    /// `volumeHandle` that matches the pattern.
    OtherThanHandle(&'static str, &'static str),
    /// A version, as the driver appends it, that is none of these.
    VersionOtherThan(&'static [&'static str]),
    /// An element without text.
    EmptyElement,
    /// A class parameter or volume attribute with a value that is not taken.
    Setting(Setting),
    /// A volume attribute with any other key, whatever its case.
    OtherAttributes(&'static [&'static str]),
    /// A volume whose first access mode is this one: the kubelet requests it.
    FirstAccessMode(&'static str),
    /// A CSI volume whose `volumeHandle` is not taken.
    Handle(Taken),
    /// A CSI volume whose `fsType` is none of these.
    FsTypeOtherThan(&'static [&'static str]),
}

impl What {
    /// Returns true if the driver looks at the parameter or attribute `key`.
    pub(crate) fn speaks_of_key(&self, key: &str) -> bool {
        match self {
            Self::Setting(setting) => setting.key.eq_ignore_ascii_case(key),
            Self::OtherAttributes(known) => known.iter().any(|known| known.eq_ignore_ascii_case(key)),
            _ => false,
        }
    }
}

/// A class parameter or volume attribute whose value a driver looks at.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// True if the driver reads the key in exactly this case only.
    pub exact: bool,
    /// The kinds of object that have it.
    pub on: On,
    /// The values that it takes.
    pub taken: Taken,
}

/// The values of a setting that a driver takes, in exactly this case.
#[derive(Debug, Clone, Copy)]
pub enum Taken {
    /// None: the key itself is refused.
    Nothing,
    /// Those that match one of these patterns.
    Like(&'static [&'static str]),
    /// Those that Go's `strconv.ParseBool` takes.
    Boolean,
    /// Those that Go's `net.ParseIP` takes.
    Address,
    /// JSON in which every text but the keys is an address. Others reach mount unchecked, with a comma
    /// as further options
    /// (<https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/a4fc67600be60d0f8350dc9459e55ff04e9aa944/pkg/driver/node.go>).
    AddressMap,
    /// Those that match none of these patterns.
    Unlike(&'static [&'static str]),
    /// Those that a shell leaves as they are, as a part of one word: the driver does not quote them.
    Word,
    /// Options without any word for a version but those that begin with this
    /// text, which the driver takes out before it adds one of its own.
    NoVersionBut(&'static str),
}

/// The spellings that Go's `strconv.ParseBool` takes.
const BOOLEANS: [&str; 12] =
    ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];

/// The reason for [`Taken::Word`].
pub(crate) const SHELL: &str = "reaches a shell unquoted, which splits and runs it";

/// Characters that mean something to a shell, wherever they are in a word.
const MARKS: &str = "$`;&|<>(){}'\"\\";

impl Taken {
    pub(crate) fn takes(self, value: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Like(patterns) => patterns.iter().any(|pattern| glob(pattern, value)),
            Self::Boolean => BOOLEANS.contains(&value),
            // Both read dotted decimals without leading zeros, and IPv6 with an embedded IPv4 address.
            Self::Address => value.parse::<IpAddr>().is_ok(),
            Self::Unlike(patterns) => !patterns.iter().any(|pattern| glob(pattern, value)),
            Self::Word => !value.contains(|c: char| c.is_whitespace() || MARKS.contains(c)),
            Self::AddressMap => holds_only_addresses(value),
            Self::NoVersionBut(prefix) => !option::split(value).any(|piece| {
                !piece.text.starts_with(prefix)
                    && MountOption::new(piece.text).entry().is_some_and(names_version)
            }),
        }
    }
}

/// Returns true if every text of a JSON mapping but its keys is an address.
fn holds_only_addresses(json: &str) -> bool {
    // An escape stands in no address, nor in the name of a zone.
    let mut texts = json.split('"').skip(1).step_by(2).zip(json.split('"').skip(2).step_by(2));
    // A text before a colon is a key of the map, and no address.
    let is_key = |after: &str| after.trim_start().starts_with(':');
    !json.contains('\\') && texts.all(|(text, after)| is_key(after) || text.parse::<IpAddr>().is_ok())
}

impl Refused {
    /// Returns true if the driver refuses it; else mount.nfs does.
    pub const fn is_by_driver(&self) -> bool {
        !matches!(self.what, What::Setting(Setting { taken: Taken::NoVersionBut(_), .. }))
    }

    /// Returns true if a shell gets the text as it is.
    pub(crate) const fn is_for_shell(&self) -> bool {
        match self.what {
            What::Setting(setting) => matches!(setting.taken, Taken::Word),
            What::Handle(taken) => matches!(taken, Taken::Word),
            _ => false,
        }
    }

    /// Returns true if nothing is rejected there, and the reason says what the driver does instead.
    pub const fn is_unchecked(&self) -> bool {
        let taken = match self.what {
            What::Setting(setting) => setting.taken,
            What::Handle(taken) => taken,
            _ => return false,
        };
        matches!(taken, Taken::AddressMap | Taken::Word | Taken::Unlike(_))
    }

    /// Returns true if this is about a class parameter or volume attribute with this key and value.
    fn is_about_setting(&self, holds: Holds, key: &str, value: &str) -> bool {
        match self.what {
            What::Setting(setting) => {
                let is_key =
                    if setting.exact { setting.key == key } else { setting.key.eq_ignore_ascii_case(key) };
                is_key && setting.on.is_of(holds) && !setting.taken.takes(value)
            }
            What::OtherAttributes(known) => {
                // The node checks the attributes of a volume, the controller those of a class.
                holds == Holds::Volume && !known.iter().any(|known| known.eq_ignore_ascii_case(key))
            }
            _ => false,
        }
    }
}

/// Returns the reason why the driver refuses a class parameter or volume attribute, if it does.
pub(crate) fn of_setting(
    driver: &Driver,
    holds: Holds,
    key: &str,
    value: &str,
    facts: &Facts<'_>,
) -> Option<&'static Refused> {
    // No row describes how a node handles inline volumes in these fields.
    if matches!(holds, Holds::InlineVolumes(_)) {
        return None;
    }
    driver.refuses.iter().find(|refused| {
        refused.is_about_setting(holds, key, value)
            && refused.when.is_none_or(|when| facts.show_already(&when))
    })
}

/// Returns the reason why the driver refuses a `volumeHandle`, if it does.
pub(crate) fn of_handle(driver: &Driver, handle: &str) -> Option<&'static Refused> {
    driver.refuses.iter().find(|refused| matches!(refused.what, What::Handle(taken) if !taken.takes(handle)))
}

/// Returns the volume's own fields that the driver refuses: the field, its value, and the reason.
pub(crate) fn of_fields<'m>(
    driver: &Driver,
    holds: Holds,
    facts: &Facts<'m>,
) -> impl Iterator<Item = (Place, &'m str, &'static Refused)> {
    driver.refuses.iter().filter(move |_| holds == Holds::Volume).filter_map(move |refused| {
        let (place, found) = match refused.what {
            What::FirstAccessMode(mode) => {
                let first = facts.access_modes.and_then(<[_]>::first).map(|first| &**first);
                (Place::AccessModes, first.filter(|first| *first == mode))
            }
            What::FsTypeOtherThan(types) => {
                let is_one = |found: &&str| types.iter().any(|one| one.eq_ignore_ascii_case(found));
                (Place::FsType, facts.fs_type.filter(|found| facts.is_csi_volume && !is_one(found)))
            }
            _ => return None,
        };
        let found = found?;
        refused.when.is_none_or(|when| facts.show_already(&when)).then_some((place, found, refused))
    })
}

pub(crate) const fn refuses(what: What, why: &'static str) -> Refused {
    Refused { what, when: None, since: None, why }
}

pub(crate) const fn setting(key: &'static str, on: On, taken: Taken) -> What {
    What::Setting(Setting { key, exact: false, on, taken })
}

/// Makes what [`setting`] makes, for a key that counts in exactly this case only.
pub(crate) const fn exact_setting(key: &'static str, on: On, taken: Taken) -> What {
    What::Setting(Setting { key, exact: true, on, taken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_driver_takes() {
        for (taken, value, takes) in [
            (Taken::Boolean, "True", true),
            (Taken::Boolean, "tRUE", false),
            (Taken::Boolean, "", false),
            (Taken::Boolean, "yes", false),
            (Taken::Address, "10.0.0.9", true),
            (Taken::Address, "fe80::1", true),
            (Taken::Address, "10.0.0.09", false),
            (Taken::Address, "a.example.com", false),
            (Taken::AddressMap, r#"{"use1-az1": "10.0.0.1", "use1-az2":"10.0.0.2"}"#, true),
            (Taken::AddressMap, r#"{"use1-az1":"10.0.0.1,fg,bg"}"#, false),
            (Taken::AddressMap, r#"{"a,bg":"10.0.0.1"}"#, true),
            (Taken::AddressMap, r#"{"use1-az1":"10.0.0.1\u002cbg"}"#, false),
            (Taken::AddressMap, "", true),
            (Taken::Like(&["/*", ""]), "/a", true),
            (Taken::Like(&["/*", ""]), "", true),
            (Taken::Like(&["/*", ""]), "a/", false),
            (Taken::NoVersionBut("nfsvers="), "hard,nfsvers=4.1", true),
            (Taken::NoVersionBut("nfsvers="), "hard,vers=4.1", false),
            (Taken::NoVersionBut("nfsvers="), "v4.1", false),
            (Taken::NoVersionBut("nfsvers="), "", true),
            (Taken::Nothing, "", false),
            (Taken::Word, "backend.pvc-1", true),
            (Taken::Word, "/a,b:c", true),
            (Taken::Word, "vol -o bg", false),
            (Taken::Word, "vol${IFS}-o${IFS}bg", false),
            (Taken::Word, "vol;mount", false),
            (Taken::Word, "'vol'", false),
            (Taken::Unlike(&["*:fsap-*,*"]), "fs-1::fsap-2", true),
            (Taken::Unlike(&["*:fsap-*,*"]), "fs-1:/a,b", true),
            (Taken::Unlike(&["*:fsap-*,*"]), "fs-1::fsap-2,bg", false),
        ] {
            assert_eq!(taken.takes(value), takes, "{taken:?} {value}");
        }
    }
}
