//! Quotation marks in values. mount.nfs puts all options into one text, and splits it at the commas
//! outside of quotation marks; an option whose mark is not closed is dropped, with all that follows
//! it (`po_split` of nfs-utils 2.6.2,
//! <https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/parse_opt.c;hb=nfs-utils-2-6-2>).

use super::{Conf, Section, Setting};

/// The quotation mark of an options text.
const QUOTE: char = '"';

/// Takes out of a mount's settings, in the order in which mount.nfs appends them, those that an open
/// quotation mark swallows.
pub(super) fn drop_swallowed(settings: &mut Vec<&Setting>) {
    let mut is_open = false;
    // The setting whose last mark opens, if no option of its own comes before that.
    let mut opener = None;
    let mut kept = Vec::with_capacity(settings.len());
    for (index, setting) in settings.iter().enumerate() {
        kept.push(!is_open);
        let mut has_option = false;
        for character in setting.text.chars() {
            match character {
                QUOTE => {
                    is_open = !is_open;
                    opener = (is_open && !has_option).then_some(index);
                }
                ',' => has_option |= !is_open,
                _ => {}
            }
        }
    }
    let opener = opener.filter(|_| is_open);
    let mut index = 0;
    settings.retain(|_| {
        let is_kept = kept.get(index).copied().unwrap_or_default() && opener != Some(index);
        index += 1;
        is_kept
    });
}

impl Conf {
    /// Returns true if no mount gets a setting, because of an open quotation mark in it or in a line that
    /// mount.nfs appends before it.
    pub(in crate::node) fn swallows(&self, setting: &Setting) -> bool {
        let (server, point) = match &setting.section {
            Section::Global => (None, ""),
            Section::Server(name) => (Some(&**name), ""),
            Section::MountPoint(name) => (None, &**name),
        };
        let listed = self.listed(server, point);
        // A mark in another section could close it.
        let is_elsewhere = |other: &&Setting| other.text.contains(QUOTE) && !listed.contains(other);
        listed.contains(&setting)
            && !self.of_mount(server, point).contains(&setting)
            && !self.settings().iter().any(|other| is_elsewhere(&other))
    }
}
