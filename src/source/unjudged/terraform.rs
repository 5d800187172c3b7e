//! Mount options in files that are written in Terraform's own language.

use std::cell::LazyCell;
use std::ops::Range;
use std::path::Path;

use super::texts::{is_for_people, mentions_background, names_options};
use super::{Unjudged, UnjudgedPlace};
use crate::nfs::option;
use crate::subject::driver::is_option_key;

/// The extensions of files in Terraform's own language: those of `OpenTofu`, values of
/// variables, and what Terragrunt passes on, too.
const EXTENSIONS: [&str; 4] = ["tf", "tofu", "tfvars", "hcl"];

/// Returns true if a file is written in Terraform's own language, by its name.
pub fn is_terraform(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Returns the mount options of a Terraform file, as its provider for Kubernetes names them: one
/// entry an assignment of `mount_options`, or of a text that names them.
pub fn of_terraform(text: &str) -> Vec<Unjudged> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut in_block = false;
    // The end of what is passed over: a condition may span lines.
    let mut spared = 0;
    let blocks = LazyCell::new(|| Blocks::of(text));
    for line in text.split_inclusive('\n') {
        let code = without_comments(line, &mut in_block);
        let behind = text.get(offset + line.len()..).unwrap_or_default();
        spared = spared.max(offset + unwritten(&code, text.get(offset..).unwrap_or_default()));
        if offset < spared {
            // Nothing of it is given to a mount.
        } else if let Some((at, key)) = assigned(&code).or_else(|| variable(&code, behind)) {
            let value = text.get(offset + at..).map(statement).unwrap_or_default();
            // A path is the name of a value that stands beside it.
            let is_name = is_named_by(&code, at);
            let has_bg =
                mentions_background(value) || is_name && mentions_background(blocks.around(offset + at));
            found.push(Unjudged {
                misnamed: None,
                kind: "Terraform".to_owned(),
                namespace: None,
                name: String::new(),
                offset: offset + at,
                places: vec![UnjudgedPlace {
                    offset: offset + at,
                    path: vec![key],
                    texts: Vec::new(),
                    has_bg,
                }],
            });
        }
        offset += line.len();
    }
    found
}

/// Returns the assignment, from its key on: to the end of the line, or of the block around it, with the
/// lists, blocks and calls that begin there (`concat(["hard"], ["bg"])`, `a ? ["bg"] : []`); a list of YAML in
/// a text as well.
fn statement(text: &str) -> &str {
    let (first, _) = text.split_once('\n').unwrap_or((text, ""));
    if first.trim_end().ends_with(':') {
        let is_item = |line: &&str| line.trim_start().starts_with("- ");
        let items = text.split_inclusive('\n').skip(1).take_while(is_item).map(str::len).sum::<usize>();
        return text.get(..first.len() + 1 + items).unwrap_or(text);
    }
    let mut depth = 0_usize;
    let mut has_ended = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' | '\n' if depth == 0 => return text.get(..at).unwrap_or(text),
            ']' | '}' | ')' => {
                // The arm above took depth 0.
                depth -= 1;
                has_ended |= depth == 0;
            }
            // The next key of a block on one line.
            ',' if depth == 0 && has_ended => return text.get(..at).unwrap_or(text),
            _ => {}
        }
    }
    text
}

/// Returns how many bytes at the beginning of `text`, from the line on, are a condition, or a text of
/// several lines that people read.
fn unwritten(line: &str, text: &str) -> usize {
    let Some((key, value)) = line.split_once('=') else { return 0 };
    let value = value.trim();
    // A validation block tests a value, and gives it to no mount.
    if key.trim() == "condition" {
        return line.len().max(statement(text).len());
    }
    let Some(end) = value.strip_prefix("<<").filter(|_| is_for_people(key)) else { return 0 };
    let end = end.trim_start_matches('-');
    let is_within = |line: &&str| line.trim() != end;
    text.split_inclusive('\n').take_while(is_within).map(str::len).sum()
}

/// Returns true if what stands at `at` of a line is in a text in quotes that people read.
fn is_said(line: &str, at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default().replace("\\\"", "  ");
    let quotes: Vec<usize> = before.match_indices('"').map(|(place, _)| place).collect();
    let open = quotes.last().filter(|_| quotes.len() % 2 == 1);
    let key = open.and_then(|open| before.get(..*open)).map(str::trim_end);
    key.and_then(|key| key.strip_suffix(['=', ':']))
        .and_then(|key| key.trim_end_matches([' ', '"']).rsplit([' ', '\t', '{', ',', '"']).next())
        .is_some_and(is_for_people)
}

/// Returns true if what stands at `at` of a line is the value of `name`, as in `set` of
/// `helm_release`.
fn is_named_by(line: &str, at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default().trim_end_matches(['"', ' ', '\t']);
    let key = before.strip_suffix(['=', ':']).map(|key| key.trim_end().trim_end_matches('"'));
    key.is_some_and(|key| {
        key.strip_suffix("name").is_some_and(|rest| {
            !rest.ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
        })
    })
}

/// The blocks of a text, each from the brace that opens it to the one that closes it.
struct Blocks {
    /// The text without its comments.
    code: String,
    /// In the order in which they end.
    spans: Vec<Range<usize>>,
}

impl Blocks {
    fn of(text: &str) -> Self {
        let mut in_block = false;
        let code: String =
            text.split_inclusive('\n').map(|line| without_comments(line, &mut in_block)).collect();
        let (mut spans, mut open, mut in_quotes, mut before) = (Vec::new(), Vec::new(), false, ' ');
        for (place, letter) in code.char_indices() {
            match letter {
                '"' if before != '\\' => in_quotes = !in_quotes,
                // A text of several lines is a heredoc: quotes end with the line.
                '\n' => in_quotes = false,
                '{' if !in_quotes => open.push(place),
                '}' if !in_quotes => spans.extend(open.pop().map(|start| start..place)),
                _ => {}
            }
            before = letter;
        }
        Self { code, spans }
    }

    /// Returns the innermost block around a place; empty where it is too long for one value.
    fn around(&self, at: usize) -> &str {
        const LONGEST: usize = 4096;
        const MOST_BEHIND: usize = 64;
        // The spans are in the order of their ends, so none before this one reaches the place.
        let first = self.spans.partition_point(|span| span.end <= at);
        let mut behind = self.spans.get(first..).unwrap_or_default().iter().take(MOST_BEHIND);
        let span = behind.find(|span| span.start <= at).filter(|span| span.len() <= LONGEST);
        span.and_then(|span| self.code.get(span.clone())).unwrap_or_default()
    }
}

/// Returns the name of a variable of mount options, with its place, where it has a default: the
/// line that opens its block, and the text after that line.
fn variable(line: &str, behind: &str) -> Option<(usize, String)> {
    let rest = line.trim_start().strip_prefix("variable")?.trim_start().strip_prefix('"')?;
    let (name, block) = rest.split_once('"')?;
    let block = block.trim_start().strip_prefix('{').filter(|_| names_options(name))?;
    let mut in_block = false;
    let lines = std::iter::once(block).chain(behind.lines());
    let mut entries =
        lines.map(|line| without_comments(line, &mut in_block)).take_while(|line| !line.starts_with('}'));
    let has_default = entries.any(|line| {
        let value = line
            .trim_start()
            .strip_prefix("default")
            .map(|rest| rest.trim_start().trim_end_matches(['}', ' ']));
        let value = value.and_then(|rest| rest.strip_prefix('=')).map(str::trim);
        value.is_some_and(|value| !matches!(value, "" | "[]" | "null" | "\"\"" | "{"))
    });
    has_default.then(|| (line.find(name).unwrap_or_default(), name.to_owned()))
}

/// Returns the line with spaces in the place of its comments, each byte where it was. `in_block`
/// says whether it begins within `/*` and `*/`, and then whether the next one does.
fn without_comments(line: &str, in_block: &mut bool) -> String {
    let mut code = String::with_capacity(line.len());
    let mut in_quotes = false;
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        let (taken, is_code) = match rest.get(..2) {
            Some("*/") if *in_block => {
                *in_block = false;
                (2, false)
            }
            _ if *in_block => (letter.len_utf8(), false),
            // Both at once: the second sign of an escaped one opens or ends nothing.
            Some("\\\"" | "\\\\") if in_quotes => (2, true),
            Some("/*") if !in_quotes => {
                *in_block = true;
                (2, false)
            }
            Some("//") if !in_quotes => (rest.len(), false),
            _ if letter == '#' && !in_quotes => (rest.len(), false),
            _ => {
                in_quotes ^= letter == '"';
                (letter.len_utf8(), true)
            }
        };
        let (taken, behind) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        if is_code {
            code.push_str(taken);
        } else {
            // Blank, not removed: the places of a line are those of the file.
            code.extend(std::iter::repeat_n(' ', taken.len()));
        }
        rest = behind;
    }
    code
}

/// Returns the first word of a line that names mount options, with its place: a key that something
/// is assigned to, or a path in quotes as `set` of `helm_release` has it.
fn assigned(line: &str) -> Option<(usize, String)> {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let mut rest = 0;
    while let Some(start) = line.get(rest..)?.find(is_of_word).map(|start| rest + start) {
        let word = line.get(start..)?;
        let word = word.get(..word.find(|letter| !is_of_word(letter)).unwrap_or(word.len()))?;
        rest = start + word.len();
        let behind = line.get(rest..)?.trim_start_matches(['"', ' ', '\t']);
        let value = behind.trim_start_matches(['=', ':', ' ', '\t']).trim_end();
        let is_nothing = ["[]", "null", "\"\"", "{}"]
            .iter()
            .any(|nothing| value.strip_prefix(nothing).is_some_and(|rest| !rest.starts_with(is_of_word)));
        let is_key = !is_nothing && behind.starts_with(['=', ':']) && !behind.starts_with("==");
        // `set` of helm_release has the path as a text, with the value on another line.
        let is_path = word.contains('.')
            && (behind.starts_with('[') || behind.is_empty() || line.get(rest..)?.starts_with('"'));
        let is_named = names_options(word) && (is_key || is_path);
        let is_given = is_named || is_key && is_option_key(word) && are_nfs_options(value);
        if is_given && !is_said(line, start) {
            return Some((start, word.to_owned()));
        }
    }
    None
}

/// Returns true if a value in quotes, or in a list, is a list of NFS options: a key such as
/// `options` may have those of anything.
fn are_nfs_options(value: &str) -> bool {
    let texts: Vec<&str> = value.split('"').skip(1).step_by(2).collect();
    let all = |text: &&str| option::are_options(text);
    texts.iter().all(all) && texts.iter().any(|text| option::has_nfs_option(text))
}

#[cfg(test)]
mod tests {
    use super::super::super::text::Lines;
    use super::*;

    #[test]
    fn terraform_is_read_wherever_a_line_names_options() {
        for (text, at) in [
            ("resource \"a\" \"b\" { spec { mount_options = [\"bg\"] } }\n", Some("mount_options")),
            ("manifest = { kind = \"StorageClass\", mountOptions = [\"bg\"] }\n", Some("mountOptions")),
            ("  set { name = \"storageClass.mountOptions[0]\" }\n", Some("storageClass.mountOptions")),
            ("volume_attributes = { \"mountOptions\" = \"bg\" }\n", Some("mountOptions")),
            ("storage_class_mount_options = [\n  \"bg\",\n]\n", Some("storage_class_mount_options")),
            ("variable \"efs_mount_opts\" {\n  default = [\"bg\"]\n}\n", Some("efs_mount_opts")),
            ("smb_mount_options = [\"bg\"]\n", None),
            ("variable \"mount_options\" {}\n", None),
            ("variable \"mount_options\" {\n  type = list(string)\n}\ndefault = [\"bg\"]\n", None),
            ("variable \"mount_options\" {\n  default = []\n}\n", None),
            ("variable \"mount_options\" {\n  default = [\"hard\", \"bg\"]\n}\n", Some("mount_options")),
            ("variable \"mount_options\" { default = \"bg\" }\n", Some("mount_options")),
            ("value = var.mount_options\n", None),
            ("locals { mount_options = [] }\n", None),
            ("mount_options = null\n", None),
            ("volume_attributes = { options = \"vers=3,bg\" }\n", Some("options")),
            ("parameters = { options = \"a.example.com\" }\n", None),
            ("  options = [\"nfsvers=3\", \"hard\"]\n", Some("options")),
            ("  options = {}\n", None),
            ("mountOptions:\n", Some("mountOptions")),
            ("// mount_options = [\"bg\"]\n", None),
            ("/* é\n mount_options = [\"bg\"]\n*/\n", None),
            ("/* a */ mount_options = [\"bg\"] # b\n", Some("mount_options")),
            ("a = 1 // mount_options = [\"bg\"]\n", None),
            ("path = \"/a/*\"\nmount_options = [\"bg\"]\n", Some("mount_options")),
            ("description = \"mount_options = [bg]\"\n", None),
            ("variable \"a\" { description = \"by default mount_options = [bg]\" }\n", None),
            ("error_message = \"a \\\"b\\\" mount_options = [bg]\"\n", None),
            ("description = \"a\", mount_options = [\"bg\"]\n", Some("mount_options")),
            ("value = \"mount_options = [bg]\"\n", Some("mount_options")),
            ("description = <<-EOT\n  mount_options = [bg]\nEOT\n", None),
            ("description = <<-EOT\n  a\nEOT\nmount_options = [\"bg\"]\n", Some("mount_options")),
            ("condition = alltrue([\n  for o in var.mount_options : o != \"bg\"\n])\n", None),
            ("condition = var.mount_options[0] != \"bg\"\n", None),
            ("condition = a != \"b\"\nmount_options = [\"bg\"]\n", Some("mount_options")),
            ("a = \"\\\"/*\" \n mount_options = [\"bg\"]\n", Some("mount_options")),
        ] {
            let found = of_terraform(text);
            assert_eq!(found.first().map(Unjudged::at).as_deref(), at, "{text}");
        }
    }

    #[test]
    fn bg_is_told_from_what_stands_beside_the_options() {
        for (text, has_bg) in [
            ("mount_options = [\"hard\", \"bg\"]\n", true),
            ("mount_options = [\n  \"hard\",\n  \"bg\",\n]\n", true),
            ("mount_options = [\"hard\"]\ncolor = \"bg\"\n", false),
            ("mount_options = concat([\"hard\"], [\"bg\"])\n", true),
            ("mount_options = concat(\n  [\"hard\"],\n  [\"bg\"],\n)\n", true),
            ("mount_options = concat([\"hard\"], [\"fg\"])\ncolor = \"bg\"\n", false),
            ("mount_options = var.a ? [\"hard\"] : [\"bg\"]\n", true),
            ("mount_options = var.a ? [\"bg\"] : []\n", true),
            ("mount_options = [\"hard\", var.a ? \"bg\" : \"fg\"]\n", true),
            ("mount_options = var.a ? [\"hard\"] : []\ncolor = \"bg\"\n", false),
            ("a = { mount_options = [\"hard\"], color = \"bg\" }\n", false),
            ("attributes = { mountOptions = \"hard,bg\", color = \"a\" }\n", true),
            ("attributes = { mountOptions = \"hard\" }\ncolor = \"bg\"\n", false),
            ("set {\n  name = \"a.mountOptions[0]\"\n  value = \"bg\"\n}\n", true),
            ("set {\n  value = \"bg\" # {\n  name = \"a.mountOptions[0]\"\n}\n", true),
            ("set = [{ name = \"a.mountOptions\", value = \"{hard,bg}\" }]\n", true),
            (
                "set {\n  name = \"a.mountOptions[0]\"\n  value = \"fg\"\n}\nset {\n  value = \"bg\"\n}\n",
                false,
            ),
            ("set = [{ name = \"a.mountOptions[0]\", value = \"fg\" }, { value = \"bg\" }]\n", false),
            ("variable \"mount_options\" {\n  default = [\"bg\"]\n}\n", true),
            ("yaml = <<Y\nmountOptions:\n  - hard\n  - bg\nY\n", true),
            ("yaml = <<Y\nmountOptions:\n- hard\ncolor: bg\nY\n", false),
            ("variable \"mount_options\" {\n  default = [\"fg\"]\n}\ncolor = \"bg\"\n", false),
        ] {
            let found = of_terraform(text);
            assert_eq!(
                found.first().map(|found| found.why().ends_with("(bg among them)")),
                Some(has_bg),
                "{text}"
            );
        }
    }

    #[test]
    fn terraform_is_read_line_by_line() {
        let text = "resource \"kubernetes_storage_class\" \"a\" {\n  # mount_options = []\n  mount_options = [\"bg\"]\n}\n";
        let found = of_terraform(text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].at().as_str(), Lines::new(text).position(found[0].offset).line),
            ("mount_options", 3)
        );
    }
}
