//! Pages: the table of contents has all of them, and every relative link leads
//! to a file and a heading.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nfs_mount_guard::report::driver_page;
use nfs_mount_guard::rules::RULES;
use nfs_mount_guard::subject::driver::{Nfs, drivers};

use super::{compare, files, root};

/// Markdown without fenced blocks: their text is no prose and has no links.
pub(crate) fn without_fences(text: &str) -> String {
    let mut is_inside = false;
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_inside = !is_inside;
        } else if !is_inside {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    assert!(!is_inside, "a fence is not closed: {}", text.lines().next().unwrap_or_default());
    kept
}

/// Every page under docs/, and those at the root.
pub(crate) fn all() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = files(&root().join("docs"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        found.push(root().join(name));
    }
    found
}

/// As GitHub and mdBook name a heading in an address.
fn anchor(line: &str) -> Option<String> {
    let text = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    Some(text.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"))
}

/// Targets of a page's inline links and pictures.
fn targets(text: &str) -> Vec<&str> {
    let starts = text.match_indices("](");
    starts.filter_map(|(start, _)| text[start + 2..].split([')', ' ', '\n']).next()).collect()
}

/// Returns the reason why a relative link leads nowhere.
fn fault(page: &Path, target: &str) -> Option<&'static str> {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { page.to_owned() } else { page.parent().expect("a folder").join(file) };
    if !path.exists() {
        return Some("no such file");
    }
    if heading.is_empty() {
        return None;
    }
    let text = without_fences(&fs::read_to_string(&path).expect("text"));
    (!text.lines().filter_map(anchor).any(|found| found == heading)).then_some("no such heading")
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in all() {
        let text = without_fences(&fs::read_to_string(&page).expect("text"));
        for target in targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            if let Some(fault) = fault(&page, target) {
                wrong.push(format!("{}: {target}: {fault}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty() && seen > 200, "{seen} links: {wrong:#?}");
    let readme = root().join("README.md");
    assert_eq!(fault(&readme, "docs/none.md"), Some("no such file"));
    assert_eq!(fault(&readme, "docs/policy.md#none"), Some("no such heading"));
    assert_eq!(fault(&readme, "#rules"), None);
}

/// The pages of rules and drivers follow their tables.
#[test]
fn the_table_of_contents_has_the_generated_pages() {
    let path = root().join("docs/SUMMARY.md");
    let text = fs::read_to_string(&path).expect("the table of contents");
    let mut wanted = String::new();
    for line in text.lines().filter(|line| !line.starts_with("  - ")) {
        wanted.push_str(line);
        wanted.push('\n');
        let entries: Vec<String> = match line {
            "- [Rules](rules/README.md)" => RULES
                .iter()
                .map(|rule| format!("[{} {}](rules/{}.md)", rule.code, rule.name, rule.code))
                .collect(),
            "- [Drivers](drivers.md)" => {
                let shown = drivers().filter(|driver| driver.nfs != Nfs::No);
                let hidden = drivers().filter(|driver| driver.nfs == Nfs::No);
                shown
                    .chain(hidden)
                    .map(|driver| format!("[{}](drivers/{})", driver.title, driver_page::file_name(driver)))
                    .collect()
            }
            _ => Vec::new(),
        };
        for entry in entries {
            wanted.push_str("  - ");
            wanted.push_str(&entry);
            wanted.push('\n');
        }
    }
    compare(&path, &wanted);
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let docs = root().join("docs");
    let summary = docs.join("SUMMARY.md");
    let text = fs::read_to_string(&summary).expect("the table of contents");
    let listed = targets(&text);
    let once: BTreeSet<PathBuf> = listed.iter().map(|target| docs.join(target)).collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    let pages: BTreeSet<PathBuf> =
        all().into_iter().filter(|page| page.starts_with(&docs) && *page != summary).collect();
    let missing: Vec<_> = pages.difference(&once).collect();
    assert!(missing.is_empty() && once == pages, "add to docs/SUMMARY.md: {missing:#?}");
}

/// Most words of a sentence, as the style guide allows 25: lists after a colon count
/// apart, and a quoted command is several words.
const LONGEST_SENTENCE: usize = 28;

/// Most words of a sentence with the lists after its colons.
const LONGEST_WITH_LISTS: usize = 32;

/// Ends of a sentence.
const FULL_STOPS: &[&str] = &[". ", "? ", "! "];

/// The sentences of a page's prose, each with its lists: no headings, tables, fences and
/// generated parts.
fn sentences(text: &str) -> Vec<String> {
    let mut text = without_fences(text);
    while let Some((head, rest)) = text.split_once("<!-- ") {
        let Some((mark, body)) = rest.split_once(" -->") else { break };
        let end = format!("<!-- /{mark} -->");
        let after = body.split_once(&end).map_or(body, |(_, after)| after);
        text = format!("{head}{after}");
    }
    let mut found = Vec::new();
    let mut paragraph = String::new();
    for line in text.lines().chain([""]) {
        let line = line.trim();
        let item = line.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(". ");
        let item = item.or_else(|| line.strip_prefix("- ")).or_else(|| line.strip_prefix("> "));
        let is_prose = !line.is_empty() && !line.starts_with(['|', '#']);
        if item.is_some() || !is_prose {
            found.extend(split(&std::mem::take(&mut paragraph), FULL_STOPS));
        }
        if is_prose {
            paragraph.push_str(item.unwrap_or(line));
            paragraph.push(' ');
        }
    }
    found
}

/// Returns the parts of a text between such ends, without them.
fn split(text: &str, ends: &[&str]) -> Vec<String> {
    let marked = ends.iter().fold(text.to_owned(), |text, end| text.replace(end, "\n"));
    marked.lines().map(str::to_owned).collect()
}

#[test]
fn sentences_of_user_pages_are_short() {
    let mut long = Vec::new();
    let mut seen = 0;
    let docs = root().join("docs");
    // Evidence for maintainers and generated pages are read with their tables.
    let is_left = |page: &Path| {
        let is_generated = page.ends_with("drivers.md")
            || ["rules", "drivers", "development"].iter().any(|name| page.starts_with(docs.join(name)));
        let is_of_users = ["README.md", "CHANGELOG.md"].iter().any(|name| page.ends_with(name));
        is_generated || !page.starts_with(&docs) && !is_of_users
    };
    for page in all().into_iter().filter(|page| !is_left(page)) {
        for sentence in sentences(&fs::read_to_string(&page).expect("text")) {
            seen += 1;
            let words = |text: &str| text.split_whitespace().count();
            let is_long = split(&sentence, &[": ", "; "]).iter().any(|part| words(part) > LONGEST_SENTENCE);
            if is_long || words(&sentence) > LONGEST_WITH_LISTS {
                long.push(format!("{}: {sentence}", page.display()));
            }
        }
    }
    assert!(long.is_empty() && seen > 800, "{seen} sentences: {long:#?}");
}

/// Lines of the README that fit one screen.
const FIRST_SCREEN: usize = 48;

/// Readers decide by the first screen: status and versions, a command, the defaults, an outage,
/// other tools, limits.
#[test]
fn the_first_screen_of_the_readme_answers_the_first_questions() {
    let text = fs::read_to_string(root().join("README.md")).expect("text");
    let screen: Vec<&str> = text.lines().take(FIRST_SCREEN).collect();
    let screen = screen.join("\n");
    for answer in [
        "Status: ",
        "](docs/versions.md)",
        "\ncargo install ",
        "](#what-it-changes-by-default)",
        "](#if-the-webhook-is-down)",
        "](docs/comparison.md)",
        "](docs/not-covered.md)",
        "\ncargo run ",
        "\ntests/run ",
    ] {
        assert!(screen.contains(answer), "{answer:?} is not in the first {FIRST_SCREEN} lines");
    }
}

/// Returns each use of "kubelet" in a text that has neither an article nor a component next to
/// it, with the words around it.
fn bare_kubelets(text: &str) -> Vec<String> {
    const ARTICLES: &[&str] = &["the", "a", "that", "each", "every"];
    const COMPONENTS: &[&str] = &["kube-apiserver", "kubectl", "containerd", "prometheus"];
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).trim_end_matches("'s"))
        .collect();
    let is_bare = |at: &usize| {
        let before = words.get(at.saturating_sub(2)..*at).unwrap_or_default();
        let after = words.get(at + 1).unwrap_or(&"");
        words.get(*at) == Some(&"kubelet")
            && !before.iter().any(|word| ARTICLES.contains(word) || COMPONENTS.contains(word))
            && !COMPONENTS.contains(after)
    };
    let around = |at: usize| words.get(at.saturating_sub(4)..(at + 4).min(words.len())).unwrap_or_default();
    (0..words.len()).filter(is_bare).map(|at| around(at).join(" ")).collect()
}

#[test]
fn pages_write_the_kubelet_with_its_article() {
    let mut found = Vec::new();
    for page in all() {
        let text = super::words::prose(&fs::read_to_string(&page).expect("text"));
        found.extend(bare_kubelets(&text).into_iter().map(|words| format!("{}: {words}", page.display())));
    }
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(bare_kubelets("It runs, and kubelet sorts the list."), ["it runs and kubelet sorts the list"]);
    assert!(bare_kubelets("The real kubelet's list; etcd, kubelet, kubectl and kubelet 1.37").is_empty());
}

/// The version that a go.mod of the tests' components pins.
fn pinned(folder: &str, module: &str) -> String {
    let path = root().join("tests/components").join(folder).join("go.mod");
    let text = fs::read_to_string(path).expect("go.mod");
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == module).expect("the module");
    words[at + 1].trim_start_matches('v').to_owned()
}

#[test]
fn pages_name_the_versions_that_the_tests_run() {
    let read = |page: &str| fs::read_to_string(root().join(page)).expect("text");
    let versions = read("docs/versions.md");
    let older = pinned("kubernetes-1.35", "k8s.io/kubernetes");
    for version in [pinned("kubernetes", "k8s.io/kubernetes"), older] {
        assert!(read("README.md").contains(&version) && versions.contains(&version), "{version}");
    }
    assert!(versions.contains(&pinned("helm", "helm.sh/helm/v4")));
    // An image of this checkout has the program's version.
    for page in all().into_iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        let text = fs::read_to_string(&page).expect("text");
        for mark in ["nfs-mount-guard:", "newTag: "] {
            for (start, _) in text.match_indices(mark) {
                let tag = &text[start + mark.len()..];
                if tag.starts_with(|c: char| c.is_ascii_digit()) {
                    assert!(tag.starts_with(env!("CARGO_PKG_VERSION")), "{}: {mark}{tag:.9}", page.display());
                }
            }
        }
    }
}

/// Returns the scripts of the repository: files that may be run.
fn scripts(folder: &Path, found: &mut BTreeSet<String>) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root()).expect("under it").display().to_string();
        if path.is_dir() {
            if !name.ends_with("target") && name != ".git" {
                scripts(&path, found);
            }
        } else if path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0) {
            found.insert(name);
        }
    }
}

#[test]
fn contributing_names_every_script_once() {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("a page");
    let (_, rest) = text.split_once("| command | use |\n").expect("the table of scripts");
    let rows =
        rest.lines().take_while(|line| line.starts_with('|')).filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<String> = rows.filter_map(|row| Some(row.split(['`', ' ']).next()?.to_owned())).collect();
    let mut found = BTreeSet::new();
    scripts(root(), &mut found);
    assert_eq!(named.iter().cloned().collect::<BTreeSet<_>>(), found);
    assert_eq!(named.len(), found.len(), "a script has two rows");
}
