//! Texts as editors hold them: encodings, line ends, changes, what cannot be read, and what
//! is long.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::client::{Editor, characters, whole};

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("lsp::{name}"), test);
    vec![
        trial("counts_as_the_editor_counts", counts_as_the_editor),
        trial("knows_every_line_end", knows_every_line_end),
        trial("reads_every_document_of_yaml_and_json", reads_every_document),
        trial("follows_changes", follows_changes),
        trial("underlines_where_reading_ends", underlines_where_reading_ends),
        trial("leaves_templates_and_other_files_alone", leaves_others_alone),
        trial("compares_the_objects_of_a_document", compares_objects),
        trial("bounds_what_is_long", bounds_what_is_long),
    ]
}

/// Code, line and first character of findings of one rule.
fn places(diagnostics: &[Value], code: &str) -> Vec<(u64, u64, u64)> {
    let of = |shown: &Value| {
        let place = |end: &str, part: &str| shown["range"][end][part].as_u64().expect("a number");
        (place("start", "line"), place("start", "character"), place("end", "character"))
    };
    diagnostics.iter().filter(|shown| shown["code"] == code).map(of).collect()
}

fn counts_as_the_editor() -> Result<(), Failed> {
    // 2, 3 and 4 bytes of UTF-8; one, one and two units of UTF-16.
    let class =
        "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [\"é€😀,bg\"]\n";
    for (offered, agreed, start) in [
        (json!(null), "utf-16", 21),
        (json!(["utf-16"]), "utf-16", 21),
        (json!(["utf-8", "utf-16"]), "utf-8", 26),
        (json!(["utf-32"]), "utf-32", 20),
        (json!(["utf-7"]), "utf-16", 21),
    ] {
        let mut editor = Editor::start("/".as_ref(), &["--no-policy"]);
        let can = editor.initialize(&json!({"general": {"positionEncodings": offered}}));
        assert_eq!(can["positionEncoding"], agreed, "{offered}");
        let shown = editor.open("file:///a.yaml", class);
        assert_eq!(places(&shown, "NMG001"), [(3, start, start + 2)], "{agreed}");
        let hover = editor.hover("file:///a.yaml", 3, start);
        assert_eq!(hover["range"]["start"]["character"], start, "{agreed}");
        let range =
            json!({"start": {"line": 3, "character": start}, "end": {"line": 3, "character": start + 2}});
        let shown = editor.change("file:///a.yaml", 2, &json!([{"range": range, "text": "fg"}]));
        assert_eq!(places(&shown, "NMG001"), [], "{agreed}");
        assert_eq!(places(&shown, "NMG011").len(), 1, "the rest is as it was");
    }
    Ok(())
}

fn knows_every_line_end() -> Result<(), Failed> {
    let mut editor = Editor::ready(&json!({}));
    let class =
        "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountOptions:\n- hard\n- bg\n";
    for (name, text) in [
        ("file:///unix.yaml", class.to_owned()),
        ("file:///dos.yaml", class.replace('\n', "\r\n")),
        ("file:///mark.yaml", format!("\u{feff}{class}")),
        (
            "file:///mac.json",
            "{\"kind\": \"StorageClass\",\r\"metadata\": {\"name\": \"a\"},\r\
                              \"provisioner\": \"nfs.csi.k8s.io\",\r\"mountOptions\": [\r\"hard\",\r\"bg\"]}"
                .to_owned(),
        ),
    ] {
        let shown = editor.open(name, &text);
        let character = if name.ends_with("json") { 1 } else { 2 };
        assert_eq!(places(&shown, "NMG001"), [(5, character, character + 2)], "{name}");
    }
    // A mark takes a place in the first line.
    let line =
        "{\"kind\": \"StorageClass\", \"provisioner\": \"nfs.csi.k8s.io\", \"mountOptions\": [\"bg\"]}";
    let (plain, marked) =
        (editor.open("file:///a", line), editor.open("file:///b", &format!("\u{feff}{line}")));
    let (plain, marked) = (places(&plain, "NMG001"), places(&marked, "NMG001"));
    assert_eq!((plain[0].1 + 1, plain[0].2 + 1), (marked[0].1, marked[0].2));
    Ok(())
}

fn reads_every_document() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let text = "\
kind: StorageClass
provisioner: nfs.csi.k8s.io
mountOptions: [bg]
---
kind: ConfigMap
---
{\"kind\": \"StorageClass\", \"provisioner\": \"nfs.csi.k8s.io\", \"mountOptions\": [\"bg\"]}
---
kind: List
items:
- kind: PersistentVolume
  spec: {nfs: {server: a, path: /}, mountOptions: [bg]}
";
    let shown = editor.open("file:///a.yaml", text);
    assert_eq!(places(&shown, "NMG001"), [(2, 15, 17), (6, 76, 78), (11, 51, 53)]);
    let list = "{\"kind\": \"List\", \"items\": [\n{\"kind\": \"StorageClass\", \"provisioner\": \"nfs.csi.k8s.io\",\n\
                \"mountOptions\": [\"bg\"]}]}\n{\"kind\": \"ConfigMap\"}";
    assert_eq!(places(&editor.open("file:///a.json", list), "NMG001"), [(2, 18, 20)]);
    Ok(())
}

fn follows_changes() -> Result<(), Failed> {
    let mut editor = Editor::ready(&json!({}));
    let name = "file:///a.yaml";
    assert_eq!(editor.open(name, ""), Vec::<Value>::new());
    let at = |line: u64, character: u64| json!({"line": line, "character": character});
    let insert = |line, character, text: &str| json!({"range": {"start": at(line, character), "end": at(line, character)}, "text": text});
    // Several changes of one message, each of what the one before left.
    let shown = editor.change(
        name,
        2,
        &json!([
            insert(0, 0, "kind: StorageClass\nmountOptions: []\n"),
            insert(1, 15, "b"),
            insert(1, 16, "g"),
            insert(1, 0, "provisioner: nfs.csi.k8s.io\n"),
        ]),
    );
    assert_eq!(places(&shown, "NMG001"), [(2, 15, 17)]);
    // A line is taken away, with its end.
    let cut = json!({"range": {"start": at(1, 0), "end": at(2, 0)}, "rangeLength": 28, "text": ""});
    let shown = editor.change(name, 3, &json!([cut]));
    assert_eq!(places(&shown, "NMG001"), [(1, 15, 17)]);
    // After the end is the end.
    let shown = editor.change(name, 4, &json!([insert(50, 50, "# end"), insert(1, 99, " # bg")]));
    assert_eq!(places(&shown, "NMG001"), [(1, 15, 17)]);
    let shown = editor.change(name, 5, &json!([{"text": "kind: StorageClass\nmountOptions: [hard, bg]"}]));
    assert_eq!(places(&shown, "NMG001"), [(1, 21, 23)]);
    assert_eq!(editor.close(name), Vec::<Value>::new());
    Ok(())
}

fn underlines_where_reading_ends() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let name = "file:///a.yaml";
    for (text, line) in [
        ("kind: StorageClass\nmountOptions: [bg\n", 2),
        ("kind: StorageClass\nmountOptions:\n\t- bg\n", 2),
        ("a: 'b\n", 0),
        ("{\"kind\": \"StorageClass\", \"mountOptions\": [\"bg\"", 0),
        ("kind: StorageClass\nmountOptions: hard\n", 1),
    ] {
        let shown = editor.open(name, text);
        assert_eq!(shown.len(), 1, "{text}: {shown:?}");
        assert_eq!((&shown[0]["code"], &shown[0]["severity"]), (&json!("unreadable"), &json!(1)), "{text}");
        assert_eq!(shown[0]["range"]["start"]["line"], line, "{text}: {shown:?}");
        assert_eq!(editor.hover(name, 0, 2), Value::Null);
        // A text with only one possible meaning is written so; the rest is left to its author.
        let actions = editor.actions(name, &whole(), Some("quickfix"));
        assert_eq!(actions.len(), usize::from(text.ends_with("hard\n")), "{text}: {actions:?}");
    }
    // The documents around it are what they are.
    let class = "kind: StorageClass\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg]\n";
    let shown = editor.open(name, &format!("{class}---\nkind: [\n---\n{class}"));
    assert_eq!(places(&shown, "NMG001"), [(2, 15, 17), (8, 15, 17)]);
    assert_eq!(places(&shown, "unreadable").len(), 1, "{shown:?}");
    let shown = editor.change(name, 2, &json!([{"text": class}]));
    assert_eq!(places(&shown, "unreadable"), []);
    let binary = editor.open("file:///b.yaml", "kind: StorageClass\u{0}");
    assert_eq!(places(&binary, "unreadable"), [(0, 0, 0)]);
    Ok(())
}

fn leaves_others_alone() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    for (name, text) in [
        ("file:///a.yaml", ""),
        ("file:///b.yaml", "# nothing\n---\n"),
        ("file:///c.yaml", "kind: ConfigMap\nmetadata: {name: a}\n"),
        ("file:///chart/templates/d.yaml", "{{- if .Values.on }}\nkind: ConfigMap\n{{- end }}\n"),
        ("untitled:Untitled-1", "services: {web: {image: a}}\n"),
    ] {
        assert_eq!(editor.open(name, text), Vec::<Value>::new(), "{name}");
    }
    let template =
        "{{- if .Values.on }}\nkind: StorageClass\nmountOptions: {{ .Values.options }}\n{{- end }}\n";
    let shown = editor.open("file:///chart/templates/e.yaml", template);
    assert!(shown.len() == 1 && shown[0]["severity"] == 3, "{shown:?}");
    assert!(shown[0]["message"].as_str().is_some_and(|text| text.contains("helm template")), "{shown:?}");
    let values = "nfs:\n  storageClass:\n    mountOptions: [bg]\n";
    let shown = editor.open("file:///chart/values.yaml", values);
    assert_eq!(places(&shown, "not-evaluated"), [(2, 4, 22)], "{shown:?}");
    assert_eq!(shown[0]["severity"], 3);
    let terraform = "resource \"kubernetes_storage_class\" \"a\" {\n  mount_options = [\"bg\"]\n}\n";
    let shown = editor.open("file:///main.tf", terraform);
    assert_eq!(places(&shown, "not-evaluated").len(), 1, "{shown:?}");
    assert_eq!(editor.actions("file:///main.tf", &whole(), None), Vec::<Value>::new());
    assert_eq!(editor.hover("file:///main.tf", 1, 20), Value::Null);
    let open = "kind: StorageClass\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg, \"${MORE}\"]\n";
    let shown = editor.open("file:///f.yaml", open);
    assert_eq!((places(&shown, "not-rendered").len(), places(&shown, "NMG001").len()), (1, 1), "{shown:?}");
    Ok(())
}

/// Two objects of one document, as `check` of a set.
fn compares_objects() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let volume = |name: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  csi: {{driver: nfs.csi.k8s.io, \
             volumeHandle: one, volumeAttributes: {{server: a, share: /}}}}\n---\n"
        )
    };
    let shown = editor.open("file:///a.yaml", &(volume("a") + &volume("b")));
    assert!(!places(&shown, "NMG024").is_empty(), "{shown:?}");
    let shown = editor.open("file:///b.yaml", &volume("a"));
    assert!(places(&shown, "NMG024").is_empty(), "{shown:?}");
    Ok(())
}

fn bounds_what_is_long() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let class = "kind: StorageClass\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg, hard]\n---\n";
    let name = "file:///many.yaml";
    let shown = editor.open(name, &class.repeat(1500));
    assert_eq!(shown.len(), 1001);
    assert_eq!((&shown[0]["code"], &shown[0]["range"]["start"]["line"]), (&json!("limited"), &json!(0)));
    assert!(shown[1..].iter().all(|shown| shown["severity"] == 1), "the worst ones are shown");
    let name = "file:///long.yaml";
    let long = format!("{class}# {}\n", "x".repeat(4 * 1024 * 1024));
    let shown = editor.open(name, &long);
    assert_eq!(places(&shown, "too-large").len(), shown.len(), "{shown:?}");
    assert_eq!(editor.hover(name, 2, 15), Value::Null);
    assert_eq!(editor.actions(name, &whole(), None), Vec::<Value>::new());
    // Changes are followed: it is evaluated once it is short enough.
    let rest = json!({"start": {"line": 4, "character": 0}, "end": {"line": 9, "character": 0}});
    let shown = editor.change(name, 2, &json!([{"range": rest, "text": ""}]));
    assert_eq!(places(&shown, "NMG001"), [(2, 15, 17)]);
    Ok(())
}
