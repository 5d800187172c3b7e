//! Counts agree with what they count, and carets stand under what they mean.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, run, stdout};

/// Tests of counts and columns.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::words::{name}"), test);
    vec![
        trial("a_count_of_one_is_one", counts_agree),
        trial("a_name_in_the_annotation_that_is_no_rule_is_warned_of", unknown_exemption),
        trial("a_caret_stands_under_its_character", carets_stand_right),
        trial("columns_of_reports_count_characters", columns_count_characters),
    ]
}

/// A word that stands after a 1 in the plural.
fn wrong_plural(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric()).collect();
    let nouns = [
        "documents", "objects", "files", "findings", "options", "minutes", "tries", "tenths", "templates",
        "manifests", "kinds", "drivers", "exemptions", "actions", "days", "entries", "rules", "are",
    ];
    words.windows(2).find(|pair| pair[0] == "1" && nouns.contains(&pair[1])).map(|pair| pair.join(" "))
}

fn unknown_exemption() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).map(|()| path.display().to_string())
    };
    let class = file(
        "class.yaml",
        "kind: StorageClass\nmetadata:\n  name: a\n  annotations: {nfs-mount-guard.io/exempt: \"soft-mount,NMG099\"}\n\
         provisioner: nfs.csi.k8s.io\nmountOptions: [nfsvers=4.1, soft, fg, timeo=600, retrans=2]\n",
    )?;
    let policy = |allowed: bool| {
        let text = format!(
            "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nannotationExemptions: {allowed}\n"
        );
        file("policy.yaml", &text)
    };
    let said = format!(
        "warning: {class}:1: StorageClass/a: \"NMG099\" in the annotation nfs-mount-guard.io/exempt is no rule and exempts nothing"
    );
    for (allowed, count) in [(true, 1), (false, 0)] {
        let output = run(&["check", &class, "--policy", &policy(allowed)?]);
        let text = String::from_utf8(output.stderr)?;
        assert_eq!(text.matches(&said).count(), count, "{text}");
        assert_eq!(text.matches("NMG099").count(), count, "{text}");
    }
    Ok(())
}

fn counts_agree() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let class = |options: &str| {
        format!(
            "kind: StorageClass\nmetadata: {{name: a}}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [{options}]\n"
        )
    };
    fs::write(root.join("class.yaml"), class("nfsvers=4.1, bg, timeo=01, retrans=01, retry=01m"))?;
    fs::write(root.join("other.yaml"), "kind: ConfigMap\n")?;
    fs::write(root.join("none.yaml"), "a: b\n")?;
    fs::write(root.join("partial.yaml"), "kind: StorageClass\nmetadata: {name: a}\n")?;
    fs::write(root.join("template.yaml"), "kind: StorageClass\nmetadata: {name: {{ .a }}}\n")?;
    fs::write(root.join("foreign.yaml"), "a: [\n")?;
    let path = root.display().to_string();
    let baseline = root.join("known.baseline").display().to_string();
    let all = ["check", &path, "--no-policy"];
    let reports: Vec<Vec<&str>> = vec![
        vec!["--format", "text"],
        vec!["--format", "github"],
        vec!["--format", "junit"],
        vec!["--format", "gitlab"],
        vec!["--select", "NMG001", "--write-baseline", &baseline],
        vec!["--select", "NMG001", "--baseline", &baseline],
        vec!["--select", "NMG014", "--baseline", &baseline],
    ];
    let mut said = String::new();
    for more in reports {
        let output = run(&[all.as_slice(), &more].concat());
        said.push_str(&stdout(&output));
        said.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    let diff = run(&["fix", "--diff", &path, "--no-policy"]);
    said.push_str(&String::from_utf8_lossy(&diff.stderr));
    let policy = root.join("policy.policy").display().to_string();
    fs::write(
        &policy,
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nrules: {soft-mount: {action: deny}}\ndrivers: [{name: a.example.com, nfs: true}]\nexemptions: [{rules: [NMG005], name: a, reason: b}]\n",
    )?;
    said.push_str(&stdout(&run(&["policy", "check", &policy])));
    assert_eq!(wrong_plural(&said), None, "{said}");
    for words in [
        "1 other kind",
        "1 no object",
        "1 partial manifest",
        "1 Helm template",
        "1 no manifest",
        "1 judged",
        "1 baseline entry no longer matches",
        "1 finding in the baseline",
        "1 object in 1 file would change",
        "1 action set, 1 driver, 1 exemption",
        "1 minute",
        "1 try",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let two = stdout(&pipe(&["check", "-", "--no-policy"], b"kind: A\n---\nkind: A\n"));
    assert!(two.contains("2 documents read") && two.contains("2 skipped (2 other kinds)"), "{two}");
    Ok(())
}

/// The word that the carets of the first finding stand under, by columns of a
/// terminal that `columns` gives for each character.
fn under_carets(text: &str, columns: fn(char) -> usize) -> String {
    let mut lines =
        text.lines().skip_while(|line| !line.contains("NMG001")).skip(1).filter(|line| !line.contains("-->"));
    let (line, carets) = (lines.next().expect("the line"), lines.next().expect("carets"));
    let start = carets.chars().take_while(|letter| *letter != '^').count();
    let end = start + carets.chars().filter(|letter| *letter == '^').count();
    let mut at = 0;
    let mut word = String::new();
    for letter in line.chars() {
        if (start..end).contains(&at) && columns(letter) > 0 {
            word.push(letter);
        }
        at += columns(letter);
    }
    word
}

/// Columns as the Unicode standard's annex 11 and the manual of a terminal have them.
fn columns(letter: char) -> usize {
    match letter {
        '\u{300}'..='\u{36f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}' => 2,
        _ => 1,
    }
}

fn carets_stand_right() -> Result<(), Failed> {
    for before in ["日本=1", "한국", "ｗｉｄｅ", "e\u{301}\u{323}", "👩\u{200d}👧", "🚀🚀", "é", "a\u{200b}"]
    {
        for list in [format!("[\"{before}\",\tbg]"), format!("[\"{before},bg\"]")] {
            let class = format!(
                "kind: StorageClass\nmetadata: {{name: a}}\nprovisioner: nfs.csi.k8s.io\nmountOptions: {list}\n"
            );
            let text = stdout(&pipe(&["check", "-", "--no-policy", "--select", "NMG001"], class.as_bytes()));
            assert_eq!(under_carets(&text, columns), "bg", "{list}: {text}");
        }
    }
    // The caret of a policy's mistake is counted alike.
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.yaml");
    fs::write(
        &policy,
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nexemptions: [{reason: \"日本\t👩\", rules: [NMG099], name: a}]\n",
    )?;
    let output = run(&["policy", "check", &policy.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said: Vec<&str> = said.lines().collect();
    let caret = said[2].chars().count() - 1;
    let before: String = said[1].split("NMG099").next().expect("the line").to_owned();
    assert_eq!(before.chars().map(columns).sum::<usize>(), caret, "{said:?}");
    Ok(())
}

fn columns_count_characters() -> Result<(), Failed> {
    let class = "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [\"日本\", \"e\u{301}\", \"🚀\", bg]\n";
    let output =
        pipe(&["check", "-", "--no-policy", "--select", "NMG001", "--format", "json"], class.as_bytes());
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let finding = &report["subjects"][0]["findings"][0];
    assert_eq!(json!([finding["line"], finding["column"], finding["endColumn"]]), json!([4, 33, 35]));
    Ok(())
}
