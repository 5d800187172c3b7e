//! Splits one string of options into a list, as each layer does. The effect of a quote or a
//! backslash on a comma differs between them, so one string may be several lists.
//!
//! | layer | `,` between `"` | `,` after `\` | `"` after `\` | a quote left open |
//! |---|---|---|---|---|
//! | mount(8) before util-linux 2.40 ([`mnt_optstr_parse_next`][2.38]) | kept | separates | counts | drops the rest |
//! | since 2.40 ([`ul_optstr_next`][2.40]) | kept | kept | counts | drops the rest |
//! | since 2.42 ([`ul_optstr_next`][2.42]) | kept | kept | does not count | drops the rest |
//! | mount.nfs ([`parse_opts`][mount.c], [`po_split`][token.c]) | kept | separates | counts | drops the rest |
//! | the kernel ([`vfs_parse_monolithic_sep`][kernel]) | separates, but in what an LSM takes first ([`selinux_sb_eat_lsm_opts`][lsm]) | separates | - | - |
//!
//! [2.38]: https://github.com/util-linux/util-linux/blob/v2.38.1/libmount/src/optstr.c#L54
//! [2.40]: https://github.com/util-linux/util-linux/blob/v2.40/lib/strutils.c#L1193
//! [2.42]: https://github.com/util-linux/util-linux/blob/v2.42/lib/strutils.c#L1235
//! [mount.c]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/mount.c;hb=nfs-utils-2-6-2
//! [token.c]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/token.c;hb=nfs-utils-2-6-2
//! [kernel]: https://github.com/torvalds/linux/blob/v6.12/fs/fs_context.c#L197
//! [lsm]: https://github.com/torvalds/linux/blob/v6.12/security/selinux/hooks.c#L2620

mod background_word;

use super::acceptance::{goes_to_background, mount_takes};
use super::catalog::OptionId;
use super::option::{MountOption, Piece, has_paired_quotes};
use super::value::Grammar;
pub use background_word::{
    Latitude, background_word, foreground_instead, foreground_letters, is_blank, mentions_background,
};

/// A layer that cuts a string of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reader {
    /// mount(8) of util-linux before 2.40.
    MountBefore240,
    /// mount(8) of util-linux 2.40 and 2.41.
    MountSince240,
    /// mount(8) of util-linux 2.42 and newer.
    MountSince242,
    /// mount.nfs of nfs-utils.
    MountNfs,
    /// The kernel's NFS client, on a node with `SELinux`.
    Kernel,
}

impl Reader {
    /// Every mount(8) that differs from another.
    pub const MOUNTS: [Self; 3] = [Self::MountBefore240, Self::MountSince240, Self::MountSince242];

    /// Every layer that cuts the string.
    pub const ALL: [Self; 5] =
        [Self::MountBefore240, Self::MountSince240, Self::MountSince242, Self::MountNfs, Self::Kernel];

    /// Returns its name, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MountBefore240 => "mount(8) of util-linux before 2.40",
            Self::MountSince240 => "mount(8) of util-linux 2.40 and 2.41",
            Self::MountSince242 => "mount(8) of util-linux 2.42 and newer",
            Self::MountNfs => "mount.nfs",
            Self::Kernel => "the kernel",
        }
    }

    /// Returns the options that this layer finds in `text`, in order. Empty ones are
    /// passed over by every layer.
    pub fn options(self, text: &str) -> Vec<&str> {
        let mut options = Vec::new();
        for option in self.quoted(text) {
            // SELinux cuts its options out before the file system sees the string, quotes
            // respected.
            if self == Self::Kernel && !is_context(option) {
                options.extend(option.split(',').filter(|piece| !piece.is_empty()));
            } else {
                options.push(option);
            }
        }
        options
    }

    /// Cuts where a comma is neither quoted nor escaped.
    fn quoted(self, text: &str) -> Vec<&str> {
        let escapes_comma = matches!(self, Self::MountSince240 | Self::MountSince242);
        let escapes_quote = self == Self::MountSince242;
        let mut options = Vec::new();
        let (mut start, mut is_open, mut is_escaped) = (0, false, false);
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'"' if !(escapes_quote && is_escaped) => is_open = !is_open,
                b',' if !(is_open || escapes_comma && is_escaped) => {
                    options.extend(text.get(start..at).filter(|option| !option.is_empty()));
                    start = at + 1;
                }
                _ => {}
            }
            // Only the byte before counts, be it escaped itself.
            is_escaped = byte == b'\\';
        }
        // An open quote is an error for the parsers in user space, which end there; the kernel
        // knows no quotes.
        let rest = text.get(start..).filter(|rest| !rest.is_empty() && (!is_open || self == Self::Kernel));
        options.extend(rest);
        options
    }

    /// Returns the string that this mount(8) hands to mount.nfs: what it takes for
    /// itself is not in it, nor `context=` where the node has no `SELinux`.
    pub fn hands_on(self, text: &str, selinux: bool) -> String {
        let stays = |option: &&str| {
            let option = MountOption::new(*option);
            let is_dropped = option.entry().is_some_and(|entry| {
                // A word with a value that it does not expect is another word to it.
                let is_known = entry.grammar == Grammar::Anything
                    || option.value().is_none_or(|value| mount_takes(entry, value));
                // Without SELinux mount(8) removes context= before it calls the helper.
                entry.consumers.is_mount_only() && is_known || entry.id == OptionId::Context && !selinux
            });
            !is_dropped
        };
        self.options(text).into_iter().filter(stays).collect::<Vec<_>>().join(",")
    }
}

fn is_context(option: &str) -> bool {
    MountOption::new(option).entry().is_some_and(|entry| entry.id == OptionId::Context)
}

/// Returns true if `text` may be another list to one layer than to another at all.
pub fn has_marks(text: &str) -> bool {
    text.bytes().any(is_mark)
}

/// Returns true for a byte that some layer, or a shell that a driver runs mount with, removes from
/// a word: double and single quotes, backslashes.
pub const fn is_mark(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'\\')
}

/// On how many kinds of node a string may be read differently: with each of
/// [`Reader::MOUNTS`], without `SELinux` and with it.
pub const NODES: usize = 2 * Reader::MOUNTS.len();

/// Returns whether a failed mount with `text` as its options continues in the background, for each
/// kind of node.
pub fn goes_to_background_by_node(text: &str) -> [bool; NODES] {
    let mut nodes = [false; NODES];
    let kinds = Reader::MOUNTS.into_iter().flat_map(|mount| [(mount, false), (mount, true)]);
    for (node, (mount, selinux)) in nodes.iter_mut().zip(kinds) {
        let given = mount.hands_on(text, selinux);
        let options: Vec<_> = Reader::MountNfs.options(&given).into_iter().map(MountOption::new).collect();
        *node = goes_to_background(&options);
    }
    nodes
}

/// Returns true if a failed mount with `text` as its options continues in the background for one
/// mount(8) or another, on a node with `SELinux` or without.
pub fn may_go_to_background(text: &str) -> bool {
    goes_to_background_by_node(text).contains(&true)
}

/// The reason why the layers may cut what follows a text differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// A double quote that nothing in the text closes.
    OpenQuote,
    /// A backslash before a comma, or at the end, where a comma follows as soon
    /// as another option does.
    EscapedComma,
    /// A backslash before a double quote.
    EscapedQuote,
    /// A character with which a shell puts another word in the place of this
    /// one, or ends the options and runs a command.
    Shell,
}

/// Returns true if a shell that is given `element` unquoted makes another word of it, or several,
/// than its quotes and backslashes alone do.
pub fn is_shell(element: &str) -> bool {
    element.bytes().any(|byte| b"$`;&|<>(){}\n".contains(&byte))
}

/// Returns the trap in one element of a list, if there is one. Elements are joined with
/// commas, so it changes what the next ones mean.
pub fn trap(element: &str) -> Option<Trap> {
    if element.contains("\\\"") {
        return Some(Trap::EscapedQuote);
    }
    // Between two quotes a comma is escaped for no layer.
    let unquoted = element.split('"').step_by(2);
    if unquoted.into_iter().any(|text| text.contains("\\,")) || element.ends_with('\\') {
        return Some(Trap::EscapedComma);
    }
    (!has_paired_quotes(element)).then_some(Trap::OpenQuote)
}

/// Returns the pieces of `text` between all its commas, quoted and escaped ones too: no
/// layer finds an option that does not begin where one of these does.
pub fn every_piece(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut start = 0;
    text.split(',').map(move |text| {
        let range = start..start + text.len();
        start = range.end + 1;
        Piece { text, range }
    })
}

/// Returns the options in a text that are none of its own word: those of a `-o` after white space, as in
/// `3 -o bg`, each with its place. Where the text is a part of a command line, mount(8) takes them as well.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::reading::further_options;
/// let of = |text: &str| further_options(text).map(|piece| piece.text.to_owned()).collect::<Vec<_>>();
/// assert_eq!(of("3 -o bg,soft"), ["bg", "soft"]);
/// assert_eq!(of("hard --options=bg -v"), ["bg"]);
/// assert!(of("-o bg").is_empty() && of("hard bg").is_empty());
/// ```
pub fn further_options(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let mut is_value = false;
    // Text that begins with white space is no word of its own: what stands before it ends there.
    let words = text.split(char::is_whitespace).skip(1).filter(|word| !word.is_empty());
    let values = words.filter_map(move |word| {
        let is_after_switch = std::mem::take(&mut is_value);
        if is_after_switch {
            return Some(word);
        }
        let value = word.strip_prefix("--options").map(|rest| rest.trim_start_matches('='));
        let value = value.or_else(|| word.strip_prefix("-o"))?;
        is_value = value.is_empty();
        (!value.is_empty()).then_some(value)
    });
    values.flat_map(move |value| {
        let start = place(value);
        every_piece(value).map(move |piece| Piece {
            text: piece.text,
            range: start + piece.range.start..start + piece.range.end,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_cuts_by_its_own_rules() {
        use Reader::{Kernel, MountBefore240, MountNfs, MountSince240, MountSince242};
        let text = r#"a=\",b,c="d\"",e"#;
        // The last quote closes what the first one opened, where all count.
        let all_count = [r#"a=\",b,c="d\"""#, "e"];
        for reader in [MountBefore240, MountSince240, MountNfs] {
            assert_eq!(reader.options(text), all_count, "{reader:?}");
        }
        for reader in [MountSince242, Kernel] {
            assert_eq!(reader.options(text), [r#"a=\""#, "b", r#"c="d\"""#, "e"], "{reader:?}");
        }
        assert_eq!(MountBefore240.options(r"a\,b"), [r"a\", "b"]);
        assert_eq!(MountSince240.options(r"a\,b"), [r"a\,b"]);
        assert_eq!(MountSince240.options(r"a\\,b"), [r"a\\,b"], "an escaped backslash escapes, too");
        assert_eq!(MountSince240.options(r#"a=\",b"#), [""; 0]);
        assert_eq!(MountSince242.options(r#"a=\",b"#), [r#"a=\""#, "b"]);
        assert_eq!(
            MountNfs.options(r#",,hard,x="a,bg"#),
            ["hard"],
            "the text after an open quote is dropped"
        );
        assert_eq!(Kernel.options(r#"context="a,b",x="c,d""#), [r#"context="a,b""#, r#"x="c"#, r#"d""#]);
    }

    #[test]
    fn a_string_goes_to_the_background_as_soon_as_one_mount_reads_it_so() {
        for (text, wanted) in [
            ("fg,timeo=600,bg", true),
            ("bg,fg", false),
            (r#"fg,context="a,b",bg,context="c,d""#, true),
            (r#"fg,comment=\",bg,x-a="y\"""#, true),
            (r"bg,comment=a\,fg", true),
            (r#"fg,context="a,bg,c""#, false),
            (r"fg,comment=a", false),
        ] {
            assert_eq!(may_go_to_background(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_trap_is_what_reaches_beyond_its_element() {
        for (element, wanted) in [
            (r"comment=a\", Some(Trap::EscapedComma)),
            (r"a\,b", Some(Trap::EscapedComma)),
            (r#"comment=\""#, Some(Trap::EscapedQuote)),
            (r#"comment="\"""#, Some(Trap::EscapedQuote)),
            (r#"context="a"#, Some(Trap::OpenQuote)),
            (r#"context="s0:c1,c2""#, None),
            (r"a\b", None),
            ("", None),
        ] {
            assert_eq!(trap(element), wanted, "{element}");
        }
    }
}
