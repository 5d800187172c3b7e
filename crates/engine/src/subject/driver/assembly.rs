//! Describes as data how a driver assembles the string for `mount -o`.

use super::evidence::Evidence;
use crate::nfs::option::MountOption;

/// One step of the assembly. Steps run in order, each on what the steps before
/// it have made.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Adds the elements of `mountOptions`, or of the annotation that replaces
    /// it, or the driver's defaults where there is no option.
    List,
    /// Adds the options of all other carriers, in the order of the object.
    Others,
    /// Adds `ro` where the object has this evidence.
    ReadOnly(Evidence),
    /// Adds options of the driver's own.
    Add(Addition),
    /// Adds `vers=` with the version that [`Versioning`] finds.
    Version(Versioning),
    /// Splits every element at its commas.
    Split,
    /// Takes out the elements that begin with this text, where mount.nfs refuses
    /// the versions in the string so far: the driver tries again without them.
    RetryWithout(&'static str),
    /// Sorts by bytes as a set: duplicates and empty elements are dropped
    /// (kubernetes `pkg/volume/util`, `JoinMountOptions`).
    Sort,
    /// Of equal elements keeps the first (gofsutil `RemoveDuplicates`).
    KeepFirstOfEqual,
    /// Of options with one keyword keeps the first place and the last value
    /// (efs-utils `parse_options`, a Python dictionary).
    OnePerKeyword,
    /// Trims around each element what Python's `str.strip` takes for whitespace.
    Trim,
    /// Takes this text off the beginning of the string.
    StripPrefix(&'static str),
    /// Passes the string through a shell, unquoted: quotes and backslashes are
    /// removed, and it ends at the first space, tab, line break or `;`.
    Shell,
}

/// The options as they are given: the list, then what other carriers hold.
pub(crate) const AS_GIVEN: &[Step] = &[Step::List, Step::Others];

/// Like [`AS_GIVEN`] with equal elements dropped.
pub(crate) const WITHOUT_REPEATS: &[Step] = &[Step::List, Step::Others, Step::KeepFirstOfEqual];

/// Options a driver adds by itself.
#[derive(Debug, Clone, Copy)]
pub struct Addition {
    /// The options, as one element.
    pub options: &'static str,
    /// The condition that keeps the driver from adding them.
    pub unless: Unless,
    /// The condition for adding them.
    pub when: When,
}

/// A condition that keeps a driver from adding options.
#[derive(Debug, Clone, Copy)]
pub enum Unless {
    /// Nothing.
    Never,
    /// An option with one of these keywords.
    Keyword(&'static [&'static str]),
    /// One of these, as an element of its own.
    Element(&'static [&'static str]),
    /// An element whose text before the first `=` is this.
    Key(&'static str),
    /// An element that begins with this text.
    Prefix(&'static str),
    /// An element that begins with this text and continues.
    Longer(&'static str),
}

impl Unless {
    /// Returns true if one option, as an element of its own, keeps the driver from adding.
    pub fn is_met_by(self, option: &MountOption<'_>) -> bool {
        match self {
            Self::Never => false,
            Self::Keyword(keywords) => keywords.contains(&option.keyword()),
            Self::Element(elements) => elements.contains(&option.text()),
            Self::Key(key) => option.keyword() == key,
            Self::Prefix(prefix) => option.text().starts_with(prefix),
            Self::Longer(prefix) => is_longer(option.text(), prefix),
        }
    }

    /// Returns true if one element keeps the driver from adding; by keyword its options are looked
    /// at instead.
    pub(crate) fn is_met_by_element(self, element: &str) -> bool {
        match self {
            // Keywords are looked for in options, of which an element may hold several.
            Self::Never | Self::Keyword(_) => false,
            Self::Element(elements) => elements.contains(&element),
            Self::Key(key) => element.split('=').next() == Some(key),
            Self::Prefix(prefix) => element.starts_with(prefix),
            Self::Longer(prefix) => is_longer(element, prefix),
        }
    }
}

fn is_longer(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())
}

/// A condition for a driver to add options.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// Nothing.
    Always,
    /// The object shows it.
    Shows(Evidence),
    /// This stands there as an element of its own.
    Holds(&'static str),
    /// The version that [`Step::Version`] added is exactly this text.
    VersionIs(&'static str),
}

/// The source of the version that a driver appends: the one that it took out of the list as
/// `vers=`, else the version carrier, else a default.
#[derive(Debug, Clone, Copy)]
pub struct Versioning {
    /// Defaults, the first whose evidence is there; none for a driver that
    /// appends a version only where one is given.
    pub default: &'static [(Option<Evidence>, &'static str)],
    /// Values that are rewritten.
    pub rewrites: &'static [(&'static str, &'static str)],
    /// The values that are taken, and what any other becomes.
    pub any_other: Option<(&'static [&'static str], &'static str)>,
    /// True if it is left out where an equal option stands already.
    pub unless_equal: bool,
}

/// The unit that a driver handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Each element of the list, and the whole of every other carrier.
    Elements,
    /// Each element of the list, and each option of the other carriers.
    ElementsOfList,
    /// Each option, after splitting elements at commas outside quotes.
    Options,
}

/// When a driver takes a list for empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptiness {
    /// It has no element.
    NoElement,
    /// Its elements hold no option, what is taken out left aside.
    NoText,
}

/// A word that alone means: no option and no default either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoneWord {
    /// In the list and in other carriers.
    Anywhere(&'static str),
    /// In other carriers only.
    OtherCarriers(&'static str),
}

impl NoneWord {
    /// Returns the word.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Anywhere(word) | Self::OtherCarriers(word) => word,
        }
    }
}

/// The meaning of a list without a single option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// The kernel's defaults hold, with what the driver adds to any list.
    KernelDefaults,
    /// The driver mounts with these, which any option of the user's replaces.
    DriverDefaults(&'static [&'static str]),
    /// Like [`Empty::DriverDefaults`], with one list for `NFSv3` and one for `NFSv4`, by the
    /// version that the driver appends.
    DriverDefaultsByVersion(&'static [&'static str], &'static [&'static str]),
    /// The same by the version that it would append without a list.
    DriverDefaultsByCarrier(&'static [&'static str], &'static [&'static str]),
    /// Something that cannot be seen holds, such as a backend's own options.
    Hidden,
}

pub(crate) const fn add(options: &'static str) -> Step {
    Step::Add(Addition { options, unless: Unless::Never, when: When::Always })
}

pub(crate) const fn add_unless(options: &'static str, unless: Unless) -> Step {
    Step::Add(Addition { options, unless, when: When::Always })
}

pub(crate) const fn add_when(options: &'static str, when: When) -> Step {
    Step::Add(Addition { options, unless: Unless::Never, when })
}
