//! Input in a form that no reader takes is reported with the form it should
//! have: options as maps, volumes with two sources, templates before rendering.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{command, pipe, stdout};

/// Tests of forms that cannot be read.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::forms::{name}"), test);
    vec![
        trial("shows_the_options_that_were_meant", shows_what_was_meant),
        trial("names_the_place_that_fix_names", names_one_place),
        trial("refuses_two_volume_sources", refuses_two_sources),
        trial("names_a_template_that_is_named", names_a_template),
        trial("a_list_that_is_empty_in_json_is_filled_as_json", fills_json),
    ]
}

/// The only error of a file, with its line and column.
fn error(manifest: &str) -> (String, Value) {
    let output = pipe(&["check", "-", "--no-policy", "--format", "json"], manifest.as_bytes());
    assert_eq!(output.status.code(), Some(3), "{manifest}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let error = &report["errors"][0];
    assert_eq!(report["errors"].as_array().map(Vec::len), Some(1), "{report}");
    (error["message"].as_str().expect("a message").to_owned(), json!([error["line"], error["column"]]))
}

fn shows_what_was_meant() -> Result<(), Failed> {
    for (options, words) in [
        (
            "mountOptions:\n- nfsvers: 4.1\n- hard",
            "mountOptions[0] must be a string, not a map; write nfsvers=4.1",
        ),
        ("mountOptions:\n- hard\n- timeo: 600\n", "[1] must be a string, not a map; write timeo=600"),
        ("mountOptions:\n- hard:\n", "not a map; write hard"),
        ("mountOptions:\n- nfsvers: $(VERSION)\n- hard", "not a map; write nfsvers=$(VERSION)"),
        ("mountOptions:\n- timeo: ${T}\n- hard", "not a map; write timeo=${T}"),
        ("mountOptions:\n- hard\n-\n- fg", "[1] must be a string, not null; remove the empty element"),
        ("mountOptions: {vers: 3, soft: }", "must be a list of strings, not a map; write [vers=3, soft]"),
        (
            "mountOptions: hard,bg",
            "must be a list of strings, not \"hard,bg\"; write [hard, fg], with fg for bg",
        ),
        ("mountOptions:\n- [soft, bg]", "write soft and fg as elements of their own, with fg for bg"),
        ("parameters: {mountOptions: [soft, {vers: 3}]}", "must be a string, not a list; write soft,vers=3"),
        ("mountOptions: {hard: true, bg: true}", "not a map; write [hard, fg], with fg for bg"),
        ("mountOptions: 'hard,bg,fg'", "; write [hard, fg], with fg for bg"),
        ("mountOptions: 'hard,foo'", "not \"hard,foo\"; write one option per element"),
        ("mountOptions: 'foo,bg'", "not \"foo,bg\"; write one option per element, with fg for bg"),
        ("mountOptions: true", "not true; write one option per element"),
        (
            "mountOptions: [hard, rsize=1,048,576]",
            "mountOptions[2] is the rest of \"rsize=1\", cut off by its comma; write rsize=1048576",
        ),
        (
            "mountOptions: [vers=4,1]",
            "mountOptions[1] is the rest of \"vers=4\", cut off by its comma; write vers=4.1",
        ),
        (
            "mountOptions: [port=2049, 20]",
            "[1] must be a string, not 20; no option is a number alone: write NAME=VALUE",
        ),
        ("mountOptions: [4.1]", "mountOptions[0] must be a string, not 4.1; write nfsvers=4.1"),
        (
            "mountOptions: [4.1, vers=3]",
            "not 4.1; keep one of nfsvers=4.1 and vers=3: only one version option is allowed",
        ),
        ("mountOptions: [4.1, vers=4.1]", "not 4.1; write one version: vers=4.1 is there already"),
        (
            "mountOptions:\n- nfsvers: 4.1\n- vers=3",
            "not a map; keep one of nfsvers=4.1 and vers=3: only one version option is allowed",
        ),
        ("mountOptions: '{{ .x }}'", "not \"{{ .x }}\"; write [\"{{ .x }}\"]"),
        ("mountOptions: timeo=60s,hard", "not \"timeo=60s,hard\"; write [timeo=600, hard]"),
        ("mountOptions: {timeo: 60s, rsize: 1M}", "not a map; write [timeo=600, rsize=1048576]"),
        ("mountOptions:\n- vers: v4.1", "not a map; write vers=4.1"),
        (
            "mountOptions: timeo=soon,hard",
            "write one option per element, and correct timeo=soon: the value is not a whole number (unit: 0.1 s)",
        ),
        (
            "mountOptions: vers=3,hard,nfsvers=4.1",
            "write one option per element; keep one of vers=3 and nfsvers=4.1: only one version option is allowed",
        ),
    ] {
        let class = "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
        let (message, _) = error(&format!("{class}{options}\n"));
        assert!(message.ends_with(words), "{words}: {message}");
    }
    // A field without options is not reported as options.
    for other in
        ["parameters: {share: {a: b}}", "parameters: {mountOptions: {a: {b: c}}}", "metadata: {name: [a]}"]
    {
        let (message, _) = error(&format!("kind: StorageClass\nprovisioner: a\n{other}\n"));
        assert!(!message.contains("; write"), "{message}");
    }
    Ok(())
}

/// Of several items in another form the one is named that has to be changed by hand, by both commands.
fn names_one_place() -> Result<(), Failed> {
    let class = "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
    for (options, place) in [
        ("mountOptions:\n- hard:\n- nfsvers: 4.10", "6:3"),
        ("mountOptions:\n- nfsvers: 4.10\n- hard:", "5:3"),
        ("mountOptions:\n- hard:\n- {sec: krb5}\n- &a {proto: tcp}", "7:6"),
        ("mountOptions: [nfsvers: 4.1, 20]", "4:30"),
    ] {
        let text = format!("{class}{options}\n");
        let check = pipe(&["check", "--no-policy", "-"], text.as_bytes());
        let fix = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
        let said = format!("<stdin>:{place}: ");
        let (check, fix) = (stdout(&check), String::from_utf8_lossy(&fix.stderr).into_owned());
        assert!(check.contains(&said) && fix.contains(&said), "{place}: {check}\n{fix}");
        assert!(fix.contains("; fix leaves it: "), "{fix}");
        assert_eq!(fix.matches("<stdin>:").count(), 1, "{fix}");
    }
    Ok(())
}

fn refuses_two_sources() -> Result<(), Failed> {
    let volume = |sources: &str| {
        format!("kind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  mountOptions: [bg]\n{sources}\n")
    };
    for (sources, line, named) in [
        ("  csi: {driver: a}\n  nfs: {server: b, path: /}", 6, "2 volume sources (nfs, csi)"),
        ("  nfs: {server: b, path: /}\n  hostPath: {path: /}", 6, "2 volume sources (nfs, hostPath)"),
        ("  local: {path: /}\n  rbd: {}\n  csi: {driver: a}", 6, "3 volume sources (csi, local, rbd)"),
    ] {
        let (message, place) = error(&volume(sources));
        assert!(message.starts_with("PersistentVolume/a: ") && message.contains(named), "{message}");
        assert_eq!(place, json!([line, 3]), "{message}");
    }
    let text = r#"{"kind":"PersistentVolume","metadata":{"name":"a"},"spec":{"nfs":{},"csi":{}}}"#;
    assert_eq!(error(text).1, json!([1, 69]));
    for one in ["  nfs: {server: b, path: /}", "  nfs: {server: b, path: /}\n  csi: null"] {
        let output = pipe(&["check", "-", "--no-policy"], volume(one).as_bytes());
        assert!(stdout(&output).contains("deny NMG001"), "{}", stdout(&output));
    }
    Ok(())
}

fn names_a_template() -> Result<(), Failed> {
    let class = "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
    let sentence = "looks like a Helm template; render it first: \
helm template CHART | nfs-mount-guard check -";
    let folder = tempfile::tempdir()?;
    for text in [
        format!("{{{{- if .Values.nfs }}}}\n{class}{{{{- end }}}}\n"),
        format!("{class}mountOptions:\n{{{{- range .Values.options }}}}\n- {{{{ . }}}}\n{{{{- end }}}}\n"),
        format!("{class}mountOptions:\n- {{{{ .Values.option }}}}\n"),
        class.replace("name: a", "name: {{ .Release.Name }}"),
    ] {
        assert_eq!(error(&text).0, sentence, "{text}");
        let file = folder.path().join("template.yaml");
        std::fs::write(&file, &text)?;
        let file = file.display().to_string();
        for args in
            [["check", file.as_str(), "--no-policy"], ["explain", "-f", &file], ["fix", "--diff", &file]]
        {
            let output = command(&args).output()?;
            let said = format!("{}{}", stdout(&output), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(3), "{args:?}: {said}");
            assert!(said.contains(sentence), "{args:?}: {said}");
        }
    }
    // Braces in quotes and comments are text.
    for text in
        [format!("{class}# {{{{ a }}}}\nmountOptions: [bg\n"), format!("{class}mountOptions: '{{{{a}}}}'\n")]
    {
        assert!(!error(&text).0.contains("Helm"), "{text}");
    }
    Ok(())
}

fn fills_json() -> Result<(), Failed> {
    for list in ["[]", "[ ]", "[\n  ]", "[\t]", "null"] {
        for (kind, rest) in [
            ("StorageClass", format!("\"provisioner\": \"nfs.csi.k8s.io\", \"mountOptions\": {list}")),
            (
                "PersistentVolume",
                format!(
                    "\"spec\": {{\"nfs\": {{\"server\": \"s\", \"path\": \"/\"}}, \"mountOptions\" : {list}}}"
                ),
            ),
        ] {
            let text = format!("{{\"kind\": \"{kind}\", \"metadata\": {{\"name\": \"a\"}}, {rest}}}");
            let fixed = stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes()));
            let value: Value = serde_json::from_str(&fixed)?;
            let options = value.pointer("/spec/mountOptions").unwrap_or(&value["mountOptions"]);
            assert!(options.as_array().is_some_and(|options| options.contains(&json!("fg"))), "{fixed}");
        }
    }
    Ok(())
}
