//! Checks the files that are read, those that are passed over, and those that cannot be read.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{actions, command, fixture, path, pipe, report, run, stdout};

/// Tests of the inputs.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::inputs::{name}"), test);
    vec![
        trial("reads_standard_input_under_a_name", reads_standard_input),
        trial("judges_what_stands_around_broken_documents", judges_around_a_break),
        trial("says_where_and_why_something_cannot_be_read", says_where_and_why),
        trial("finds_the_same_in_every_form_of_one_object", finds_the_same),
        trial("keeps_the_ratchet_of_a_recorded_update", keeps_the_ratchet),
        trial("passes_over_what_is_no_manifest_in_a_walk", passes_over),
        trial("judges_a_class_and_its_volumes_together", judges_together),
        trial("a_volume_of_ones_own_hides_what_its_class_has", judges_lists_together),
        trial("a_document_of_comments_is_counted", counts_comments),
        trial("stands_hostile_texts", stands_hostile_texts),
        trial("is_quiet_when_its_reader_goes_away", is_quiet_without_a_reader),
    ]
}

fn reads_standard_input() -> Result<(), Failed> {
    let bad = fs::read(fixture("bad.yaml"))?;
    let text = stdout(&pipe(&["check", "-"], &bad));
    assert!(text.contains("<stdin>:6:27: deny NMG001"), "{text}");
    let text = stdout(&pipe(&["check", "-", "--stdin-filename", "chart"], &bad));
    assert!(text.contains("chart:6:27: deny NMG001"), "{text}");
    Ok(())
}

fn judges_around_a_break() -> Result<(), Failed> {
    let report = report(&[&path("broken.yaml")]);
    assert_eq!(report["subjects"][0]["name"], json!("first"));
    assert!(actions(&report).contains(&("NMG001".to_owned(), "deny".to_owned())), "{report}");
    assert_eq!(report["summary"]["unreadable"], json!(1));
    let bad = fs::read_to_string(fixture("bad.yaml"))?;
    let text = format!("a: [1\n---\n{bad}---\na:\n\tb\n---\n{}", bad.replace("name: bad", "name: last"));
    let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        (&report["subjects"][0]["name"], &report["subjects"][1]["name"]),
        (&json!("bad"), &json!("last"))
    );
    assert_eq!(report["summary"]["unreadable"], json!(2));
    Ok(())
}

fn says_where_and_why() -> Result<(), Failed> {
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: nfs.csi.k8s.io\n";
    for (rest, line, column, words) in [
        ("mountOptions: bg\n", 5, 15, "mountOptions must be a list of strings, not \"bg\"; write [fg]"),
        ("mountOptions: [vers=3, 5, true]\n", 5, 24, "mountOptions[1]"),
        ("mountOptions: [on]\n", 5, 16, "put it in quotes"),
        ("mountOptions:\n- bg: 1\n", 6, 3, "mountOptions[0]"),
        ("parameters: {a: 3}\n", 5, 17, "parameters"),
        ("mountOptions: [fg]\nmountOptions: [bg]\n", 6, 1, "duplicate key mountOptions"),
        ("kind: ConfigMap\n", 5, 1, "duplicate key kind"),
        ("mountOptions: [fg\n", 6, 1, "is not YAML"),
        ("mountOptions: *nowhere\n", 5, 15, "is not YAML"),
    ] {
        let output = pipe(&["check", "-", "--format", "json"], format!("{class}{rest}").as_bytes());
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let error = &report["errors"][0];
        assert_eq!(output.status.code(), Some(3), "{rest}");
        assert_eq!(json!([error["line"], error["column"]]), json!([line, column]), "{rest}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{rest}: {error}");
    }
    Ok(())
}

/// The same class in every form a file may have.
fn finds_the_same() -> Result<(), Failed> {
    let head = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: nfs.csi.k8s.io\n";
    let json = "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":\"c\"},\"provisioner\":\"nfs.csi.k8s.io\",\"mountOptions\":[\"hard\",\"bg\",\"nfsvers=4.1\"]}";
    let mut results = Vec::new();
    for (form, line, column) in [
        (format!("{head}mountOptions:\n- hard\n- bg\n- nfsvers=4.1\n"), 7, 3),
        (format!("{head}mountOptions:\n    -   hard\n    -   'bg' # c\n    -   nfsvers=4.1"), 7, 10),
        (format!("{head}mountOptions: [hard, \"bg\", nfsvers=4.1]\n").replace('\n', "\r\n"), 5, 23),
        (format!("\u{feff}{head}mountOptions:\n- hard\n- >-\n  bg\n- nfsvers=4.1\n"), 8, 3),
        (format!("{head}mountOptions:\n- hard\n- |-\n   bg\n- nfsvers=4.1\n"), 8, 4),
        (format!("{head}mountOptions:\n- hard\n- \"\\x62g\"\n- nfsvers=4.1\n"), 7, 4),
        (format!("x: [\"é€😀\"]\nx2: &o bg\n{head}mountOptions: [hard, *o, nfsvers=4.1]\n"), 7, 22),
        (
            "---\n# KYAML\n{\n  apiVersion: \"storage.k8s.io/v1\", kind: \"StorageClass\",\n  metadata: {name: \"c\"}, provisioner: \"nfs.csi.k8s.io\",\n  mountOptions: [\n    \"hard\",\n    \"bg\",\n    \"nfsvers=4.1\",\n  ],\n}\n".to_owned(),
            8,
            6,
        ),
        (json.to_owned(), 1, 136),
        (format!("\n  {json}\n"), 2, 138),
        (format!("{{\"items\":[{json}],\"kind\":\"List\",\"apiVersion\":\"v1\"}}"), 1, 146),
        (
            "apiVersion: storage.k8s.io/v1\nkind: StorageClassList\nitems:\n- metadata: {name: c}\n  provisioner: nfs.csi.k8s.io\n  mountOptions: [hard, bg, nfsvers=4.1]\n".to_owned(),
            6,
            24,
        ),
    ] {
        let output = pipe(&["check", "-", "--format", "json"], form.as_bytes());
        let report: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(report["summary"]["judged"], json!(1), "{form}: {report}");
        let findings = report["subjects"][0]["findings"].as_array().expect("findings").clone();
        let background = findings.iter().find(|finding| finding["code"] == "NMG001").expect("NMG001");
        assert_eq!(json!([background["line"], background["column"]]), json!([line, column]), "{form}");
        let mut said: Vec<String> =
            findings.iter().map(|finding| format!("{} {}", finding["code"], finding["message"])).collect();
        said.sort();
        results.push(said);
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:#?}");
    Ok(())
}

fn keeps_the_ratchet() -> Result<(), Failed> {
    let update = path("update.review.json");
    let report = report(&[&update]);
    assert_eq!(report["subjects"][0]["decision"], json!("allow"));
    assert!(actions(&report).contains(&("NMG001".to_owned(), "warn".to_owned())), "{report}");
    let created = fs::read_to_string(&update)?.replace("\"UPDATE\"", "\"CREATE\"");
    assert_eq!(pipe(&["check", "-"], created.as_bytes()).status.code(), Some(1));
    let deleted = fs::read_to_string(&update)?.replace("\"UPDATE\"", "\"DELETE\"");
    let output = pipe(&["check", "-"], deleted.as_bytes());
    assert!(stdout(&output).contains("1 skipped"), "{}", stdout(&output));
    Ok(())
}

/// Options of a class do not reach a volume made by hand, and only the two together show it.
fn judges_together() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: shared}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [nfsvers=4.1, fg, timeo=600, retrans=2]\n";
    let volume = |more: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: v{more}}}\nspec:\n  storageClassName: shared\n  nfs: {{server: a, path: /}}\n"
        )
    };
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    let found = || {
        let path = folder.path().display().to_string();
        stdout(&run(&["check", "--no-policy", &path]))
            .contains("NMG020 unread-options: options of StorageClass/shared")
    };
    write("volume.yaml", &volume(""))?;
    assert!(!found(), "the class is not there");
    write("class.yaml", class)?;
    assert!(found());
    write("class.yaml", &class.replace("mountOptions", "# mountOptions"))?;
    assert!(!found(), "the class has none");
    write("class.yaml", class)?;
    write("volume.yaml", &volume(", annotations: {pv.kubernetes.io/provisioned-by: a.example.com/nfs}"))?;
    assert!(!found(), "a provisioner has copied what there was");
    write("volume.yaml", &volume(", annotations: {pv.kubernetes.io/provisioned-by: nfs.csi.k8s.io}"))?;
    assert!(found(), "a CSI driver makes no volume of spec.nfs");
    // The annotation names the class before the field does.
    let beta = ", annotations: {volume.beta.kubernetes.io/storage-class: shared}";
    write("volume.yaml", &volume(beta).replace("storageClassName: shared", "storageClassName: other"))?;
    assert!(found());
    let beta = ", annotations: {volume.beta.kubernetes.io/storage-class: other}";
    write("volume.yaml", &volume(beta))?;
    assert!(!found());
    Ok(())
}

/// A list of a volume's own hides that of its class.
fn judges_lists_together() -> Result<(), Failed> {
    let found = |of_class: &str, of_volume: &str| {
        let text = format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: shared}}\nprovisioner: nfs.csi.k8s.io\nmountOptions: {of_class}\n---\n\
apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: v}}\nspec: {{storageClassName: shared, nfs: {{server: a, path: /}}, mountOptions: {of_volume}}}\n"
        );
        let report = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
        let report: Value = serde_json::from_slice(&report.stdout).expect("a report");
        let findings = report["subjects"][1]["findings"].as_array().expect("findings").clone();
        let of_rule = findings.iter().find(|finding| finding["code"] == "NMG020");
        of_rule.map(|finding| finding["message"].as_str().unwrap_or_default().to_owned())
    };
    for (of_class, of_volume, named) in [
        ("[nfsvers=4.1, nconnect=8, bg]", "[nfsvers=4.1, hard]", Some("(bg, nconnect=8)")),
        ("['vers=4.1,timeo=100']", "[nfsvers=4.1, timeo=600]", Some("(timeo=100)")),
        ("[a, b, c, d, e, f]", "[hard]", Some("(a, b, c, d and 2 more)")),
        ("[bg]", "[]", Some("(bg among them)")),
        ("['vers=4.1,hard']", "[hard, nfsvers=4.1, fg]", None),
        ("[]", "[hard]", None),
    ] {
        let found = found(of_class, of_volume);
        assert_eq!(found.is_some(), named.is_some(), "{of_class} {of_volume}: {found:?}");
        assert!(found.unwrap_or_default().contains(named.unwrap_or_default()), "{of_class}");
    }
    Ok(())
}

/// Something may be commented out; a heading is none, and neither is what is empty.
fn counts_comments() -> Result<(), Failed> {
    let map = "apiVersion: v1\nkind: ConfigMap\n";
    for (text, empty) in [
        (format!("# license\n---\n{map}"), 0),
        (format!("---\n# license\n---\n{map}---\n"), 0),
        (format!("{map}---\n\n---\n{map}"), 0),
        (format!("{map}---\n# kind: StorageClass\n# mountOptions: [bg]\n"), 1),
        (format!("{map}---\n  # kind: A\n---\n{map}---\n# kind: B\n"), 2),
        ("# a\n---\n# b\n".to_owned(), 1),
        ("# kind: StorageClass\n".to_owned(), 1),
    ] {
        let text_of = stdout(&pipe(&["check", "--no-policy", "-"], text.as_bytes()));
        assert_eq!(text_of.contains(&format!("({empty} empty")), empty > 0, "{text}{text_of}");
        assert!(empty > 0 || !text_of.contains("empty"), "{text}{text_of}");
    }
    Ok(())
}

fn passes_over() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("chart/templates"))?;
    let bad = fs::read_to_string(fixture("bad.yaml"))?;
    fs::write(at("chart/Chart.yaml"), "apiVersion: v2\nname: chart\n")?;
    fs::write(at("chart/templates/class.yaml"), format!("{{{{- if .Values.x }}}}\n{bad}{{{{- end }}}}\n"))?;
    fs::write(at("template.yaml"), bad.replace("x-é", "{{ .Values.option }}"))?;
    fs::write(
        at("patch.yaml"),
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {mountOptions: [bg]}\n",
    )?;
    fs::write(at("bare.yaml"), "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\n")?;
    fs::write(at("broken.json"), "{\"a\": [1, }")?;
    fs::write(at("binary.yaml"), [0, 1, 2])?;
    fs::write(at("ignored.yaml"), &bad)?;
    fs::write(at(".gitignore"), "ignored.yaml\n")?;
    fs::write(at("notes.txt"), &bad)?;
    fs::write(at("good.yaml"), fs::read(fixture("good.yaml"))?)?;
    let folder = folder.path().display().to_string();
    let walked = run(&["check", &folder]);
    let text = stdout(&walked);
    assert_eq!(walked.status.code(), Some(0), "{text}");
    for words in [
        "1 judged",
        "2 Helm templates",
        "1 partial manifest)",
        "1 not judged: holds mount options",
        "2 no manifests",
        "0 unreadable",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    for (name, code) in
        [("patch.yaml", 1), ("ignored.yaml", 1), ("notes.txt", 1), ("binary.yaml", 3), ("broken.json", 3)]
    {
        assert_eq!(run(&["check", &format!("{folder}/{name}")]).status.code(), Some(code), "{name}");
    }
    let output = run(&["check", &format!("{folder}/*.yaml")]);
    assert!(stdout(&output).contains("1 judged"), "{}", stdout(&output));
    Ok(())
}

fn stands_hostile_texts() -> Result<(), Failed> {
    let nested_lists = "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[";
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]")?;
    }
    for text in [
        "- ".repeat(10_000),
        "[".repeat(10_000),
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{}{}", nested_lists.repeat(10_000), "]}".repeat(10_000)),
        bomb,
        "a: &a {b: [*a]}\n".to_owned(),
        "<<: &a {<<: *a}\n".to_owned(),
    ] {
        let output = pipe(&["check", "-"], text.as_bytes());
        let start: String = text.chars().take(40).collect();
        assert_eq!(output.status.code(), Some(3), "{start}: {}", stdout(&output));
    }
    Ok(())
}

/// The report is longer than a pipe keeps, so the program writes it when its reader is no longer there; what
/// it found it says by its exit code anyway.
fn is_quiet_without_a_reader() -> Result<(), Failed> {
    for (file, format, code) in [
        ("bad.yaml", "json", 1),
        ("bad.yaml", "text", 1),
        ("good.yaml", "json", 0),
        ("broken.yaml", "json", 3),
    ] {
        let folder = TempDir::new()?;
        for index in 0..300 {
            fs::copy(fixture(file), folder.path().join(format!("{index}.yaml")))?;
        }
        let name = folder.path().display().to_string();
        let args = ["check", "--no-policy", "--format", format, &name];
        assert!(
            run(&args).stdout.len() > 70_000 || file == "good.yaml",
            "{file} {format}: too short for this"
        );
        let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut said)?;
        assert_eq!((child.wait()?.code(), &*said), (Some(code), ""), "{file} {format}");
    }
    Ok(())
}
