//! Finds the place where missing options can be written, if there is one: a list of one's own may
//! take away what a driver does without one.

use super::Subject;
use super::carrier::{self, Carrier};
use super::driver::assembly::{Empty, NoneWord};
use super::driver::{DECLARED, Driver, ListUse, On, Role};
use crate::nfs::placeholder::is_leftover;
use crate::site::Place;

/// The place of a missing option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// Into the carrier of this index, after the driver's defaults where it is
    /// empty.
    At(usize),
    /// Nowhere by itself.
    Nowhere(Obstacle),
}

/// The reason why nothing is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// kubelet refuses mount options for this type of volume (`FlexVolume`).
    ListRefused,
    /// The driver does not pass `mountOptions` to the mount; the options stand in
    /// the carrier of this index, where there is one.
    ListNotUsed(Option<usize>),
    /// A list would make the driver ignore the carrier of this index.
    Replaces(usize),
    /// A list may make a driver whose source was not read ignore the carrier of
    /// this index.
    MayReplace(usize),
    /// A list replaces options that cannot be seen, such as a backend's own.
    Hidden,
    /// A list of more than one element cannot be mounted in some setups.
    OneElement,
    /// The list holds the driver's word for no option at all.
    NoneWord,
    /// The driver drops what stands after some element of the list.
    CutShort,
    /// All that the list holds is what a template printed for a missing value.
    Leftover,
    /// A quote or a backslash may swallow what is appended.
    Trap,
    /// It is a class of snapshots that names no options yet: its parameters are immutable.
    Snapshots,
    /// It is an inline volume of a Pod, in which nothing is filled in.
    Inline {
        /// The index of the carrier that holds its options, where there is one.
        carrier: Option<usize>,
        /// The attribute from which the driver reads options.
        key: Option<&'static str>,
    },
}

impl Subject<'_> {
    /// Returns a place for a missing option that leaves all other options in force.
    pub fn filling(&self) -> Filling {
        let driver = self.driver;
        if self.facts.is_flex_volume {
            return Filling::Nowhere(Obstacle::ListRefused);
        }
        if self.volume.is_some() {
            let is_read =
                |carrier: &Carrier<'_>| carrier.in_force && carrier.role.is_none_or(Role::holds_options);
            let carrier = self.carriers.iter().position(is_read);
            let mut keys =
                driver.carriers.iter().filter(|key| key.on != On::Class && key.role.holds_options());
            let key = keys.next().map(|key| key.key);
            return Filling::Nowhere(Obstacle::Inline { carrier, key });
        }
        let at = self.carriers.iter().position(|carrier| carrier.in_force && carrier.place.is_patchable());
        let Some(at) = at else {
            if self.mounts_for_snapshots() && self.sole_carrier().is_none() {
                return Filling::Nowhere(Obstacle::Snapshots);
            }
            return Filling::Nowhere(Obstacle::ListNotUsed(self.sole_carrier()));
        };
        if driver.list == ListUse::NotUsed {
            return Filling::Nowhere(Obstacle::ListNotUsed(self.sole_carrier()));
        }
        if driver.one_element {
            return Filling::Nowhere(Obstacle::OneElement);
        }
        let Some(list) = self.carriers.get(at) else { return Filling::At(at) };
        if let [element] = list.elements.as_slice()
            && is_leftover(element)
        {
            return Filling::Nowhere(Obstacle::Leftover);
        }
        if self.has_trap() {
            return Filling::Nowhere(Obstacle::Trap);
        }
        if self.options.is_cut_short() {
            return Filling::Nowhere(Obstacle::CutShort);
        }
        if is_none_word(driver, list) {
            return Filling::Nowhere(Obstacle::NoneWord);
        }
        let is_list = matches!(list.place, Place::MountOptions(_));
        if !is_list || !carrier::is_empty(driver, list) {
            return Filling::At(at);
        }
        self.obstacle_of_empty_list().map_or(Filling::At(at), Filling::Nowhere)
    }

    /// Returns the carrier that a first element in the list would put out of force.
    fn obstacle_of_empty_list(&self) -> Option<Obstacle> {
        let driver = self.driver;
        let position = |holds: &dyn Fn(&Carrier<'_>) -> bool| {
            self.carriers
                .iter()
                .position(|carrier| carrier.role.is_some() && !carrier.is_empty() && holds(carrier))
        };
        let gives_way = |carrier: &Carrier<'_>| {
            matches!(carrier.role, Some(Role::WhenListEmpty | Role::AnnotationWhenListEmpty))
        };
        if let Some(index) = position(&gives_way) {
            return Some(Obstacle::Replaces(index));
        }
        if driver.empty == Empty::Hidden {
            return Some(Obstacle::Hidden);
        }
        // Of a driver that only the policy declares it is not known which of its carriers a list replaces.
        let is_declared = std::ptr::eq(driver, &raw const DECLARED);
        if is_declared || !driver.known.is_read() {
            let holds_options = |carrier: &Carrier<'_>| !carrier.form.holds_no_options();
            return position(&holds_options).map(Obstacle::MayReplace);
        }
        None
    }

    /// Returns the carrier that holds all options of the mount.
    fn sole_carrier(&self) -> Option<usize> {
        self.carriers.iter().position(|carrier| {
            carrier.in_force && matches!(carrier.role, Some(Role::Sole | Role::SoleEvenEmpty))
        })
    }
}

impl Obstacle {
    /// Returns the carrier into which the missing options can be written by hand.
    pub const fn carrier(self) -> Option<usize> {
        match self {
            Self::ListNotUsed(carrier) | Self::Inline { carrier, .. } => carrier,
            Self::Replaces(carrier) | Self::MayReplace(carrier) => Some(carrier),
            Self::ListRefused
            | Self::Snapshots
            | Self::Hidden
            | Self::OneElement
            | Self::NoneWord
            | Self::CutShort
            | Self::Leftover
            | Self::Trap => None,
        }
    }

    /// Returns the place for missing options, as the end of a message.
    pub(crate) fn remedy(self, carriers: &[Carrier<'_>]) -> String {
        let name =
            |index: usize| carriers.get(index).map(|carrier| carrier.place.short()).unwrap_or_default();
        let fixed = match self {
            Self::ListNotUsed(Some(carrier)) | Self::Inline { carrier: Some(carrier), .. } => {
                return format!("write it into {}", name(carrier));
            }
            Self::Replaces(carrier) => {
                return format!("write it into {}, which mountOptions would replace", name(carrier));
            }
            Self::MayReplace(carrier) => {
                return format!("write it into {}, which mountOptions may replace", name(carrier));
            }
            Self::Inline { carrier: None, key: Some(key) } => {
                return format!("write it into volumeAttributes.{key}");
            }
            Self::Inline { carrier: None, key: None } => {
                "use a PersistentVolume: no options of an inline volume are known to be read"
            }
            Self::Snapshots => "write it into parameters.mountOptions",
            Self::ListRefused => {
                "write it into the driver's options: the kubelet refuses mountOptions on a FlexVolume"
            }
            Self::ListNotUsed(None) => {
                "set it in the driver's own configuration: mountOptions do not reach the mount"
            }
            Self::Hidden => {
                "write it where the driver's own options are set, which mountOptions would replace"
            }
            Self::OneElement => "write all options into one element: some clusters cannot mount two",
            Self::NoneWord => "write the options in place of the word that means none",
            Self::Trap => "remove the quote or the backslash first, which would change it",
            Self::Leftover => "set the value that the template misses first",
            Self::CutShort => "remove the whitespace first: the driver drops the rest",
        };
        fixed.to_owned()
    }
}

fn is_none_word(driver: &Driver, list: &Carrier<'_>) -> bool {
    match (driver.none_word, list.elements.as_slice()) {
        (Some(NoneWord::Anywhere(word)), [element]) => element.trim_matches(',').eq_ignore_ascii_case(word),
        _ => false,
    }
}
