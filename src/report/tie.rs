//! Relates objects of one input to each other: findings that depend on several of them.

use super::shared::{SharedText, SharedTexts};
use super::{FindingReport, Reported, Snippet};
use crate::site::Place;
use crate::subject::binding::{ClaimName, Uid};

/// The relations of an object to others.
#[allow(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tie {
    /// The class a volume belongs to.
    pub class: Option<SharedText>,
    /// The mount options of a class, and those that a volume made by hand has of
    /// its own.
    pub options: OptionTexts,
    /// True if it is a class.
    pub is_class: bool,
    /// The finding about a volume that options of its class do not reach.
    pub unreached: Option<Box<FindingReport>>,
    /// The claim that has the volume.
    pub binding: Binding,
    /// True if it is a `FlexVolume`, which takes no mountOptions.
    pub is_flex_volume: bool,
    /// True if it is a volume that names no claim; one that names the volume has it.
    pub is_unclaimed: bool,
    /// True if it has `bg` and no mount goes to the background: a later `fg` overrides it, or nothing
    /// reads the place.
    pub is_background_idle: bool,
    /// The identity that a cluster gave it, where something is to be said of it.
    pub uid: Option<Uid>,
    /// The exempt findings.
    pub exempted: Box<[Exempted]>,
    /// The pairs that another object may form with it.
    pub pairs: Option<Box<Pairs>>,
}

/// Options as they are written, in one piece of memory: a large input has thousands of such lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptionTexts(SharedText);

/// Ends each text; nothing that reads options takes it for a part of one.
const END: char = '\0';

impl OptionTexts {
    /// Puts texts together; those of other objects are in `shared`.
    pub fn new<'t>(texts: impl Iterator<Item = &'t str>, shared: &SharedTexts) -> Self {
        let mut all = String::new();
        for text in texts {
            all.push_str(text);
            all.push(END);
        }
        Self(shared.share(&all))
    }

    /// Returns the texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_terminator(END)
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A finding that an exemption passes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exempted {
    /// The finding; its action is what the policy would do without the exemption.
    pub finding: FindingReport,
    /// The reason why it is exempt.
    pub reason: String,
    /// The last day of the exemption, `2027-03-31`.
    pub expires: Option<String>,
}

/// The pairs that another object may form with a class or a volume. Keys are hashes: objects with
/// the same key are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    /// Driver and handle of a CSI volume, and the finding of two that are equal.
    pub handle: Option<(u64, Prepared)>,
    /// The finding of two mounts that share what the first one decides.
    pub superblock: Option<Prepared>,
    /// Server, version and transport: mounts of one share their connections.
    pub client: Option<u64>,
    /// That, the share and all options that are compared: mounts of one share a
    /// superblock.
    pub export: Option<u64>,
    /// Connections.
    pub nconnect: Option<u32>,
    /// `timeo` and `retrans`.
    pub patience: (Option<u32>, Option<u32>),
}

/// A finding that is not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The treatment.
    pub action: Reported,
    /// Its place; in a long JSON text it is that of the object.
    pub spot: Option<Box<Spot>>,
}

/// The place of a finding in its text. There is one for each class and volume of a large input, so
/// nothing is in it that the rule says as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Its place in the object.
    pub place: Option<Box<Place>>,
    /// The line.
    pub line: usize,
    /// The first character.
    pub column: usize,
    /// The character after the last.
    pub end_column: usize,
    /// The line as it stands in the file.
    pub snippet: Snippet,
}

/// The claim that has a volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Binding {
    /// It is no volume, or no rule needs it.
    #[default]
    Unknown,
    /// None.
    Free,
    /// This one.
    Bound(Box<ClaimName>),
    /// None now. Pods of this one may still run with the volume, unless another volume has it.
    Former(Box<ClaimName>),
    /// The field that says it cannot be read, or names no claim.
    Unreadable,
}
