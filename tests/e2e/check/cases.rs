//! Public trouble with NFS options, `tests/cases/`: what must hold of each is a
//! line of `expected.jsonl`, field by field as its README says. Fields that do not hold yet are in
//! `open.txt`, and no other may fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::nfs::option::split;
use serde_json::Value;
use tempfile::TempDir;

use super::{run, stdout};

/// Tests of the cases.
pub fn trials() -> Vec<Trial> {
    vec![Trial::test("check::holds_what_public_cases_say", holds_what_public_cases_say)]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn holds_what_public_cases_say() -> Result<(), Failed> {
    let cases: Vec<Value> = fs::read_to_string(folder().join("expected.jsonl"))?
        .lines()
        .map(|line| serde_json::from_str(line).expect("a case"))
        .collect();
    assert!(cases.len() >= 250, "{}", cases.len());
    let (one, other) = cases.split_at(cases.len() / 2);
    let fails = std::thread::scope(|scope| {
        let work = scope.spawn(|| one.iter().flat_map(fails).collect::<BTreeSet<String>>());
        let mut all: BTreeSet<String> = other.iter().flat_map(fails).collect();
        all.extend(work.join().expect("the cases"));
        all
    });
    let file = folder().join("open.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, fails.iter().map(String::as_str).collect::<Vec<_>>().join("\n") + "\n")?;
    }
    let open: BTreeSet<String> = fs::read_to_string(&file)?.lines().map(str::to_owned).collect();
    let new: Vec<_> = fails.difference(&open).collect();
    let done: Vec<_> = open.difference(&fails).collect();
    assert!(new.is_empty(), "does not hold: {new:#?}");
    assert!(done.is_empty(), "holds now, take it out of open.txt: {done:#?}");
    Ok(())
}

/// One case as it was run.
struct Case<'c> {
    line: &'c Value,
    file: String,
    policy: Vec<String>,
    fails: Vec<String>,
}

/// The fields of a case that do not hold.
fn fails(line: &Value) -> Vec<String> {
    let name = line["case"].as_str().expect("a name");
    let file = ["yaml", "json"].map(|ending| folder().join(format!("{name}.{ending}")));
    let file = file.iter().find(|file| file.exists()).expect("a manifest");
    let policy = match line["policy"].as_str() {
        Some(policy) => vec!["--policy".to_owned(), folder().join(policy).display().to_string()],
        None => vec!["--no-policy".to_owned()],
    };
    let mut case = Case { line, file: file.display().to_string(), policy, fails: Vec::new() };
    case.judged();
    case.explained();
    case.fixed();
    let object = line["object"].as_str().expect("an object");
    case.fails.iter().map(|fail| format!("{name} {object} {fail}")).collect()
}

/// The alternatives of an expectation, `a|b`.
fn any_of(wanted: &str, holds: impl Fn(&str) -> bool) -> bool {
    wanted.split('|').any(holds)
}

impl Case<'_> {
    fn run(&self, args: &[&str], file: &str) -> (Option<i32>, String) {
        let takes_policy = args.first() != Some(&"explain");
        let policy = self.policy.iter().map(String::as_str).filter(|_| takes_policy);
        let all: Vec<&str> =
            args[..1].iter().copied().chain(policy).chain(args[1..].iter().copied()).chain([file]).collect();
        let output = run(&all);
        let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    }

    fn report(&self, args: &[&str], file: &str) -> (Option<i32>, Value) {
        let mut all: Vec<&str> = vec!["check"];
        all.extend(self.policy.iter().map(String::as_str));
        all.extend(args);
        all.extend(["--format", "json", file]);
        let output = run(&all);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    fn subject<'r>(&self, report: &'r Value) -> Option<&'r Value> {
        let subjects = report["subjects"].as_array()?;
        let is_it = |subject: &&Value| {
            self.line["object"]
                == format!(
                    "{}/{}",
                    subject["kind"].as_str().unwrap_or_default(),
                    subject["name"].as_str().unwrap_or_default()
                )
        };
        subjects.iter().find(is_it)
    }

    fn wanted(&self, field: &str) -> Vec<String> {
        let list = self.line[field].as_array().cloned().unwrap_or_default();
        list.iter().map(|wanted| wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned)).collect()
    }

    /// Notes the field where some of what it wants does not hold.
    fn expect(&mut self, field: &str, holds: impl Fn(&str) -> bool) {
        for wanted in self.wanted(field) {
            if !holds(&wanted) {
                self.fails.push(format!("{field} {wanted}"));
            }
        }
    }

    fn judged(&mut self) {
        let (exit, report) = self.report(&[], &self.file);
        let subject = self.subject(&report).cloned().unwrap_or_default();
        for field in ["nfs", "decision", "effective"] {
            if !self.line[field].is_null() && self.line[field] != subject[field] {
                self.fails.push(field.to_owned());
            }
        }
        let findings = subject["findings"].as_array().cloned().unwrap_or_default();
        let found = |code: &str| findings.iter().any(|finding| finding["code"] == code);
        let denied = |code: &str| {
            findings.iter().any(|finding| finding["code"] == code && finding["action"] == "deny")
        };
        self.expect("has", found);
        self.expect("hasNot", |code| !found(code));
        self.expect("denies", denied);
        self.expect("deniesNot", |code| !denied(code));
        let texts: Vec<String> = findings
            .iter()
            .flat_map(|finding| {
                ["message", "use", "pointer", "carrier"]
                    .map(|field| finding[field].to_string().replace("\\\"", "\""))
            })
            .collect();
        let message = |finding: &Value| finding["message"].as_str().unwrap_or_default().to_owned();
        self.expect("messageHas", |wanted| {
            any_of(wanted, |text| texts.iter().any(|found| found.contains(text)))
        });
        self.expect("messageHasNot", |text| !findings.iter().any(|finding| message(finding).contains(text)));
        let places = || findings.iter().chain(report["errors"].as_array().into_iter().flatten());
        let line_of = |line: &str| places().any(|place| place["line"].as_u64() == line.parse().ok());
        self.expect("at", line_of);
        self.expect("atNot", |line| !line_of(line));
        let exits = match &self.line["exit"] {
            Value::Null => Vec::new(),
            Value::Array(exits) => exits.clone(),
            exit => vec![exit.clone()],
        };
        if !exits.is_empty() && !exits.iter().any(|wanted| wanted.as_i64() == exit.map(i64::from)) {
            self.fails.push("exit".to_owned());
        }
        for (key, wanted) in self.line["effectiveWinners"].as_object().into_iter().flatten() {
            if winner(subject["effective"].as_str().unwrap_or_default(), key) != *wanted {
                self.fails.push(format!("effectiveWinners {key}"));
            }
        }
        let (_, text) = self.run(&["check"], &self.file);
        let name =
            Path::new(&self.file).file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let text = text.replace(&name, "");
        let told =
            text.clone() + &self.run(&["explain", "-f"], &self.file).1.replace(&name, "") + &texts.concat();
        self.expect("tells", |wanted| any_of(wanted, |wanted| told.contains(wanted)));
        let object =
            self.line["object"].as_str().and_then(|object| object.split('/').nth(1)).unwrap_or_default();
        if self.line["skippedNot"] == true && subject.is_null() && !text.contains(object) {
            self.fails.push("skippedNot".to_owned());
        }
    }

    fn explained(&mut self) {
        if self.line["explainHas"].is_null() && self.line["explainHasNot"].is_null() {
            return;
        }
        let (_, text) = self.run(&["explain", "-f"], &self.file);
        let object = self.line["object"].as_str().unwrap_or_default().to_owned();
        let part: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.contains(&object))
            .enumerate()
            .take_while(|(index, line)| *index == 0 || line.starts_with(' '))
            .map(|(_, line)| line)
            .collect();
        let part = part.join("\n");
        self.expect("explainHas", |wanted| text.contains(wanted));
        self.expect("explainHasNot", |wanted| !part.contains(wanted));
    }

    fn fixed(&mut self) {
        let is_asked = |field: &String| field.starts_with("fix") || field.starts_with("list");
        if !self.line.as_object().expect("a case").keys().any(is_asked) {
            return;
        }
        let scratch = TempDir::new().expect("a folder");
        let copy = scratch.path().join(Path::new(&self.file).file_name().expect("a name"));
        fs::copy(&self.file, &copy).expect("a copy");
        let copy = copy.display().to_string();
        self.run(&["fix"], &copy);
        let before = fs::read_to_string(&self.file).expect("the manifest");
        let after = fs::read_to_string(&copy).expect("the manifest");
        let (_, mutated) = self.report(&["--as", "mutate"], &self.file);
        let patches = self.subject(&mutated).is_some_and(|subject| subject["decision"] == "patch");
        if self.line["fixUnchanged"] == true && (before != after || patches) {
            self.fails.push("fixUnchanged".to_owned());
        }
        let name = self.line["object"]
            .as_str()
            .and_then(|object| object.split('/').nth(1))
            .unwrap_or_default()
            .to_owned();
        let (had, has) = (options(&before, &name), options(&after, &name));
        let count = |list: &[String], word: &str| list.iter().filter(|found| *found == word).count();
        self.expect("fixKeeps", |wanted| any_of(wanted, |word| has.iter().any(|found| found.contains(word))));
        self.expect("fixAdds", |word| count(&has, word) > count(&had, word));
        let (list, old_list) = (list_of(&after, &name), list_of(&before, &name));
        // A piece that was there before may not become an element of its own.
        let adds =
            |word: &str| count(&has, word) > count(&had, word) || count(&list, word) > count(&old_list, word);
        self.expect("fixAddsNot", |word| !adds(word));
        if list != old_list {
            let holds =
                |word: &str| list.iter().any(|element| split(element).any(|piece| piece.text == word));
            self.expect("listHolds", holds);
        }
        if self.line["listAtMost"].as_u64().is_some_and(|most| list.len() as u64 > most) {
            self.fails.push("listAtMost".to_owned());
        }
        let passes = |report: &Value| {
            self.subject(report).is_some_and(|subject| {
                subject["findings"]
                    .as_array()
                    .expect("findings")
                    .iter()
                    .all(|finding| finding["action"] != "deny")
            })
        };
        if self.line["fixedPasses"] == true && !passes(&self.report(&[], &copy).1) {
            self.fails.push("fixedPasses".to_owned());
        }
        for (comment, option) in self.line["fixComments"].as_object().into_iter().flatten() {
            let option = option.as_str().unwrap_or_default();
            let is_right = |line: &str| line.contains(option) || line.trim_start().starts_with('#');
            if after.lines().filter(|line| line.contains(comment.as_str())).any(|line| !is_right(line)) {
                self.fails.push(format!("fixComments {comment}"));
            }
        }
    }
}

/// Returns the value of one key in the string.
fn winner(effective: &str, key: &str) -> Value {
    const GROUPS: [&[&str]; 5] = [
        &["hard", "soft", "softerr"],
        &["lock", "nolock"],
        &["ro", "rw"],
        &["fg", "bg"],
        &["resvport", "noresvport"],
    ];
    let options: Vec<&str> = split(effective).map(|piece| piece.text).collect();
    if let Some(group) = GROUPS.iter().find(|group| group.contains(&key)) {
        let last = options.iter().rfind(|option| group.contains(option));
        return if last == Some(&key) { true.into() } else { Value::Null };
    }
    let value = |option: &&str, keys: &[&str]| {
        option.split_once('=').filter(|(found, _)| keys.contains(found)).map(|(_, value)| value.to_owned())
    };
    match key {
        "vers" => {
            let flag = |option: &&str| {
                option.strip_prefix('v').filter(|rest| rest.starts_with(['2', '3', '4'])).map(str::to_owned)
            };
            let versions: Vec<String> = options
                .iter()
                .filter_map(|option| value(option, &["vers", "nfsvers"]).or_else(|| flag(option)))
                .collect();
            if let [version] = versions.as_slice() { version.clone().into() } else { Value::Null }
        }
        "proto" => options
            .iter()
            .rev()
            .find_map(|option| {
                value(option, &["proto"])
                    .or_else(|| ["tcp", "udp", "rdma"].contains(option).then(|| (*option).to_owned()))
            })
            .into(),
        _ => options.iter().rev().find_map(|option| value(option, &[key])).into(),
    }
}

/// The object with this name; all objects where none has it or the text is not
/// read by the tests' own library.
fn objects(text: &str, name: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_default();
    all.into_iter().filter(|object| name.is_empty() || object["metadata"]["name"] == name).collect()
}

/// Every option in the object, wherever it stands.
fn options(text: &str, name: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.values().for_each(|value| collect(value, found)),
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            Value::String(text) => found.extend(split(text).map(|piece| piece.text.to_owned())),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for object in objects(text, name) {
        collect(&object, &mut found);
    }
    if found.is_empty() {
        let words = text.split(|character: char| character.is_whitespace() || "\"'[],{}".contains(character));
        found.extend(words.map(str::to_owned));
    }
    found
}

fn list_of(text: &str, name: &str) -> Vec<String> {
    let objects = objects(text, name);
    let lists = objects.iter().flat_map(|object| [&object["mountOptions"], &object["spec"]["mountOptions"]]);
    let elements = lists.filter_map(Value::as_array).flatten();
    elements.map(|element| element.as_str().unwrap_or_default().to_owned()).collect()
}
