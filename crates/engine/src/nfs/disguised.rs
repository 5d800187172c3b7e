//! Recognizes the intended options in a text that no layer reads that way: a value with commas in
//! it, or an option in the dress of a command line, of YAML or of Go.

mod continued;

use super::acceptance::judge;
use super::catalog::{self, OptionId};
use super::intended::intended;
use super::option::{self, MountOption};
use super::value::Grammar;
use continued::{bare_version, continued_in_a_dress, joined};
pub(crate) use continued::{is_category_range, is_rest_of_value, may_continue, rest_of_remark};

/// The options that one or several neighboring pieces of an element were meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// The number of pieces.
    pub pieces: usize,
    /// The options as they should be written.
    pub options: Vec<String>,
}

/// Most pieces that one text may be cut into.
pub const MOST_PIECES: usize = 64;

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 1024;

/// Returns the options that the first of `pieces` was meant to be, alone or with those that follow
/// it; `None` if it is ambiguous, or written as it should be.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::disguised::meant;
/// let options = |pieces: &[&str]| meant(pieces).map(|meant| meant.options.join(" "));
/// assert_eq!(options(&["rsize=1", "048", "576"]).as_deref(), Some("rsize=1048576"));
/// assert_eq!(options(&["[hard", "nfsvers=4.1]"]).as_deref(), Some("hard nfsvers=4.1"));
/// assert_eq!(options(&["nfsvers: 4.1"]).as_deref(), Some("nfsvers=4.1"));
/// assert_eq!(options(&["hard", "nfsvers=4.1"]), None);
/// ```
pub fn meant(pieces: &[&str]) -> Option<Meant> {
    // A hostile list of thousands of pieces would be looked through from each of them.
    let pieces = pieces.get(..MOST_PIECES).unwrap_or(pieces);
    let (head, tail) = pieces.split_first()?;
    if head.len() > LONGEST {
        return None;
    }
    let option = MountOption::new(*head);
    if let Some(meant) = option.entry().and_then(|entry| joined(&option, entry, tail)) {
        return Some(meant);
    }
    if let Some(meant) = continued_in_a_dress(head, tail).or_else(|| bare_version(head, tail)) {
        return Some(meant);
    }
    if is_clean(head) {
        return None;
    }
    let end = if head.ends_with('\\') {
        // A backslash before a comma, or before that of the next element.
        let last = pieces.iter().position(|piece| !piece.ends_with('\\'));
        last.unwrap_or(pieces.len().saturating_sub(1))
    } else {
        closer(head)
            .map_or(Some(0), |closer| pieces.iter().position(|piece| piece.trim_end().ends_with(closer)))?
    };
    let text = pieces.get(..=end)?.join(",");
    let options = if text.len() > LONGEST { None } else { undressed(&text, 4) }?;
    let is_changed = options.len() > 1 || options.first().is_none_or(|option| *option != text);
    is_changed.then_some(Meant { pieces: end + 1, options })
}

/// Returns the options of a text as they should be written: what is only written otherwise
/// is the same option.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::disguised::intended_options;
/// assert_eq!(intended_options("-o hard,timeo=60s,vers=4,1"), ["hard", "timeo=600", "vers=4.1"]);
/// ```
pub fn intended_options(text: &str) -> Vec<String> {
    options_of(text, |piece| {
        let put_right = || intended(&MountOption::new(piece)).unwrap_or_else(|| piece.to_owned());
        (!piece.is_empty()).then(put_right)
    })
}

/// Returns the options of a text; `plain` makes one of a piece, without the white space around it, that
/// is in no disguise.
fn options_of(text: &str, plain: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let pieces: Vec<&str> = option::split(text).map(|piece| piece.text).collect();
    let mut options = Vec::new();
    let mut rest = pieces.as_slice();
    while let Some((first, others)) = rest.split_first() {
        if let Some(meant) = meant(rest) {
            rest = rest.get(meant.pieces..).unwrap_or_default();
            options.extend(meant.options);
        } else {
            rest = others;
            options.extend(plain(first.trim()));
        }
    }
    options
}

/// Returns the options of a text that was to be a list, without what it is wrapped in and with what
/// a comma cuts put together again; a value that is refused stays as it is.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::disguised::whole_options;
/// assert_eq!(whole_options("hard, timeo=60s,vers=4,1"), ["hard", "timeo=60s", "vers=4.1"]);
/// assert_eq!(whole_options("[proto=tcp port=2049]"), ["proto=tcp", "port=2049"]);
/// assert_eq!(whole_options("- hard\n- nolock\n"), ["hard", "nolock"]);
/// ```
pub fn whole_options(text: &str) -> Vec<String> {
    options_of(text, |piece| Some(piece.to_owned()))
}

/// Returns the words of a text, each with its offset in bytes, in any notation of a list: with commas,
/// white space or semicolons between them, in brackets, in quotes.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::disguised::words;
/// let of = |text: &str| words(text).map(|(_, word)| word.to_owned()).collect::<Vec<_>>();
/// assert_eq!(of("[\"vers=3\", \"bg\"]"), ["vers=3", "bg"]);
/// assert_eq!(of("vers=3;bg"), ["vers=3", "bg"]);
/// ```
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_between = |letter: char| letter.is_whitespace() || ",;|[](){}\"'".contains(letter);
    let mut start = 0;
    let pieces = text.split(is_between).zip(text.matches(is_between).map(str::len).chain([0]));
    let placed = pieces.map(move |(word, between)| {
        let at = start;
        start += word.len() + between;
        (at, word)
    });
    placed.filter(|(_, word)| !word.is_empty())
}

/// Returns true if nothing but white space at the ends tells it from a known option.
fn is_clean(text: &str) -> bool {
    let (keyword, value) = text.split_once('=').unwrap_or((text, ""));
    let is_known = catalog::find(keyword.trim());
    is_known.is_some_and(|entry| {
        let holds_any = entry.grammar == Grammar::Anything;
        let is_dressed = |c: char| c.is_whitespace() || matches!(c, '"' | '\'') || c == '\\' && !holds_any;
        entry.id == OptionId::Context || !value.trim().contains(is_dressed)
    })
}

/// Returns the character that has to close the text that begins here and is not closed here.
fn closer(head: &str) -> Option<char> {
    let text = head.trim();
    match text.chars().next()? {
        '\'' => Some('\''),
        '[' => Some(']'),
        _ => text.starts_with("map[").then_some(']'),
    }
}

/// Returns the option, where all layers take it or it can be put right.
fn taken(text: String) -> Option<String> {
    let option = MountOption::new(text.as_str());
    let is_known = option.entry().is_some_and(|entry| entry.id != OptionId::Context);
    if !is_known {
        return None;
    }
    // mount.nfs reads the digits of a `retry` alone, whatever its unit.
    let is_retry = option.entry().is_some_and(|entry| entry.id == OptionId::Retry);
    match intended(&option) {
        Some(minutes) if is_retry => Some(minutes),
        _ if judge(&option).refusal.is_none() => Some(text),
        meant => meant,
    }
}

/// Returns the options in a text without what it is wrapped in, as deep as `depth`.
fn undressed(text: &str, depth: usize) -> Option<Vec<String>> {
    let text = text.trim();
    // Each layer takes one: a text of a thousand quotes ends here.
    let depth = depth.checked_sub(1)?;
    // A whole command line, up to its options.
    if let Some((_, options)) = text.strip_prefix("mount ").and_then(|text| text.split_once("-o")) {
        return undressed(options, depth);
    }
    // The longer ones first, because `-o` begins `-o=` as well.
    for switch in ["--options=", "--options ", "-o=", "-o", "- "] {
        if let Some(rest) = text.strip_prefix(switch) {
            return undressed(rest, depth);
        }
    }
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            return undressed(inner, depth);
        }
    }
    if text.contains('\\') {
        return undressed(&text.replace('\\', ""), depth);
    }
    let is_between = |c: char| matches!(c, ',' | ';') || c.is_whitespace();
    let list = text.strip_prefix("map").unwrap_or(text).strip_prefix('[');
    if let Some(inner) = list.and_then(|text| text.strip_suffix(']')) {
        return each(inner.split(is_between), depth);
    }
    match one(text) {
        Some(option) => Some(vec![option]),
        None if text.contains(is_between) => {
            each(text.split(is_between), depth).or_else(|| Some(vec![negated(text)?]))
        }
        None => None,
    }
}

/// Reads `no lock` as the word and what it negates.
fn negated(text: &str) -> Option<String> {
    let (no, word) = text.split_once(' ')?;
    (no == "no").then(|| taken(format!("no{}", word.trim()))).flatten()
}

fn each<'t>(texts: impl Iterator<Item = &'t str>, depth: usize) -> Option<Vec<String>> {
    let options: Option<Vec<Vec<String>>> = texts
        .filter(|text| !matches!(*text, "" | "-" | "-o" | "--options"))
        .map(|text| undressed(text, depth))
        .collect();
    options.map(|options| options.concat()).filter(|options| !options.is_empty())
}

/// Reads one option: `vers="4.1"`, `nfsvers 4.1`, `nfsvers: 4.1`, `hard`.
fn one(text: &str) -> Option<String> {
    let is_sign = |c: char| matches!(c, '=' | ':') || c.is_whitespace();
    let (keyword, rest) = text.split_at_checked(text.find(is_sign).unwrap_or(text.len()))?;
    let value = rest.trim_matches(is_sign);
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    // A number and its unit, or groups of its digits.
    let pieces: Vec<&str> = value.split_ascii_whitespace().collect();
    if let [number, rest @ ..] = pieces.as_slice()
        && !rest.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        let is_unit = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_group = |text: &&str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_size = catalog::find(keyword)
            .is_some_and(|entry| matches!(entry.id, OptionId::Rsize | OptionId::Wsize | OptionId::Bsize));
        let is_one = rest.len() == 1 && rest.iter().all(is_unit)
            || is_size && number.len() <= 3 && rest.iter().all(is_group);
        return if is_one { taken(format!("{keyword}={}", pieces.concat())) } else { None };
    }
    if value.contains(|c: char| matches!(c, ',' | '"' | '\'' | '[' | ']') || c.is_whitespace()) {
        return None;
    }
    taken(if value.is_empty() { keyword.to_owned() } else { format!("{keyword}={value}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(element: &str) -> Option<(usize, String)> {
        let pieces: Vec<&str> = option::split(element).map(|piece| piece.text).collect();
        meant(&pieces).map(|meant| (meant.pieces, meant.options.join(" ")))
    }

    #[test]
    fn a_value_goes_on_behind_its_comma() {
        for (element, pieces, wanted) in [
            ("context=u:r:t:s0:c12,c34", 2, "context=\"u:r:t:s0:c12,c34\""),
            ("fscontext=u:r:t:s0:c1.c3,c5,c7,hard", 3, "fscontext=\"u:r:t:s0:c1.c3,c5,c7\""),
            ("defcontext=u:r:t:s0:c1, c5", 2, "defcontext=\"u:r:t:s0:c1,c5\""),
            ("rootcontext=u:r:t:s0-s0:c1,c5", 2, "rootcontext=\"u:r:t:s0-s0:c1,c5\""),
            ("context=u:r:t:s0:c1,c2-s15:c0.c1023", 2, "context=\"u:r:t:s0:c1,c2-s15:c0.c1023\""),
            ("rsize=1,048,576,hard", 3, "rsize=1048576"),
            ("timeo=1,200", 2, "timeo=1200"),
            ("vers=4,1", 2, "vers=4.1"),
            ("nfsvers=v4,2,hard", 2, "nfsvers=4.2"),
            ("v4,1", 2, "v4.1"),
            ("sec=krb5p,krb5i,krb5,hard", 3, "sec=krb5p:krb5i:krb5"),
            ("sec=krb5, krb5i", 2, "sec=krb5:krb5i"),
            ("4,1,hard", 2, "nfsvers=4.1"),
            ("rsize=1,048,576 ", 3, "rsize=1048576"),
            ("rsize=1,048, 576", 3, "rsize=1048576"),
            ("rsize: 1,048,576", 3, "rsize=1048576"),
            ("-o rsize=1,048,576", 3, "rsize=1048576"),
            ("nfsvers: 4,1", 2, "nfsvers=4.1"),
            ("nfsvers=4, 1", 2, "nfsvers=4.1"),
            ("-o nfsvers=4,1,hard", 2, "nfsvers=4.1"),
            ("context='u:r:t:s0:c1,c2'", 2, "context=\"u:r:t:s0:c1,c2\""),
            ("'context=u:r:t:s0:c1,c2'", 2, "context=\"u:r:t:s0:c1,c2\""),
            ("context: u:r:t:s0:c1,c2", 2, "context=\"u:r:t:s0:c1,c2\""),
            ("-o context=u:r:t:s0:c1,c2,hard", 2, "context=\"u:r:t:s0:c1,c2\""),
            ("context=\u{201c}u:r:t:s0:c1,c2\u{201d}", 2, "context=\"u:r:t:s0:c1,c2\""),
        ] {
            assert_eq!(of(element), Some((pieces, wanted.to_owned())), "{element}");
        }
    }

    #[test]
    fn an_option_is_recognised_in_any_dress() {
        for (element, wanted) in [
            ("-o hard", "hard"),
            ("-o nfsvers=4.1", "nfsvers=4.1"),
            ("--options=hard", "hard"),
            ("\"hard\"", "hard"),
            ("'nfsvers=4.1'", "nfsvers=4.1"),
            ("vers=\"4.1\"", "vers=4.1"),
            ("vers='4.1'", "vers=4.1"),
            ("nfsvers 4.1", "nfsvers=4.1"),
            ("nfsvers: 4.1", "nfsvers=4.1"),
            ("nfsvers:4.1", "nfsvers=4.1"),
            ("hard nfsvers=4.1", "hard nfsvers=4.1"),
            ("[hard,nfsvers=4.1]", "hard nfsvers=4.1"),
            ("[hard nfsvers=4.1 fg]", "hard nfsvers=4.1 fg"),
            ("'hard,fg'", "hard fg"),
            ("map[nfsvers:4.1]", "nfsvers=4.1"),
            ("timeo=60 s", "timeo=600"),
            ("timeo=60 seconds", "timeo=600"),
            ("retry=5 minutes", "retry=5"),
            ("retrans=3 times", "retrans=3"),
            ("rsize = 1 MiB", "rsize=1048576"),
            ("rsize=1 048 576", "rsize=1048576"),
            ("-o hard -o nfsvers=4.1", "hard nfsvers=4.1"),
            ("hard;nfsvers=4.1", "hard nfsvers=4.1"),
            ("hard; nfsvers=4.1", "hard nfsvers=4.1"),
            ("no lock", "nolock"),
            ("-o bg", "bg"),
            ("'bg'", "bg"),
            ("[hard bg]", "hard bg"),
            ("hard;bg", "hard bg"),
            ("- noatime", "noatime"),
            ("- 'nfsvers=4.1'", "nfsvers=4.1"),
            ("- hard\n- nfsvers=4.1\n", "hard nfsvers=4.1"),
            ("mount -o hard", "hard"),
            ("mount -t nfs4 -o nfsvers=4.1", "nfsvers=4.1"),
            (r"hard\,fg", "hard fg"),
            (r"nfsvers=4.1\,hard\,fg", "nfsvers=4.1 hard fg"),
            (r"hard\", "hard"),
            (r"h\ard", "hard"),
            (r#"vers=\"4.1\""#, "vers=4.1"),
            (r"hard\,bg", "hard bg"),
        ] {
            assert_eq!(of(element).map(|(_, options)| options).as_deref(), Some(wanted), "{element}");
        }
    }

    #[test]
    fn what_is_clean_or_may_mean_several_things_is_left() {
        for element in [
            "hard",
            "fg ",
            "hard,nfsvers=4.1",
            "vers=4.1,2",
            "vers=4,hard",
            "context=\"u:r:t:s0:c1,c2\"",
            "context=u:r:t:s0,c2x",
            "rsize=1048,576",
            "rsize=0,048",
            "rsize=1,048,57",
            "rsize=1,048,576K",
            "[hard",
            "hard 1",
            "timeo=60 0",
            "timeo=600 600",
            "rsize=1048 576",
            "no such lock",
            "sec=krb5,hard",
            "unknown:4.1",
            "-o",
            "[]",
            "'",
            "",
            "-o-o-o-o-o hard",
            r"comment=a\,b",
            r"what\,hard",
            r"\",
        ] {
            assert_eq!(of(element), None, "{element:?}");
        }
    }
}
