//! `review` answers a recorded AdmissionReview with the bytes of the webhook.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, block_on};
use crate::component::program;
use crate::guard::Guard;
use crate::objects::{class, csi_volume, nfs_volume};
use crate::program::review;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Tests of `review`.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("review::{name}"), test);
    vec![
        trial("answers_with_the_bytes_of_the_webhook", same_bytes),
        trial("shows_the_patch_and_the_object_after_it", patch_and_object),
        trial("is_for_jq_with_either_endpoint_and_with_both", json_layout),
        trial("ends_with_the_exit_code_that_is_promised", exit_codes),
        trial("names_what_is_no_review_and_what_reads_it", wrong_inputs),
        trial("reads_yaml_and_standard_input", yaml_and_stdin),
        trial("takes_policies_as_check_does", policies),
        trial("takes_objects_of_the_longest_size", large),
        trial("ends_with_its_code_when_nobody_reads_on", reader_gone),
        trial("obeys_nothing_that_a_review_says", hostile),
    ]
}

fn run_with(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program())
        .arg("review")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // A wrong use ends before it reads.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends")
}

fn answer(args: &[&str], input: &str) -> Value {
    let mut all = vec!["--no-policy", "--format", "json"];
    all.extend(args);
    let output = run_with(&all, input.as_bytes());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn update(object: &Value, old: &Value) -> String {
    let mut review: Value = serde_json::from_str(&review("u", "UPDATE", object)).expect("JSON");
    review["request"]["oldObject"] = old.clone();
    review.to_string()
}

/// Reviews of every kind of answer.
fn reviews() -> Vec<String> {
    let class = |options: &[&str]| class("c", "nfs.csi.k8s.io", options);
    let mut unreadable = class(&["fg"]);
    unreadable["mountOptions"] = json!("hard,bg");
    let mut reviews = vec![
        review("u", "CREATE", &class(&["bg"])),
        review("u", "CREATE", &class(&["fg", "timeo=600", "retrans=2", "nfsvers=4.1"])),
        review("u", "CREATE", &class(&["soft", "udp", "hard,bg", "", "no\u{7}such"])),
        review("u", "CREATE", &class(&[])),
        review("u", "DELETE", &class(&["bg"])),
        review("u", "CREATE", &unreadable),
        review("u", "CREATE", &nfs_volume("v", &["bg", "vers=3"])),
        review("u", "CREATE", &csi_volume("v", "ebs.csi.aws.com", &["bg"])),
        review("u", "CREATE", &json!({"kind": "ConfigMap", "metadata": {"name": "x"}})),
        review(
            "u",
            "CREATE",
            &json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [], "volumes": [{
                "name": "v", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": {
                    "server": "nas", "share": "/", "mountOptions": "hard,bg"}}}]}}),
        ),
        update(&class(&["bg"]), &class(&["bg"])),
        update(&class(&["bg"]), &class(&["fg"])),
        review("u", "CREATE", &class(&["bg"])).replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
    ];
    for entry in fs::read_dir(Path::new(ROOT).join("tests/attacks")).expect("attacks") {
        reviews.push(fs::read_to_string(entry.expect("an entry").path()).expect("a review"));
    }
    for file in ["examples/lost-volume.review.json", "tests/check/update.review.json"] {
        reviews.push(fs::read_to_string(Path::new(ROOT).join(file)).expect("a review"));
    }
    reviews
}

fn same_bytes() -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    let client = Client::new(guard.address, &guard.certs, "http/1.1");
    let (mut denied, mut patched) = (0, 0);
    for body in reviews() {
        for endpoint in ["mutate", "validate"] {
            let reply = block_on(client.post(&format!("/{endpoint}"), body.clone()))?;
            assert_eq!(reply.status, 200, "{body}");
            let output =
                run_with(&["--endpoint", endpoint, "--no-policy", "--format", "raw"], body.as_bytes());
            let (line, end) = output.stdout.split_at(output.stdout.len().saturating_sub(1));
            assert_eq!(String::from_utf8_lossy(line), String::from_utf8_lossy(&reply.body), "{body}");
            assert_eq!(end, b"\n");
            let response = &reply.json()["response"];
            let is_denied = response["allowed"] == false;
            assert_eq!(output.status.code(), Some(i32::from(is_denied)), "{body}");
            denied += usize::from(is_denied);
            patched += usize::from(response["patch"].is_string());
        }
    }
    assert!(denied > 5 && patched > 2, "{denied} denied, {patched} patched");
    Ok(())
}

fn patch_and_object() -> Result<(), Failed> {
    let body = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg", "nfsvers=4.1"]));
    let output = run_with(&["--no-policy"], body.as_bytes());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for words in [
        "/mutate allowed, patched (1 operation)\n",
        "  warning nfs-mount-guard wrote fg in place of bg",
        "  patch {\"op\":\"replace\",\"path\":\"/mountOptions\",\"value\":[\"fg\",\"nfsvers=4.1\",",
        "/validate allowed\n",
        "object after the patch\n{\n",
        "    \"fg\",\n    \"nfsvers=4.1\",\n    \"timeo=600\",\n    \"retrans=2\"\n",
        "response of /mutate\n{\"apiVersion\":\"admission.k8s.io/v1\"",
        "response of /validate\n{\"apiVersion\":\"admission.k8s.io/v1\"",
        "policy: standard@",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(!said.contains('\u{1b}'), "no colors in a pipe");
    let output = run_with(&["--no-policy", "--endpoint", "validate"], body.as_bytes());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("/validate denied (422 Invalid)\n"), "{said}");
    assert!(said.contains("  cause mountOptions[0]: NMG001 background-mount"), "{said}");
    assert!(said.contains("object, not patched\n"), "{said}");
    Ok(())
}

fn json_layout() -> Result<(), Failed> {
    let body = review("u-7", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]));
    let after = json!(["fg", "timeo=600", "retrans=2"]);
    let mutated = answer(&["--endpoint", "mutate"], &body);
    assert_eq!(mutated["kind"], "AdmissionReview");
    assert_eq!((&mutated["response"]["uid"], &mutated["response"]["allowed"]), (&json!("u-7"), &json!(true)));
    assert_eq!(mutated["patch"], json!([{"op": "replace", "path": "/mountOptions", "value": after}]));
    assert_eq!(mutated["object"]["mountOptions"], after);
    let validated = answer(&["--endpoint", "validate"], &body);
    assert_eq!(validated["response"]["allowed"], false);
    assert_eq!((&validated["patch"], &validated["object"]["mountOptions"]), (&Value::Null, &json!(["bg"])));
    let both = answer(&[], &body);
    assert_eq!(both["allowed"], true);
    assert_eq!(both["mutate"], mutated);
    assert_eq!(both["validate"]["object"], mutated["object"], "validate gets the object after the patch");
    assert_eq!(both["validate"]["response"]["allowed"], true);
    Ok(())
}

fn exit_codes() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let repaired = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]));
    let denied = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["fg", "udp"]));
    let policy = folder.path().join("policy.yaml").display().to_string();
    fs::write(&policy, "kind: MountPolicy\n")?;
    for (args, input, code) in [
        (vec!["--no-policy"], &repaired, 0),
        (vec!["--no-policy", "--endpoint", "mutate"], &repaired, 0),
        (vec!["--no-policy", "--endpoint", "validate"], &repaired, 1),
        (vec!["--no-policy"], &denied, 1),
        (vec!["--no-policy", "--endpoint", "mutate"], &denied, 0),
        (vec!["--endpoint", "both"], &denied, 2),
        (vec!["--format", "yaml"], &denied, 2),
        (vec!["--profile", "lenient"], &denied, 2),
        (vec!["--policy", &policy], &denied, 2),
        (vec!["a", "b"], &denied, 2),
        (vec!["--policy", "/nonexistent.yaml"], &denied, 3),
        (vec!["/nonexistent.json"], &denied, 3),
    ] {
        let output = run_with(&args, input.as_bytes());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    }
    Ok(())
}

fn wrong_inputs() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let good = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["fg"]));
    fs::write(at("closed.json"), &good)?;
    fs::set_permissions(at("closed.json"), fs::Permissions::from_mode(0o000))?;
    fs::write(at("two.jsonl"), format!("{good}\n{good}\n"))?;
    fs::write(at("class.yaml"), "kind: StorageClass\nmetadata: {name: shared}\n")?;
    fs::write(at("cut.json"), &good[..good.len() / 2])?;
    fs::write(at("utf16.json"), good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())?;
    fs::write(at("no-uid.json"), good.replace("\"uid\":\"u\"", "\"uid\":7"))?;
    fs::write(at("empty.json"), "")?;
    fs::write(at("response.json"), "{\"kind\": \"AdmissionReview\", \"response\": {\"uid\": \"u\"}}")?;
    let closed_is_read = fs::File::open(at("closed.json")).is_ok();
    for (name, words) in [
        ("closed.json", "closed.json: cannot be read: permission denied"),
        ("two.jsonl", "two.jsonl:2:1: a second document; a review is evaluated alone"),
        ("class.yaml", "is StorageClass/shared, not an AdmissionReview; nfs-mount-guard check reads it"),
        ("cut.json", "cut.json:1:"),
        ("utf16.json", "save text as UTF-8"),
        ("no-uid.json", "request.uid is missing, not a string"),
        ("empty.json", "is empty; give one AdmissionReview with a request"),
        ("response.json", "is the response of a webhook"),
        ("", "is a directory; give one file"),
        ("missing.json", "there is no such file"),
    ] {
        if name == "closed.json" && closed_is_read {
            // Root reads everything.
            continue;
        }
        let output = run_with(&[&at(name)], b"");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
        assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{name}: {said}");
    }
    let said = run_with(&[], b"").stderr;
    assert!(String::from_utf8_lossy(&said).contains("<stdin>: is empty"));
    Ok(())
}

fn yaml_and_stdin() -> Result<(), Failed> {
    let yaml = "# recorded by hand\napiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  uid: u\n  \
operation: CREATE\n  kind: {group: storage.k8s.io, version: v1, kind: StorageClass}\n  object:\n    \
kind: StorageClass\n    metadata: {name: a}\n    provisioner: nfs.csi.k8s.io\n    mountOptions: [bg]\n";
    for args in [&["-"][..], &[], &["/dev/stdin"]] {
        let said = answer(args, yaml);
        assert_eq!(said["mutate"]["object"]["mountOptions"][0], "fg", "{args:?}");
    }
    let marked = format!("\u{feff}{}", review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"])));
    assert_eq!(answer(&[], &marked)["allowed"], true);
    Ok(())
}

fn policies() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let body =
        review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["fg", "timeo=600", "retrans=2", "soft"]));
    fs::write(folder.path().join("review.json"), &body)?;
    let policy =
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nrules: {soft-mount: {action: deny}}\n";
    fs::write(folder.path().join("nfs-mount-guard.yaml"), policy)?;
    for (args, code) in [
        (vec!["review.json"], 1),
        (vec!["review.json", "--no-policy"], 0),
        (vec!["review.json", "--no-policy", "--profile", "strict"], 1),
        (vec!["review.json", "--ignore", "soft-mount"], 0),
    ] {
        let output = Command::new(program()).arg("review").args(&args).current_dir(folder.path()).output()?;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    }
    let output = Command::new(program())
        .args(["review", "review.json"])
        .env("NFS_MOUNT_GUARD_ENDPOINT", "mutate")
        .env("NFS_MOUNT_GUARD_REVIEW_FORMAT", "json")
        .current_dir(folder.path())
        .output()?;
    let said: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(said["kind"], "AdmissionReview", "the environment sets both flags");
    Ok(())
}

fn large() -> Result<(), Failed> {
    let mut object = class("c", "nfs.csi.k8s.io", &["bg"]);
    object["metadata"]["annotations"] = json!({"note": "\"".repeat(3 * 1024 * 1024)});
    let said = answer(&[], &update(&object, &object).replace("UPDATE", "CREATE"));
    assert_eq!(said["mutate"]["object"]["mountOptions"][0], "fg");
    let long = vec![b' '; 48 * 1024 * 1024 + 1];
    let output = run_with(&[], &long);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("is longer than 48 MiB, the limit"),
        "{output:?}"
    );
    Ok(())
}

fn hostile() -> Result<(), Failed> {
    for text in ["\u{1b}[31m", "\u{9b}31m", "\u{202e}gnp", "a\n::error::b", "##[error]c"] {
        let body = review("u", "CREATE", &class(text, "nfs.csi.k8s.io", &["bg", text]));
        for format in ["text", "json"] {
            let output = run_with(&["--no-policy", "--format", format], body.as_bytes());
            let shown = String::from_utf8(output.stdout)?;
            assert!(shown.len() > 300, "{shown}");
            let is_obeyed = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
            assert!(!shown.contains(is_obeyed), "{format} of {text:?}: {}", shown.escape_debug());
            assert!(!shown.contains("##["), "{shown}");
            assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown}");
        }
        let name = format!("{text}.json");
        let output = run_with(&[&name], b"");
        let said = String::from_utf8(output.stderr)?;
        assert!(!said.contains(|letter: char| letter != '\n' && letter.is_control()), "{said:?}");
    }
    Ok(())
}

/// A reader that went away changes no exit code.
fn reader_gone() -> Result<(), Failed> {
    let mut object = class("c", "nfs.csi.k8s.io", &["bg"]);
    object["metadata"]["annotations"] = json!({"note": "x".repeat(1024 * 1024)});
    let folder = TempDir::new()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("review.json"), review("u", "CREATE", &object))?;
    let many: Vec<Value> = (0..3000).map(|n| class(&format!("c{n}"), "nfs.csi.k8s.io", &["bg"])).collect();
    fs::write(at("list.json"), json!({"kind": "List", "items": many}).to_string())?;
    for (args, code) in [
        (vec!["review", "--no-policy", "--endpoint", "validate", "review.json"], 1),
        (vec!["review", "--no-policy", "review.json"], 0),
        (vec!["check", "--no-policy", "--format", "concise", "list.json"], 1),
        (vec!["check", "--no-policy", "list.json"], 1),
    ] {
        let mut child =
            Command::new(program()).args(&args).current_dir(folder.path()).stdout(Stdio::piped()).spawn()?;
        drop(child.stdout.take());
        assert_eq!(child.wait()?.code(), Some(code), "{args:?}");
    }
    Ok(())
}
