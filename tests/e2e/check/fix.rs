//! `fix`: what it changes, and what it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{fixture, pipe, run, stdout};

/// Tests of `fix`.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::fix::{name}"), test);
    vec![
        trial("options_that_nothing_reads_move_to_the_list", moves),
        trial("what_cannot_be_moved_stays", moves_nothing),
        trial("a_remedy_names_the_place_that_is_read", says_where_lost_options_belong),
        trial("what_a_rule_refuses_is_never_advised", advises_no_danger),
        trial("what_would_contradict_another_option_is_no_plain_fix", writes_no_contradiction),
        trial("what_it_wrote_passes_and_stays", what_it_wrote_passes),
        trial("touches_nothing_but_the_tokens_concerned", touches_only_tokens),
        trial("shows_a_diff_and_changes_nothing", shows_a_diff),
        trial("a_diff_speaks_of_the_file_as_it_is", speaks_of_the_file),
        trial("places_are_those_of_the_file_as_it_is_now", speaks_of_the_file_as_it_is_now),
        trial("what_goes_with_an_option_is_said", says_what_goes_with_it),
        trial("what_a_flag_mends_needs_no_hand", counts_what_a_flag_mends),
        trial("a_value_of_ro_or_rw_is_left", leaves_a_value_of_ro),
        trial("what_is_written_in_another_form_is_said", says_what_it_wrote_otherwise),
        trial("writes_in_one_step_with_the_same_permissions", writes_in_one_step),
        trial("leaves_what_it_cannot_read_and_says_so", leaves_what_it_cannot_read),
        trial("only_bg_is_replaced_where_an_existing_object_cannot_change", immutable),
        trial("repairs_the_volumes_beside_one_that_it_leaves", repairs_the_others),
        trial("says_why_options_that_nothing_reads_stay", says_why_options_stay_lost),
        trial("keeps_the_quotes_of_an_option", keeps_quotes_of_an_option),
        trial("writes_options_in_the_form_that_the_schema_takes", writes_options_as_the_schema_takes_them),
    ]
}

fn fixed(text: &str) -> String {
    let output = pipe(&["fix", "-"], text.as_bytes());
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
    stdout(&output)
}

/// One volume in many styles: each must pass once it is fixed, with the same
/// options, and a second fix must change nothing.
fn what_it_wrote_passes() -> Result<(), Failed> {
    let head = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\nspec:\n";
    let tail = "  accessModes: [ReadWriteMany]\n  nfs: {server: a, path: /}\n";
    let mut texts: Vec<String> = [
        "  mountOptions: [hard, bg, nfsvers=4.1]\n",
        "  mountOptions: ['hard', \"bg\", nfsvers=4.1]   # c\n",
        "  mountOptions:\n  - hard\n  - bg # c\n\n  # d\n  - nfsvers=4.1\n",
        "  mountOptions:\n      - hard\n      - bg\n      - nfsvers=4.1\n",
        "  mountOptions:\n  - 'hard,bg'\n  - nfsvers=4.1\n",
        "  mountOptions:\n  - >-\n    hard,bg\n  - nfsvers=4.1\n",
        "  mountOptions:\n  - |-\n    bg\n  - nfsvers=4.1\n",
        "  mountOptions: [\n    hard,  # one\n    bg,    # two\n    nfsvers=4.1,  # three\n  ]\n",
        "  mountOptions: [\n    hard,\n    bg\n  ]\n",
        "  mountOptions: [bg]\n",
        "  mountOptions: []\n",
        "  mountOptions:\n",
        "  mountOptions: ~\n",
        "  mountOptions:\n  - \"\\x62g\"\n",
        "  mountOptions:\n  - |\n    bg\n",
        "  mountOptions:\n  - |\n    hard\n  - >  # why\n    bg\n  - nfsvers=4.1\n",
        "  mountOptions:\n  - |+\n    bg\n\n\n  - nfsvers=4.1\n",
        "  mountOptions:\n  - >\n    bg,\n    hard,nfsvers=4.1\n  - noatime\n",
        "  mountOptions: [&a intr, nfsvers=4.1, *a, *a]\n",
        "  mountOptions:\n  - &a intr # one\n  - nfsvers=4.1\n  - *a # two\n",
        "  mountOptions: [&a bg, nfsvers=4.1, *a]\n",
        "",
    ]
    .iter()
    .map(|options| format!("{head}{options}{tail}"))
    .collect();
    let crlf: Vec<String> = texts.iter().map(|text| text.replace('\n', "\r\n")).collect();
    texts.extend(crlf);
    let unended: Vec<String> =
        texts.iter().map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).collect();
    texts.extend(unended);
    let shared = "  mountOptions: &o\n  - bg\n  - nfsvers=4.1\n";
    texts.push(format!("{head}{shared}{tail}").replace("apiVersion", "---\napiVersion"));
    texts.push(
        "kind: List\napiVersion: v1\nitems:\n- &v\n  apiVersion: v1\n  kind: PersistentVolume\n  metadata: {name: v}\n  \
         spec:\n    mountOptions:\n    - bg\n    nfs: {server: a, path: /}\n- *v\n"
            .to_owned(),
    );
    texts.push(fs::read_to_string(fixture("list.json"))?);
    texts.push(fs::read_to_string(fixture("list.json"))?.replace([' ', '\n'], ""));
    for text in texts {
        let new = fixed(&text);
        let output = pipe(&["check", "-"], new.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{text}\n{new}\n{}", stdout(&output));
        assert_eq!(fixed(&new), new, "{text}");
        assert_eq!(text.contains("\r\n"), new.contains("\r\n"), "{new}");
        assert!(!new.replace("\r\n", "").contains('\r'), "{new}");
        assert_eq!(text.ends_with('\n'), new.ends_with('\n'), "{text}\n{new}");
    }
    Ok(())
}

fn touches_only_tokens() -> Result<(), Failed> {
    let before = fs::read_to_string(fixture("styles.yaml"))?;
    let expected = fs::read_to_string(fixture("styles.fixed.yaml"))?;
    assert_eq!(fixed(&before), expected);
    let marked = format!("\u{feff}{before}");
    assert_eq!(fixed(&marked), format!("\u{feff}{expected}"));
    let good = fs::read_to_string(fixture("good.yaml"))?;
    assert_eq!(fixed(&good), good);
    Ok(())
}

fn shows_a_diff() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("bad.yaml");
    fs::copy(fixture("bad.yaml"), &file)?;
    let name = file.display().to_string();
    let output = run(&["fix", "--diff", &name]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("\n-mountOptions: [x-é, 'hard,bg', "), "{}", stdout(&output));
    assert_eq!(fs::read(&file)?, fs::read(fixture("bad.yaml"))?);
    Ok(())
}

/// The file is not changed, so its lines are those that a reader opens.
fn speaks_of_the_file() -> Result<(), Failed> {
    let volume = |options: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  nfs: {{server: s, path: /e}}\n  mountOptions:{options}"
        )
    };
    let text = volume("\n  - intr\n  - nofail\n  - bg\n  - foozle\n  - fg\n")
        + "---\n"
        + &volume(" [intr, bg, fg, frozen]\n");
    let folder = TempDir::new()?;
    let file = folder.path().join("a.yaml");
    fs::write(&file, &text)?;
    let name = file.display().to_string();
    let would = String::from_utf8(run(&["fix", "--diff", "--no-policy", &name]).stderr)?;
    for (line, column) in [(10, 5), (18, 32)] {
        assert!(
            would.contains(&format!("{name}:{line}:{column}: deny NMG011")),
            "{line}:{column} in {would}"
        );
    }
    assert!(would.contains("18 |   mountOptions: [intr, bg, fg, frozen]"), "{would}");
    let did = String::from_utf8(run(&["fix", "--no-policy", &name]).stderr)?;
    let new = fs::read_to_string(&file)?;
    let line = new.lines().position(|line| line.contains("foozle")).expect("the unknown option") + 1;
    assert!(line < 10 && did.contains(&format!("{name}:{line}:5: deny NMG011")), "{did}");
    Ok(())
}

/// A comment that speaks of an option goes with it, and is quoted.
fn says_what_goes_with_it() -> Result<(), Failed> {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nspec:\n  nfs: {server: s, path: /e}\n  mountOptions:\n  # stays\n  - fg\n  # may be interrupted\n  - intr\n  - nofail # or not\n  - timeo=600 # stays\n  - retrans=2\n";
    let output = pipe(&["fix", "-", "--no-policy"], text.as_bytes());
    let said = String::from_utf8(output.stderr.clone())?;
    assert!(
        said.contains("-intr, -nofail, without the comments \"# may be interrupted\", \"# or not\""),
        "{said}"
    );
    let new = stdout(&output);
    assert_eq!(new.matches("# stays").count(), 2, "{new}");
    let plain = text.replace("  # may be interrupted\n", "").replace(" # or not", "");
    let said = String::from_utf8(pipe(&["fix", "-", "--no-policy"], plain.as_bytes()).stderr)?;
    assert!(said.contains("-intr, -nofail\n"), "{said}");
    Ok(())
}

/// mount(8) of util-linux 2.38 takes `ro,rw=1` and `ro=1,rw` for read-only: what was
/// protected stays so.
fn leaves_a_value_of_ro() -> Result<(), Failed> {
    for options in ["[ro, 'rw=1', fg, timeo=600, retrans=2]", "['ro=1', rw, fg, timeo=600, retrans=2]"] {
        for provisioner in ["nfs.csi.k8s.io", "kubernetes.io/no-provisioner"] {
            let text = format!(
                "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: {provisioner}\nreclaimPolicy: Retain\nmountOptions: {options}\n"
            );
            for flags in [&["fix", "-", "--no-policy"][..], &["fix", "-", "--no-policy", "--unsafe-fixes"]] {
                assert_eq!(stdout(&pipe(flags, text.as_bytes())), text);
            }
        }
        let volume = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  nfs: {{server: s, path: /e}}\n  mountOptions: {options}\n"
        );
        assert_eq!(stdout(&pipe(&["fix", "-", "--no-policy"], volume.as_bytes())), volume);
        let said = stdout(&pipe(&["explain", "-f", "-"], volume.as_bytes()));
        assert!(said.contains("the winner depends on mount(8)"), "{said}");
    }
    Ok(())
}

/// Options in a form that the schema does not take are named where they are rewritten.
fn says_what_it_wrote_otherwise() -> Result<(), Failed> {
    let end = "fg, timeo=600, retrans=2";
    for (options, new, word) in [
        (format!("[{{nfsvers: 4.1}}, {end}]"), "[nfsvers=4.1, fg,", "{nfsvers: 4.1} -> nfsvers=4.1"),
        (format!("[[hard, bg], {end}]"), "[hard, fg, timeo", "[hard, bg] -> hard, bg, -bg"),
        (
            "{hard: true, nfsvers: 4.1}".to_owned(),
            "[hard, nfsvers=4.1, fg,",
            "{hard: true, nfsvers: 4.1} -> [hard,",
        ),
        ("'[proto=tcp port=2049]'".to_owned(), "[proto=tcp, port=2049, fg,", "'[proto=tcp port=2049]' -> ["),
        ("'-o hard,bg'".to_owned(), "[hard, fg,", "'-o hard,bg' -> [hard, bg], bg -> fg"),
        ("\"- hard\\n- bg\\n\"".to_owned(), "[\"hard\", \"fg\",", "-> [\"hard\", \"bg\"], bg -> fg"),
        ("nfsvers=4,1".to_owned(), "[nfsvers=4.1, fg,", "nfsvers=4,1 -> [nfsvers=4.1]"),
    ] {
        let text = format!(
            "# first\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  nfs: {{server: s, path: /e}}\n  mountOptions: {options}\n"
        );
        let output = pipe(&["fix", "-", "--no-policy"], text.as_bytes());
        let said = String::from_utf8(output.stderr.clone())?;
        let line = said.lines().find(|line| line.contains("in PersistentVolume/a: ")).ok_or(said.clone())?;
        assert!(line.starts_with("<stdin>:2: fixed ") && line.contains(word), "{line}");
        assert!(stdout(&output).contains(&format!("mountOptions: {new}")), "{}", stdout(&output));
        assert_eq!(said.matches("fixed ").count(), 1, "{said}");
    }
    Ok(())
}

/// The last line counts for a person only what is left to one.
fn counts_what_a_flag_mends() -> Result<(), Failed> {
    let text = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nreclaimPolicy: Retain\nparameters:\n  server: s\n  share: /x\n  mountOptions: nfsvers=4.1\nmountOptions: [fg, timeo=600, retrans=2, WORD]\n";
    for (word, wanted) in [
        ("hard", "0 objects in 0 files changed, 1 fix needs --unsafe-fixes\n"),
        ("foozle", "0 objects in 0 files changed, 2 problems need changes by hand\n"),
    ] {
        let output = pipe(&["fix", "-", "--no-policy"], text.replace("WORD", word).as_bytes());
        let said = String::from_utf8(output.stderr)?;
        assert!(said.ends_with(wanted), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
    // An attribute is immutable, and only a bg is replaced there without the flag.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  volumes:\n  - name: v\n    csi:\n      \
               driver: nfs.csi.k8s.io\n      volumeAttributes: {server: s, share: /x, mountOptions: \"hard,bg\\n\"}\n";
    let said = String::from_utf8(pipe(&["fix", "-", "--no-policy"], pod.as_bytes()).stderr)?;
    assert!(said.ends_with("changed, 2 warnings left, 1 fix needs --unsafe-fixes\n"), "{said}");
    let output = pipe(&["fix", "-", "--no-policy", "--unsafe-fixes"], pod.as_bytes());
    assert!(stdout(&output).contains("mountOptions: \"hard,fg\""), "{}", stdout(&output));
    let report = stdout(&pipe(&["check", "-", "--no-policy", "--format", "json"], pod.as_bytes()));
    let report: Value = serde_json::from_str(&report)?;
    let findings = report["subjects"][0]["findings"].as_array().ok_or("findings")?;
    let of_rule = findings.iter().find(|finding| finding["code"] == "NMG009").ok_or("NMG009")?;
    assert_eq!(of_rule["fix"], "unsafe", "as fix does it");
    Ok(())
}

/// After it has written, every place is one of the file as it is now.
fn speaks_of_the_file_as_it_is_now() -> Result<(), Failed> {
    let class = |name: &str, options: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\n\
             provisioner: nfs.csi.k8s.io\n{options}\n"
        )
    };
    let text = [
        class("a", "mountOptions:\n- hard,bg"),
        class("b", "mountOptions: true"),
        class("c", "mountOptions: [fg, timeo=600, retrans=2, sloppy]"),
        class("d", "mountOptions: [hard, bg]"),
    ]
    .join("---\n");
    let folder = TempDir::new()?;
    let file = folder.path().join("a.yaml");
    fs::write(&file, &text)?;
    let name = file.display().to_string();
    let output = run(&["fix", "--no-policy", &name]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr)?;
    let new = fs::read_to_string(&file)?;
    let line = |part: &str| new.lines().position(|line| line.contains(part)).expect(part) + 1;
    for place in [
        format!("{name}:{}:15: StorageClass/b", line("true")),
        format!("{name}:{}:42: deny NMG014", line("sloppy")),
        format!("{name}:{}: fixed NMG001, NMG003, NMG004 in StorageClass/d", line("name: d") - 2),
    ] {
        assert!(said.contains(&place), "{place}\n{said}\n{new}");
    }
    // The same is said of the file as it was, where it stays so.
    fs::write(&file, &text)?;
    let said = String::from_utf8(run(&["fix", "--no-policy", "--diff", &name]).stderr)?;
    let line = text.lines().position(|line| line.contains("true")).expect("the line") + 1;
    assert!(said.contains(&format!("{name}:{line}:15: StorageClass/b")), "{said}");
    Ok(())
}

fn writes_in_one_step() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("styles.yaml");
    let link = folder.path().join("link.yaml");
    fs::copy(fixture("styles.yaml"), &file)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640))?;
    std::os::unix::fs::symlink("styles.yaml", &link)?;
    run(&["fix", &link.display().to_string()]);
    assert_eq!(fs::read(&file)?, fs::read(fixture("styles.fixed.yaml"))?);
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o640);
    assert!(link.is_symlink());
    assert_eq!(fs::read_dir(folder.path())?.count(), 2, "nothing is left behind");
    Ok(())
}

/// A bad document keeps its bytes, and the others are repaired, also those after
/// it.
fn leaves_what_it_cannot_read() -> Result<(), Failed> {
    let class = |name: &str, options: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\nprovisioner: \
             nfs.csi.k8s.io\nmountOptions: {options}\n"
        )
    };
    let good = "[fg, timeo=600, retrans=2]";
    let folder = TempDir::new()?;
    let file = folder.path().join("broken.yaml");
    for (bad, line, column) in [("[4.1, hard]", 11, 16), ("[hard", 12, 1), ("{a: b, ? [", 12, 1)] {
        let text =
            |options: &str| [class("one", options), class("bad", bad), class("two", options)].join("---\n");
        fs::write(&file, text("[bg]"))?;
        let name = file.display().to_string();
        let output = run(&["fix", &name]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{bad}: {said}");
        assert!(said.contains(&format!("broken.yaml:{line}:{column}: ")), "{bad}: {said}");
        assert!(said.contains("2 objects in 1 file changed, 1 left as it is"), "{bad}: {said}");
        assert_eq!(fs::read_to_string(&file)?, text(good), "{bad}");
    }
    Ok(())
}

/// A volume with these lines of its specification, or with one more at the top.
fn stray(top: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\n{top}spec:\n  accessModes: [ReadWriteMany]\n{spec}  capacity: {{storage: 1Gi}}\n"
    )
}

/// In every style the key goes away, the list gets its options, and nothing else
/// changes.
fn moves() -> Result<(), Failed> {
    let nfs = "  nfs: {server: 10.0.0.1, path: /}\n";
    let list = "  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]\n";
    let moved = stray("", &format!("{list}  # kept\n{nfs}"));
    let class = |more: &str, list: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: nfs.csi.k8s.io\n{list}reclaimPolicy: Retain\n{more}"
        )
    };
    let class_list = "mountOptions:\n  - nfsvers=4.1\n  - hard\n  - fg\n  - timeo=600\n  - retrans=2\n";
    for (text, wanted) in [
        // A list beside where it belongs has the wrong name alone.
        (
            stray(
                "",
                &format!(
                    "  # kept\n  mountoptions:\n    - nfsvers=4.1 # four\n    - hard\n    - bg # why\n{nfs}"
                ),
            ),
            stray(
                "",
                &format!(
                    "  # kept\n  mountOptions:\n    - nfsvers=4.1 # four\n    - hard\n    - fg # why\n    - timeo=600\n    - \
                     retrans=2\n{nfs}"
                ),
            ),
        ),
        (
            stray("", &format!("  # kept\n{nfs}  'mountOption': [nfsvers=4.1, hard, bg] # c\n")),
            stray(
                "",
                &format!(
                    "  # kept\n{nfs}  'mountOptions': [nfsvers=4.1, hard, fg, timeo=600, retrans=2] # c\n"
                ),
            ),
        ),
        (stray("", &format!("  # kept\n{nfs}  options: 'nfsvers=4.1,hard,bg'\n")), moved.clone()),
        (stray("", &format!("  # kept\n{nfs}  mountoptions: >-\n    nfsvers=4.1,hard,bg\n")), moved.clone()),
        (stray("mountOptions: [nfsvers=4.1, hard]\n", &format!("  # kept\n{nfs}")), moved.clone()),
        (
            stray("", "  # kept\n  nfs: {server: 10.0.0.1, mountOptions: \"nfsvers=4.1,hard\", path: /}\n"),
            moved.clone(),
        ),
        (
            stray(
                "",
                "  mountOptions: [hard]\n  # kept\n  nfs: {server: 10.0.0.1, path: /, mountOptions: [nfsvers=4.1, hard]}\n",
            ),
            moved.replace("nfsvers=4.1, hard,", "hard, nfsvers=4.1,"),
        ),
        (
            class("mountOption: [nfsvers=4.1, hard]\n", ""),
            class("mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]\n", ""),
        ),
        (class("spec: {mountOptions: [nfsvers=4.1, hard]}\n", ""), class("", class_list)),
        (class("spec:\n  mountOptions:\n  - nfsvers=4.1\n  - hard\n", ""), class("", class_list)),
    ] {
        for (text, wanted) in
            [(text.clone(), wanted.clone()), (text.replace('\n', "\r\n"), wanted.replace('\n', "\r\n"))]
        {
            let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
            assert_eq!(stdout(&output), wanted, "{text}");
            let again = pipe(&["fix", "--no-policy", "-"], wanted.as_bytes());
            assert_eq!(stdout(&again), wanted, "twice: {text}");
        }
        let report = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
        let report: Value = serde_json::from_slice(&report.stdout)?;
        let findings = report["subjects"][0]["findings"].as_array().ok_or("findings")?;
        let of_rule = findings.iter().find(|finding| finding["code"] == "NMG020").ok_or("NMG020")?;
        assert_eq!(of_rule["fix"], "offer", "{text}");
    }
    let json = r#"{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"a"},"mountOptions":["nfsvers=4.1"],"spec":{"accessModes":["ReadWriteMany"],"nfs":{"server":"10.0.0.1","path":"/"}}}"#;
    let fixed: Value = serde_json::from_slice(&pipe(&["fix", "--no-policy", "-"], json.as_bytes()).stdout)?;
    assert_eq!(fixed["spec"]["mountOptions"], json!(["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]));
    assert!(fixed.get("mountOptions").is_none(), "{fixed}");
    Ok(())
}

/// Nothing is copied if the place is not certain, or if a comment would be lost.
fn moves_nothing() -> Result<(), Failed> {
    let nfs = "  nfs: {server: 10.0.0.1, path: /}\n";
    let full = "  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]\n";
    let csi = "  csi: {driver: storage.example.com, volumeHandle: a}\n";
    for text in [
        // Another value is there already.
        stray("options: [timeo=100]\n", &format!("{full}{nfs}")),
        // Two of them.
        stray("options: [noatime]\n", &format!("{full}{nfs}  mountoptions: [nosuid]\n")),
        // A comment would go away with it.
        stray("", &format!("{full}{nfs}  mountoptions:\n  # why\n  - noatime\n")),
        stray("", &format!("{full}{nfs}  mountoptions: [noatime] # why\n")),
        // It is contradicted by what is in force.
        stray("options: [soft]\n", &format!("{full}{nfs}")),
        stray("options: [vers=3]\n", &format!("{full}{nfs}")),
        // A mount option in effect would change its meaning.
        stray("mountOptions: [users]\n", &format!("{full}{nfs}")).replace("hard,", "exec, suid,"),
        stray("mountOptions: [remount]\n", &format!("{full}{nfs}")),
        // Another controller may read it.
        stray("", &format!("{full}{nfs}"))
            .replace("{name: a}", "{name: a, annotations: {x/mountOptions: noatime}}"),
        // Something else reads the document's values.
        stray("extra: &a {b: c}\nmore: *a\n", &format!("{full}{nfs}  mountoptions: [noatime]\n")),
        // The object does not show whether it is NFS.
        stray("", &format!("{full}{csi}  mountoptions: [noatime]\n")),
    ] {
        let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
        assert_eq!(stdout(&output), text);
        let said = stdout(&pipe(&["check", "--no-policy", "-"], text.as_bytes()));
        assert!(said.contains("NMG020 unread-options"), "{text}{said}");
    }
    Ok(())
}

/// A remedy names the place from which options are taken, and nothing that has a fault.
fn says_where_lost_options_belong() -> Result<(), Failed> {
    let nfs = "  nfs: {server: 10.0.0.1, path: /, mountOptions: [nconnect=4]}\n";
    let annotated = |list: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: a\n  annotations:\n    \
             volume.beta.kubernetes.io/mount-options: fg,timeo=600,retrans=2\nspec:\n{list}{nfs}"
        )
    };
    for (text, remedy) in [
        (stray("", nfs), "; add nconnect=4 to spec.mountOptions\n"),
        (stray("", &format!("  mountOptions: [hrad]\n{nfs}")), "; use spec.mountOptions\n"),
        (
            stray("", &format!("  mountOptions: [nconnect=4]\n{nfs}")),
            "; delete it: spec.mountOptions lacks none of its options\n",
        ),
        (
            annotated(""),
            "; add nconnect=4 to the annotation; fix does not move it: the annotation replaces the list\n",
        ),
        (
            annotated("  mountOptions: [hard]\n"),
            "; add nconnect=4 to the annotation; fix does not move it: the annotation replaces the list\n",
        ),
    ] {
        let said = stdout(&pipe(&["check", "--no-policy", "-"], text.as_bytes()));
        assert!(said.contains(&format!("so its options are lost{remedy}")), "{remedy}{said}");
    }
    Ok(())
}

/// A person decides between two options that would contradict each other once one of them is
/// written right.
fn writes_no_contradiction() -> Result<(), Failed> {
    for (list, left) in [
        ("[nfsvers=4.1, hard, soft=1]", "soft=1"),
        ("[nfsvers=4.1, hard, sof]", "sof"),
        ("[nfsvers=4.1, hard, ' soft']", "' soft'"),
        ("[nfsvers=4.1, timeo=100, timeo=60s]", "timeo=60s"),
    ] {
        let text = stray("", &format!("  mountOptions: {list}\n  nfs: {{server: 10.0.0.1, path: /}}\n"));
        let fixed = stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes()));
        let kept = list.trim_end_matches(']');
        assert!(fixed.contains(kept) && kept.ends_with(left), "{list}: {fixed}");
        let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
        assert!(!stdout(&output).contains(&format!("{kept},")), "{}", stdout(&output));
    }
    Ok(())
}

/// A refused value is not turned into one that a rule refuses, or into a soft mount.
fn advises_no_danger() -> Result<(), Failed> {
    for word in [
        "mounthos=1.2.3.4", "MOUNTHOST=1.2.3.4", "Addr=1.2.3.4", "Bind", "Helper=x", "proto=UDP", "slopy",
        "UDP",
    ] {
        let list = format!("  mountOptions: [vers=3, nolock, fg, timeo=600, retrans=2, {word}]\n");
        let text = stray("", &format!("{list}  nfs: {{server: 10.0.0.1, path: /}}\n"));
        for flags in [&["fix", "--no-policy", "-"][..], &["fix", "--no-policy", "--unsafe-fixes", "-"]] {
            assert!(stdout(&pipe(flags, text.as_bytes())).contains(&list), "{word}");
        }
        let said = stdout(&pipe(&["check", "--no-policy", "-"], text.as_bytes()));
        assert!(!said.contains("did you mean") && !said.contains("; use "), "{said}");
    }
    let list = "  mountOptions: [nfsvers=4.1, fg, timeo=600, retrans=2, Softerr]\n";
    let text = stray("", &format!("{list}  nfs: {{server: 10.0.0.1, path: /}}\n"));
    assert!(stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes())).contains(list));
    Ok(())
}

/// Parameters and attributes: `bg` is replaced, which is said, and nothing is added; a
/// template can be changed.
fn immutable() -> Result<(), Failed> {
    let note = " (immutable: delete and recreate an existing object)";
    let of_volume = " (immutable: delete and recreate an existing object; set its persistentVolumeReclaimPolicy to \
Retain first)";
    let attributes = "volumeAttributes: {server: s, share: /, mountOptions: 'nfsvers=4.1,bg'}";
    let volume = format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  capacity: {{storage: 1Gi}}\n  accessModes: [ReadWriteMany]\n  mountOptions: [fg, timeo=600, retrans=2]\n  csi: {{driver: nfs.csi.k8s.io, volumeHandle: h, {attributes}}}\n"
    );
    let pod = format!(
        "containers: [{{name: c, image: i}}], volumes: [{{name: v, csi: {{driver: nfs.csi.k8s.io, {attributes}}}}}]"
    );
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: pxd.portworx.com\nparameters: {sharedv4: 'true', sharedv4_mount_options: 'vers=3,bg'}\n".to_owned();
    for (text, note) in [
        (volume, of_volume),
        (class, note),
        (format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{pod}}}\n"), note),
        (
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{selector: {{}}, template: {{spec: {{{pod}}}}}}}\n"
            ),
            "",
        ),
    ] {
        let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
        assert_eq!(stdout(&output), text.replace(",bg'", ",fg'"), "{text}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&format!(": bg -> fg{note}\n")), "{said}");
        let report: Value = serde_json::from_slice(
            &pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes()).stdout,
        )?;
        let findings = report["subjects"][0]["findings"].as_array().ok_or("findings")?;
        let found = findings.iter().find(|finding| finding["code"] == "NMG001").ok_or("NMG001")?;
        // The webhook never patches it.
        assert_eq!(found["fix"], "offer", "{found}");
    }
    Ok(())
}

/// Each volume of an object is one subject: what keeps one from being repaired keeps
/// none of the others, and is said of that one alone.
fn repairs_the_others() -> Result<(), Failed> {
    let volume = |name: &str, options: &str| {
        format!(
            "  - name: {name}\n    csi:\n      driver: nfs.csi.k8s.io\n      volumeAttributes:\n        server: a\n        \
             share: /x\n        mountOptions: {options}\n"
        )
    };
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{{name: c, image: i}}]\n  volumes:\n{}{}{}metadata:\n  \
         name: p\n  annotations: {{note: *shared}}\n",
        volume("first", "'bg,nfsvers=4.1'"),
        volume("second", "&shared bg,hard"),
        volume("third", "\"nfsvers=4.1,bg,hard\" # kept"),
    );
    let output = pipe(&["fix", "-"], pod.as_bytes());
    let wanted = pod
        .replace("'bg,nfsvers=4.1'", "'fg,nfsvers=4.1'")
        .replace("\"nfsvers=4.1,bg,hard\" # kept", "\"nfsvers=4.1,fg,hard\" # kept");
    assert_eq!(stdout(&output), wanted);
    let errors = String::from_utf8(output.stderr)?;
    let left: Vec<&str> = errors.lines().filter(|line| line.contains("is left as it is")).collect();
    assert!(
        matches!(left.as_slice(), [line] if line.contains("Pod/p spec.volumes[1] is left as it is")),
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(3), "{errors}");
    Ok(())
}

/// A map in the place of an option, or a string in that of the list, can mean one thing
/// only; comments and the other elements stay.
fn writes_options_as_the_schema_takes_them() -> Result<(), Failed> {
    let class = |options: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: \
             nfs.csi.k8s.io\nmountOptions:{options}\n"
        )
    };
    for (options, wanted) in [
        (
            "\n- nfsvers: 4.1 # four\n- timeo: 600\n- retrans=2 # two\n- bg",
            "\n- nfsvers=4.1 # four\n- timeo=600\n- retrans=2 # two\n- fg",
        ),
        (
            "\n- nfsvers: 4.1\n- hard: # h\n- bg",
            "\n- nfsvers=4.1\n- hard # h\n- fg\n- timeo=600\n- retrans=2",
        ),
        (" [{nfsvers: 4.1}, fg, timeo=600, retrans=2]", " [nfsvers=4.1, fg, timeo=600, retrans=2]"),
        (" hard,bg # c", " [hard, fg, timeo=600, retrans=2] # c"),
        (" 'fg,timeo=600,retrans=2'", " [fg, timeo=600, retrans=2]"),
        ("\n- {nfsvers: 4.1, hard: }", "\n- nfsvers=4.1\n- hard\n- fg\n- timeo=600\n- retrans=2"),
        ("\n- [hard, fg]", "\n- hard\n- fg\n- timeo=600\n- retrans=2"),
    ] {
        // The others of the file are repaired, too, and what cannot be read stays.
        let good = class(" [bg]").replace("{name: a}", "{name: b}");
        let bad = class("\n- 4.1").replace("{name: a}", "{name: c}");
        let text = [class(options), good, bad.clone()].join("---\n");
        let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
        let fixed = class(" [fg, timeo=600, retrans=2]").replace("{name: a}", "{name: b}");
        assert_eq!(stdout(&output), [class(wanted), fixed, bad].join("---\n"), "{options}");
        let said = String::from_utf8(output.stderr)?;
        assert!(said.contains("2 objects in 1 file changed, 1 left as it is"), "{said}");
        assert_eq!(output.status.code(), Some(3), "{said}");
    }
    for options in [
        // The API server takes none of these, so the soft mount would be a new one.
        "\n- soft: true",
        " [{softerr: null}, fg]",
        " fg,soft",
        "\n- nfsvers: {a: b}",
        // One that is not repaired wholly is not touched.
        "\n- nfsvers: 4.1\n- timeo: 600\n  retrans: no",
        "\n- bg\n- ? bg\nreclaimPolicy: Retain",
        " [? bg, hard]",
        "\n- ? nfsvers\n  : 4.1\n- timeo: 0600",
        "\n- timeo: # six\n    600",
        " &m hard,bg\nx: *m",
    ] {
        let output = pipe(&["fix", "--no-policy", "-"], class(options).as_bytes());
        assert_eq!(stdout(&output), class(options));
        assert_eq!(output.status.code(), Some(3), "{options}");
    }
    Ok(())
}

/// The text between an option's own quotes is its value: `fix` writes the letters of `fg` and nothing else, in
/// every carrier that is one text and in every style of YAML.
fn keeps_quotes_of_an_option() -> Result<(), Failed> {
    let marked = r#"hard,context="a,bg""#;
    let styles = [
        marked.to_owned(),
        format!("'{marked}'"),
        format!("\"{}\"", marked.replace('"', "\\\"")),
        format!("|-\n        {marked}"),
        format!(">-\n        {marked}"),
    ];
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nspec:\n  accessModes: [ReadWriteMany]\n";
    let carriers = [
        (format!("{volume}  csi:\n    driver: a.example.com\n    volumeHandle: b\n    volumeAttributes:\n      "), "mountOptions"),
        (format!("{volume}  flexVolume:\n    driver: alicloud/nas\n    options:\n      "), "options"),
        ("apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: a.example.com\nparameters:\n  ".to_owned(), "nfsOptions"),
        ("apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: a}\ndriver: nfs.csi.k8s.io\nparameters:\n  ".to_owned(), "mountOptions"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  volumes:\n  - name: b\n    csi:\n      driver: nfs.csi.k8s.io\n      volumeAttributes:\n        ".to_owned(), "mountOptions"),
    ];
    for (before, key) in &carriers {
        for style in &styles {
            // Below its key, wherever that stands.
            let style = style.replace("\n        ", "\n              ");
            let text = format!("{before}{key}: {style} # kept\n");
            let text = if style.contains('\n') { text.replace(" # kept", "") } else { text };
            let expected = text.replace("bg", "fg");
            assert_eq!(fixed(&text), expected);
        }
    }
    let annotation = "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: a\n  annotations:\n    volume.beta.kubernetes.io/mount-options: 'hard,context=\"a,bg\"'\nspec:\n  accessModes: [ReadWriteMany]\n  nfs: {server: a, path: /}\n";
    assert_eq!(fixed(annotation), annotation.replace("bg", "fg"));
    Ok(())
}

/// Each place whose options stay is named with the reason.
fn says_why_options_stay_lost() -> Result<(), Failed> {
    let class = |list: &str, more: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a{more}\nprovisioner: nfs.csi.k8s.io\n\
parameters: {{server: a, share: /, onDelete: retain}}\nmountOptions: [{list}]\n"
        )
    };
    let good = "fg, timeo=600, retrans=2";
    let other = format!("hard, {good}");
    for (list, more, reason) in [
        (other.as_str(), "}\nspec: {mountOptions: [nconnect=4]}", "the list has other options"),
        (good, "}\nspec: {mountOptions: [ro]}", "\"ro\" may change what the mount does"),
        (good, "}\nspec: {mountOptions: [hard], options: 'nconnect=4'}", "several places hold options"),
        (good, ", annotations: {nfs-mount-options: hard}}", "another controller may read the annotation"),
    ] {
        let text = class(list, more);
        let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
        assert_eq!(stdout(&output), text);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(": left NMG020: "), "{said}");
        assert!(said.contains(&format!("; fix does not do so unasked: {reason}\n")), "{said}");
        let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
        assert_ne!(stdout(&output), text);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("left NMG020"), "{output:?}");
    }
    let text = class(&other, "}\nspec: {mountOptions: [soft]}");
    let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("left NMG020: ") && said.contains("; fix does not move it: "), "{said}");
    Ok(())
}
