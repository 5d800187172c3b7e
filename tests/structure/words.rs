//! Words: pages, texts of the chart and texts of the program use the terms of
//! Kubernetes and NFS, and no circumlocution.

use std::fs;
use std::path::Path;

use super::{files, pages, root, sources};

/// Words that no text for users has, and what it has instead.
const AVOIDED: &[(&str, &str)] = &[
    ("a blank", "whitespace"),
    ("all the same", "anyway"),
    ("anew", "again; delete and recreate"),
    ("are told", "are reported"),
    ("bears", "has"),
    ("behind", "after"),
    ("beside", "next to, with, in addition to"),
    ("blanks", "whitespace"),
    ("dearest", "most expensive"),
    ("ended on", "expired on"),
    ("exemption ends", "exemption expires"),
    ("exemption that ends", "exemption that expires"),
    ("folder", "directory"),
    ("folders", "directories"),
    ("for ever", "indefinitely"),
    ("goes on", "continues"),
    ("goes on trying", "keeps retrying"),
    ("holds", "contains, has"),
    ("in force", "in effect"),
    ("in its stead", "replaces, overrides"),
    ("in their stead", "replaces, overrides"),
    ("is known", "is supported; the source by name"),
    ("is no plain", "is not a whole"),
    ("is told", "is reported"),
    ("look after", "manage, renew, rotate"),
    ("looked after", "managed, renewed, rotated"),
    ("looks after", "manages, renews, rotates"),
    ("nobody", "the actor by name"),
    ("own disk", "local disk"),
    ("pass unseen", "are admitted unchecked"),
    ("passes unseen", "is admitted unchecked"),
    ("sent away", "rejected (load shedding)"),
    ("somebody", "the actor by name"),
    ("stand here", "are set"),
    ("stands", "is set"),
    ("take the place of", "replace, override"),
    ("takes the place of", "replaces, overrides"),
    ("tries on", "keeps retrying"),
    ("under way", "in flight"),
    ("what is there already", "existing objects"),
    ("whoever", "the actor by name"),
];

/// Words that prose does not have, and what it has instead. Reports and fields
/// keep some of them: they are a contract.
const AVOIDED_IN_PROSE: &[(&str, &str)] = &[
    ("a guard", "the webhook"),
    ("an authority", "a CA"),
    ("authorities", "CAs"),
    ("guards", "webhook Pods"),
    ("judge", "evaluate"),
    ("judged", "evaluated"),
    ("judges", "evaluates"),
    ("judging", "evaluating"),
    ("stands for", "means, matches"),
    ("tells", "reports, logs"),
    ("that guard", "the webhook"),
    ("the authority", "the CA"),
    ("the guard", "the webhook"),
    ("the guard's", "of the webhook"),
    ("told", "reported, logged"),
];

/// Lower case, one blank between words, none at the ends.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Returns a phrase of a flat text with its surroundings, if the text has it as whole words.
fn find<'t>(text: &'t str, phrase: &str) -> Option<&'t str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let (start, _) = text.match_indices(phrase).find(|(start, _)| {
        let after = &text[start + phrase.len()..];
        !text[..*start].ends_with(is_part) && !after.starts_with(is_part)
    })?;
    let begin = (0..=start.saturating_sub(40)).rev().find(|at| text.is_char_boundary(*at))?;
    let end = (start + phrase.len() + 40).min(text.len());
    let end = (end..=text.len()).find(|at| text.is_char_boundary(*at))?;
    Some(&text[begin..end])
}

/// Uses of an avoided word that stay, and why: `(end of the place, phrase, context)`.
const ALLOWED: &[(&str, &str, &str)] = &[
    // Fields and labels that users parse: design, JSON of `check` and `explain -f`.
    ("src/report/explanation.rs", "in force", "in force"),
    ("src/report/explanation/places.rs", "in force", "in force"),
    ("src/report/explanation/text.rs", "in force", "in force"),
    ("src/report/explanation/text.rs", "holds", "holds"),
    ("src/report/text.rs", "beside", "not judged beside what is"),
    ("src/source.rs", "holds", "not judged: holds mount options"),
    ("src/source/unjudged/found.rs", "holds", "holds mount options at"),
    ("docs/check.schema.json", "holds", "such as: holds mount options at"),
    // The usual word for a clock, and for servers of a load balancer; a name in a format.
    ("src/doctor/certificate.rs", "behind", "behind"),
    ("src/policy_file.rs", "behind", "{behind}"),
    ("docs/development/reliability.md", "behind", "behind one list of endpoints"),
    // Kubernetes says that a replica holds a Lease.
    (".md", "holds", "the replica that holds the lease"),
    ("docs/logs.md", "holds", "it holds the lease"),
    // The term of editors.
    ("src/cli/lsp.rs", "folder", "workspace folder"),
    ("docs/cli.md", "folder", "workspace folder"),
    ("docs/editor.md", "folder", "workspace folder"),
    ("src/lsp/messages.rs", "folder", "a folder of a workspace"),
    ("src/lsp/messages.rs", "folders", "folders that were added or removed"),
    ("src/lsp/server.rs", "folder", "the folder of the workspace"),
    ("src/lsp/server.rs", "folders", "folders that the client works in"),
    // An identifier or a placeholder in a format, not a word.
    ("src/cluster/reports.rs", "folder", "{folder}"),
];

fn is_allowed(place: &str, phrase: &str, context: &str) -> bool {
    ALLOWED
        .iter()
        .any(|(end, word, around)| place.ends_with(end) && *word == phrase && context.contains(around))
}

fn faults(place: &str, text: &str, lists: &[&[(&str, &str)]], found: &mut Vec<String>) {
    let text = flat(text);
    for (phrase, instead) in lists.iter().copied().flatten() {
        if let Some(context) = find(&text, phrase).filter(|context| !is_allowed(place, phrase, context)) {
            found.push(format!("{place}: {phrase:?} (use: {instead}) in: {context}"));
        }
    }
}

/// Prose of a page: no fences, no code, no addresses, and no part that a program
/// measured.
pub(crate) fn prose(text: &str) -> String {
    const MEASURED: &[&str] = &[
        "figures", "server", "profile", "instructions", "libraries", "tls", "check", "editor", "growth",
        "creates", "scan", "size",
    ];
    let mut text = pages::without_fences(text);
    for mark in MEASURED {
        let (start, end) = (format!("<!-- {mark} -->"), format!("<!-- /{mark} -->"));
        if let Some((head, rest)) = text.split_once(&start)
            && let Some((_, tail)) = rest.split_once(&end)
        {
            text = format!("{head}{tail}");
        }
    }
    let mut kept = String::with_capacity(text.len());
    for (index, piece) in text.split('`').enumerate() {
        kept.push_str(if index % 2 == 0 { piece } else { "code" });
    }
    // An address may have any word.
    kept.split("](").enumerate().fold(String::new(), |all, (index, piece)| {
        let piece = if index == 0 { piece } else { piece.split_once(')').map_or(piece, |(_, rest)| rest) };
        all + piece
    })
}

#[test]
fn pages_use_the_terms_of_the_field() {
    let mut found = Vec::new();
    let mut words = 0;
    for page in pages::all() {
        let text = prose(&fs::read_to_string(&page).expect("text"));
        words += text.split_whitespace().count();
        let place = page.strip_prefix(root()).expect("under the root").display().to_string();
        faults(&place, &text, &[AVOIDED, AVOIDED_IN_PROSE], &mut found);
    }
    assert!(found.is_empty() && words > 10_000, "{words} words: {found:#?}");
}

#[test]
fn texts_of_the_chart_use_the_terms_of_the_field() {
    let mut found = Vec::new();
    for file in files(&root().join("manifests/chart")) {
        let text = fs::read_to_string(&file).expect("text");
        let place = file.strip_prefix(root()).expect("under the root").display().to_string();
        faults(&place, &text.replace('#', " "), &[AVOIDED, AVOIDED_IN_PROSE], &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The page of commands is the help of the program, in fences; schemas describe reports.
#[test]
fn help_and_schemas_use_the_terms_of_the_field() {
    fn descriptions(value: &serde_json::Value, texts: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => {
                texts.extend(members.get("description").and_then(|text| text.as_str()).map(str::to_owned));
                members.values().for_each(|member| descriptions(member, texts));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| descriptions(item, texts)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let read = |place: &str| fs::read_to_string(root().join(place)).expect(place);
    faults("docs/cli.md", &read("docs/cli.md"), &[AVOIDED, AVOIDED_IN_PROSE], &mut found);
    for name in ["check", "doctor", "node-check", "policy"] {
        let place = format!("docs/{name}.schema.json");
        let mut texts = Vec::new();
        descriptions(&serde_json::from_str(&read(&place)).expect("JSON"), &mut texts);
        assert!(texts.len() > 10, "{place}");
        for text in texts {
            faults(&place, &text, &[AVOIDED, AVOIDED_IN_PROSE], &mut found);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Texts in quotes of a piece of code, as they are written but for line ends.
pub(crate) fn strings(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(['"', '\'', '/', 'r']) {
        let (at, after) = (&rest[start..], &rest[start + 1..]);
        let is_raw = at.starts_with("r\"") || at.starts_with("r#");
        let is_word = rest[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        rest = if at.starts_with("//") {
            at.split_once('\n').map_or("", |(_, rest)| rest)
        } else if is_raw && !is_word && at.trim_start_matches(['r', '#']).starts_with('"') {
            let hashes = after.chars().take_while(|c| *c == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            let (text, rest) = after[hashes + 1..].split_once(&end).unwrap_or_default();
            found.push(text.to_owned());
            rest
        } else if at.starts_with('\'') {
            // A letter, or a lifetime.
            let letter = after.strip_prefix('\\').unwrap_or(after);
            let mut letters = letter.char_indices();
            let first = letters.next();
            match letters.next() {
                Some((end, '\'')) if first.is_some() => &letter[end + 1..],
                _ => after,
            }
        } else if at.starts_with('"') {
            let mut text = String::new();
            let mut letters = after.char_indices();
            let mut end = after.len();
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => match letters.next() {
                        Some((_, '\n')) => text.push(' '),
                        Some((_, 'n')) => text.push('\n'),
                        Some((_, escaped)) => text.push(escaped),
                        None => {}
                    },
                    _ => text.push(letter),
                }
            }
            found.push(text);
            &after[end..]
        } else {
            after
        };
    }
    found
}

/// Code of a file that is built into the program.
fn shipped(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("text");
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()
}

#[test]
fn texts_of_the_program_use_the_terms_of_the_field() {
    let mut found = Vec::new();
    let mut seen = 0;
    let is_test =
        |file: &Path| file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    let all = sources().into_iter().flat_map(|folder| files(&folder));
    for file in all.filter(|file| !is_test(file)) {
        let place = file.strip_prefix(root()).expect("under the root").display().to_string();
        for text in strings(&shipped(&file)) {
            seen += 1;
            faults(&place, &text, &[AVOIDED], &mut found);
        }
    }
    assert!(found.is_empty() && seen > 3000, "{seen} texts: {found:#?}");
}

/// The comments of each file of the program and its tests, in one line each, with the
/// number of lines that they take.
fn comments() -> Vec<(String, String, usize)> {
    let mut all = Vec::new();
    let tests = ["tests", "benches", "fuzz"].map(|folder| root().join(folder));
    for file in sources().into_iter().chain(tests).flat_map(|folder| files(&folder)) {
        let is_built = file.components().any(|part| part.as_os_str() == "target");
        if is_built || file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("text");
        let comments = text.lines().map(str::trim_start).filter(|line| line.starts_with("//"));
        let text: Vec<&str> = comments.map(|line| line.trim_start_matches(['/', '!']).trim()).collect();
        let place = file.strip_prefix(root()).expect("under the root").display().to_string();
        all.push((place, text.join("\n"), text.len()));
    }
    assert!(all.iter().map(|(.., lines)| lines).sum::<usize>() > 5000, "{} files", all.len());
    all
}

/// Comments name the actor, the place and the time: readers look for them.
#[test]
fn comments_use_the_terms_of_the_field() {
    const AVOIDED: &[(&str, &str)] = &[
        ("anew", "again"),
        ("are told", "are reported"),
        ("asked for", "requested"),
        ("asks for", "requests"),
        ("behind", "after"),
        ("blanks", "white space"),
        ("folder", "directory"),
        ("folders", "directories"),
        ("for ever", "indefinitely"),
        ("goes on", "continues"),
        ("is told", "is reported"),
        ("nobody", "the actor by name"),
        ("somebody", "the actor by name"),
        ("whoever", "the actor by name"),
    ];
    let mut found = Vec::new();
    for (place, text, _) in comments() {
        faults(&place, &prose(&text), &[AVOIDED], &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Sentences of a comment that begin with a question in place of a verb or a noun.
fn circumscribed(text: &str) -> Vec<&str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_end = |before: &str| before.ends_with(['.', ':', ';']);
    let lines = text.lines().filter_map(|line| line.split_whitespace().next());
    let starts = words.windows(2).filter(|pair| is_end(pair[0])).map(|pair| pair[1]);
    let questions = ["What", "Whether", "Who", "Whoever", "Whose", "Which", "How"];
    lines.chain(starts).filter(|word| questions.contains(word)).collect()
}

#[test]
fn comments_begin_with_a_verb_or_a_noun() {
    let found: Vec<String> = comments()
        .iter()
        .flat_map(|(place, text, _)| {
            circumscribed(text).into_iter().map(move |word| format!("{place}: {word}"))
        })
        .collect();
    assert!(found.is_empty(), "none of them may begin so: {found:#?}");
    assert_eq!(
        circumscribed(
            "What it does.\nReturns it. Whether it is: Who asks. Whose it is; Which is it. How is it."
        ),
        ["What", "Whether", "Who", "Whose", "Which", "How"]
    );
    assert!(circumscribed("Returns what it does, and whether.\nIt is so: no What.").is_empty());
}

#[test]
fn a_word_is_found_where_it_is() {
    let code = r##"let a = 'x'; /* ' */ f("one \
        two", r#"thr"ee"#, 'a', "fo\"ur"); // "five"
    fn g<'a>(x: &'a str) { h('"', "six") }"##;
    assert_eq!(strings(code), ["one          two", "thr\"ee", "fo\"ur", "six"]);
    let mut found = Vec::new();
    faults("here", "The  Pod waits for\never; `Nobody` knows.", &[AVOIDED], &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(find("somebodyelse, a-nobody", "nobody").is_none());
    assert!(prose("a `nobody` b\n```sh\nnobody\n```\n[c](nobody.md) d").find("nobody").is_none());
}
