//! Finds the place where missing options can be written, if there is one: a list of one's own may
//! take away what a driver does without one.

use std::borrow::Cow;

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
    /// A list may make such a driver ignore a parameter or an attribute that holds options under a key
    /// of the driver's own.
    MayReplaceKey,
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

impl<'m> Subject<'m> {
    /// Returns a place for a missing option that leaves all other options in force.
    pub fn filling(&self) -> Filling {
        let driver = self.driver;
        // First: the kubelet refuses the volume with any list, whatever the driver does.
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
        // The gravest case is first: these options are visible, and would be gone.
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
            let carrier = position(&holds_options).map(Obstacle::MayReplace);
            return carrier.or_else(|| self.may_read_a_key_of_its_own().then_some(Obstacle::MayReplaceKey));
        }
        None
    }

    /// Returns true if the driver would take the list for empty with these elements, and does not now, so
    /// that what a list replaces would come into force.
    pub fn would_empty_list(&self, elements: &[Vec<Cow<'m, str>>]) -> bool {
        let (Some(list), Some(new)) = (self.carriers.first(), elements.first()) else { return false };
        let new: Vec<&str> = new.iter().map(|element| &**element).collect();
        // A list that is not read changes nothing when it is emptied.
        list.in_force
            && !carrier::is_empty(self.driver, list)
            && carrier::takes_for_empty(self.driver, &new)
            && self.with_elements(elements).gives_way_to_a_list()
    }

    /// Returns true if a first option in the list takes something away: defaults of the driver, or options
    /// from elsewhere.
    pub(crate) fn gives_way_to_a_list(&self) -> bool {
        !self.defaults.is_empty() || matches!(self.filling(), Filling::Nowhere(_))
    }

    /// Returns true if the driver mounts with options that the object does not show: the first option of
    /// the object replaces those of a backend, and with some drivers an element without text does, too.
    pub fn mounts_with_hidden_options(&self) -> bool {
        let is_list = |list: &Carrier<'_>| list.in_force && !carrier::is_empty(self.driver, list);
        let has_own = || self.options.effective().any(|token| token.site.is_some());
        self.driver.empty == Empty::Hidden && !self.carriers.first().is_some_and(is_list) && !has_own()
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
            | Self::MayReplaceKey
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
            Self::MayReplaceKey => {
                "write it where the driver's other options stand, which mountOptions may replace"
            }
            Self::Hidden => {
                "write it where the driver's own options are set, which mountOptions would replace"
            }
            Self::OneElement => "write all options into one element: some clusters cannot mount two",
            Self::NoneWord => "write the options in place of the word that means none",
            Self::Trap => "remove the quote or special character first, which would change it",
            Self::Leftover => "set the value that the template misses first",
            Self::CutShort => "remove the whitespace first: the driver drops the rest",
        };
        fixed.to_owned()
    }
}

/// Returns true if the word that means none is all that the driver leaves in the list.
fn is_none_word(driver: &Driver, list: &Carrier<'_>) -> bool {
    let Some(NoneWord::Anywhere(word)) = driver.none_word else { return false };
    let mut left = carrier::left_in_list(driver, &list.elements);
    left.next().is_some_and(|first| first.eq_ignore_ascii_case(word)) && left.next().is_none()
}
