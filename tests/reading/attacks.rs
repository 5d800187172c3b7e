//! Files that another reader reads otherwise than kubectl does: `check` judges
//! what kubectl reads, or refuses the file. tests/reading/files holds one of each kind
//! that once got past.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::component::program;

/// A class without options, and so not refused for them when they follow.
const CLASS: &str =
    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
const GOOD: &str = "mountOptions: [fg, timeo=600, retrans=2]\n";
const BAD: &str = "mountOptions: [bg, timeo=600, retrans=2]\n";

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("attacks::{name}"), test);
    vec![
        trial("no_kept_attack_gets_past", no_kept_attack_gets_past),
        trial("a_merge_is_read_as_kubectl_reads_it_or_refused", merges),
        trial("a_line_break_beyond_ascii_is_refused_outside_quotes", line_breaks),
        trial("any_object_with_items_is_a_list", items),
        trial("a_hidden_value_is_refused", hidden_values),
        trial("what_stands_behind_a_json_object_is_refused", behind_json),
        trial("documents_begin_where_kubectl_begins_them", documents),
        trial("what_a_walk_cannot_read_is_told_of_where_it_speaks_of_volumes", undecodable),
        trial("braces_in_comments_and_quotes_skip_nothing", braces),
        trial("only_gitignore_and_exclude_pass_over_files", passed_over),
        trial("a_walk_reads_regular_files_of_a_bounded_size", regular_files),
        trial("fix_needs_little_memory_for_many_options", little_memory),
        trial("fix_writes_through_no_link_out_of_the_folder", links),
    ]
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
        command.env_remove(name);
    }
    command
}

/// Returns the output of `check` for a text on standard input.
fn check(text: impl AsRef<[u8]>) -> Output {
    let mut child = command(&["check", "-", "--no-policy"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(text.as_ref()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// Returns the output of a command on a directory with these files.
fn in_folder(args: &[&str], files: &[(&str, &[u8])]) -> (TempDir, Output) {
    let folder = TempDir::new().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("written");
    }
    let output = command(args).current_dir(folder.path()).output().expect("the program runs");
    (folder, output)
}

fn walk(files: &[(&str, &[u8])]) -> Output {
    in_folder(&["check", ".", "--no-policy"], files).1
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn ends(output: &Output, code: i32, words: &str, of: impl AsRef<[u8]>) {
    let said = said(output);
    let of = String::from_utf8_lossy(of.as_ref()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{of}\n{said}");
    assert!(said.contains(words), "{words:?} for\n{of}\n{said}");
}

fn no_kept_attack_gets_past() -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reading/files");
    let files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| entry.expect("an entry").path()).collect();
    assert!(files.len() >= 11, "{files:?}");
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let walked = walk(&[(&name, &fs::read(&file)?)]);
        assert!(matches!(walked.status.code(), Some(1 | 3)), "{name}: {}", said(&walked));
        let named = command(&["check", "--no-policy", &file.display().to_string()]).output()?;
        assert!(matches!(named.status.code(), Some(1 | 3)), "{name}: {}", said(&named));
    }
    Ok(())
}

fn merges() -> Result<(), Failed> {
    let disputed = "is set twice";
    let chain: Vec<String> = (1..40).map(|level| format!("- &m{level} {{<<: *m{}}}\n", level - 1)).collect();
    let chain = chain.concat();
    let list = |items: &str| format!("apiVersion: v1\nkind: List\nx:\n{items}");
    let class = CLASS.replace('\n', "\n  ");
    for (text, code, words) in [
        (format!("{CLASS}{GOOD}<<: {{{}}}\n", BAD.trim()), 3, disputed),
        (format!("{CLASS}{GOOD}<<: [{{x: y}}, {{{}}}]\n", BAD.trim()), 3, disputed),
        (format!("{CLASS}{BAD}<<: {{{}}}\n", GOOD.trim()), 3, disputed),
        (format!("{CLASS}<<: {{{}}}\n<<: {{{}}}\n", GOOD.trim(), BAD.trim()), 3, disputed),
        (format!("{CLASS}{GOOD}<<: {{<<: {{{}}}}}\n", BAD.trim()), 3, disputed),
        (
            format!(
                "{}<<: {{kind: StorageClass}}\n{BAD}",
                CLASS.replace("kind: StorageClass", "kind: ConfigMap")
            ),
            3,
            disputed,
        ),
        (format!("{CLASS}parameters: {{a: b, <<: {{a: c}}}}\n{GOOD}"), 3, disputed),
        (format!("{CLASS}<<: x\n{GOOD}"), 3, "merges a value that is not a mapping"),
        (format!("x: &l [{{a: b}}]\n{CLASS}<<: *l\n{GOOD}"), 3, "merges a value that is not a mapping"),
        (format!("{CLASS}!!merge <<: {{{}}}\n{GOOD}", BAD.trim()), 3, "tag "),
        (format!("{CLASS}! <<: {{{}}}\n", BAD.trim()), 3, "tag !"),
        // The dispute stands elsewhere, and an alias brings it here.
        (
            list(&format!("- &s {{{}, <<: {{{}}}}}\nitems:\n- <<: *s\n  {class}\n", GOOD.trim(), BAD.trim())),
            3,
            disputed,
        ),
        (
            list(&format!("- &s {{{}, {}}}\nitems:\n- <<: *s\n  {class}\n", GOOD.trim(), BAD.trim())),
            3,
            "is set twice",
        ),
        (format!("x: &k mountOptions\n{CLASS}{GOOD}? *k\n: [bg]\n"), 3, "duplicate key"),
        // Both readings are one.
        (format!("<<: {{{}}}\n{CLASS}", BAD.trim()), 1, "NMG001"),
        (format!("{CLASS}<<: {{{}}}\n", BAD.trim()), 1, "NMG001"),
        (format!("<<: {{{}}}\n{CLASS}{BAD}", GOOD.trim()), 1, "NMG001"),
        (format!("<<: {{{}}}\n{CLASS}{GOOD}", BAD.trim()), 0, "1 judged"),
        (format!("{CLASS}{GOOD}<<: {{{}, volumeBindingMode: Immediate}}\n", GOOD.trim()), 0, "1 judged"),
        (format!("{CLASS}{GOOD}<<: [{{reclaimPolicy: Retain}}, {{reclaimPolicy: Delete}}]\n"), 0, "1 judged"),
        (format!("{CLASS}{GOOD}\"<<\": {{{}}}\n", BAD.trim()), 0, "1 judged"),
        (list(&format!("- &m0 {{{}}}\n{chain}items:\n- <<: *m39\n  {class}\n", BAD.trim())), 1, "NMG001"),
    ] {
        ends(&check(&text), code, words, &text);
    }
    let text = format!("{CLASS}<<: {{{}}}\n<<: {{{}}}\n", GOOD.trim(), BAD.trim());
    ends(&check(&text), 3, "kustomize refuses a second <<", &text);
    // Both places are named.
    let text = format!("{CLASS}{GOOD}<<:\n  {BAD}");
    ends(&check(&text), 3, "<stdin>:5:1: unreadable: StorageClass/a: mountOptions", &text);
    ends(&check(&text), 3, "kubectl reads the one in line 7, kustomize the one in line 5", &text);
    Ok(())
}

fn line_breaks() -> Result<(), Failed> {
    for mark in ["\u{85}", "\u{2028}", "\u{2029}"] {
        let code = format!("U+{:04X} outside quotes", u32::from(mark.chars().next().expect("one")));
        for text in [
            format!("{CLASS}{GOOD}# keep foreground{mark}{BAD}"),
            format!("{CLASS}{GOOD}# harmless{mark}# more\n"),
            format!("{CLASS}{GOOD}# end{mark}"),
            CLASS.replace("StorageClass", &format!("\"StorageClass\" # c{mark}")) + BAD,
            format!("{CLASS}{GOOD}reclaimPolicy: 'Delete' # c{mark}{BAD}"),
            format!("{CLASS}{GOOD}reclaimPolicy: \"Del\\\"ete\" # '{mark}{BAD}"),
            format!("{mark}{CLASS}{BAD}"),
            CLASS.replace("kind: StorageClass", &format!("kind: StorageClass{mark}")) + BAD,
            CLASS.replace("kind:", &format!("{mark}kind:")) + BAD,
            CLASS.replace("name: a", &format!("name: a{mark}b")) + GOOD,
            format!("{CLASS}{GOOD}parameters:\n  x: |\n    a{mark}{BAD}"),
            format!("{CLASS}{GOOD}parameters:\n  x: >-\n    a{mark}\n    b\n"),
            format!("{CLASS}{GOOD}parameters: {{x: y{mark}}}\n"),
            format!("{CLASS}{GOOD}# \"{mark}{BAD}# \"\n"),
            format!("{CLASS}mountOptions: [fg,{mark}timeo=600, retrans=2]\n"),
        ] {
            ends(&check(&text), 3, &code, &text);
            ends(&walk(&[("a.yaml", text.as_bytes())]), 3, &code, &text);
        }
        // In quotes they are text that nothing hangs on, or are refused there.
        for quote in ['"', '\''] {
            let text = CLASS
                .replace("{name: a}", &format!("{{name: a, annotations: {{d: {quote}x{mark}y{quote}}}}}"));
            ends(&check(format!("{text}{GOOD}")), 0, "1 judged", &text);
            ends(&check(format!("{text}{BAD}")), 1, "NMG001", &text);
            let text = format!("{CLASS}mountOptions: [{quote}fg{mark}{quote}, timeo=600, retrans=2]\n");
            ends(&check(&text), 3, "folds as a line break", &text);
        }
        let text = format!("{CLASS}mountOptions: [\"b\\{mark}  g\", timeo=600, retrans=2]\n");
        ends(&check(&text), 3, "unreadable", &text);
    }
    let text = format!("{CLASS}{GOOD}\u{feff}{BAD}");
    ends(&check(&text), 3, "U+FEFF", &text);
    let json = "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":\"a\u{2028}\"},\"provisioner\":\"nfs.csi.k8s.io\",\"mountOptions\":[\"fg\",\"timeo=600\",\"retrans=2\"]}";
    ends(&check(json), 0, "1 judged", json);
    Ok(())
}

fn items() -> Result<(), Failed> {
    let inner = format!("- {}", format!("{CLASS}{BAD}").trim_end().replace('\n', "\n  "));
    let bare = format!("- metadata: {{name: b}}\n  provisioner: nfs.csi.k8s.io\n  {BAD}");
    let implied = |head: &str| {
        format!("{head}items:\n{}", bare.replace("- metadata", "- kind: ~\n  apiVersion: ''\n  metadata"))
    };
    for (text, code, words) in [
        (format!("{CLASS}{GOOD}items:\n{inner}\n"), 1, "NMG001"),
        (format!("{CLASS}{GOOD}items:\n{bare}"), 1, "NMG001"),
        (format!("apiVersion: v1\nkind: ConfigMapList\nitems:\n{inner}\n"), 1, "NMG001"),
        (format!("apiVersion: example.com/v1\nkind: Whatever\nitems:\n{inner}\n"), 1, "NMG001"),
        (format!("apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nitems:\n{inner}\n"), 1, "NMG001"),
        (implied("apiVersion: storage.k8s.io/v1\nkind: StorageClassList\n"), 1, "NMG001"),
        (implied("apiVersion: storage.k8s.io/v1\nkind: StorageClass\n"), 1, "NMG001"),
        (
            format!(
                "apiVersion: v1\nkind: List\nitems:\n- kind: Other\n  items:\n  {}\n",
                inner.replace('\n', "\n  ")
            ),
            1,
            "NMG001",
        ),
        (format!("apiVersion: v1\nkind: List\nitems:\n{inner}\n  items: {{}}\n"), 1, "NMG001"),
        (format!("apiVersion: v1\nkind: List\n\"it\\x65ms\":\n{inner}\n"), 1, "NMG001"),
        (
            format!(
                "<<: {{items: [{{<<: &c {{apiVersion: storage.k8s.io/v1, kind: StorageClass, {}}}}}]}}\n{CLASS}{GOOD}",
                BAD.trim()
            ),
            1,
            "NMG001",
        ),
        (format!("{CLASS}{GOOD}items: {{}}\n"), 3, "items must be a list"),
        ("apiVersion: v1\nkind: List\n".to_owned(), 3, "without the key items"),
        (format!("apiVersion: v1\nkind: List\nItems:\n{inner}\n"), 3, "without the key items"),
        (
            format!("apiVersion: storage.k8s.io/v1\nkind: StorageClassList\nitem:\n{inner}\n"),
            3,
            "without the key items",
        ),
        ("{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeList\"}".to_owned(), 3, "without the key items"),
        ("apiVersion: v1\nkind: List\nitems: []\n".to_owned(), 0, "0 judged"),
        ("apiVersion: example.com/v1\nkind: Menu\nitems: [a, b]\n".to_owned(), 0, "2 no objects"),
        (format!("{CLASS}{GOOD}parameters: {{items: x}}\n"), 0, "1 judged"),
    ] {
        ends(&check(&text), code, words, &text);
    }
    // The same as JSON, and with escapes.
    let object = |options: &str| {
        format!(
            "\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{{\"name\":\"a\"}},\"provisioner\":\"nfs.csi.k8s.io\",\"mountOptions\":[\"{options}\",\"timeo=600\",\"retrans=2\"]"
        )
    };
    for key in ["items", "\\u0069tems", "it\\u0065ms"] {
        let list = format!("{{{},\"{key}\":[{{{}}}]}}", object("fg"), object("bg"));
        ends(&check(&list), 1, "NMG001", &list);
        let nested = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{list}]}}");
        ends(&check(&nested), 1, "NMG001", &nested);
    }
    Ok(())
}

fn hidden_values() -> Result<(), Failed> {
    for (text, words) in [
        (format!("{CLASS}{GOOD}!!binary bW91bnRPcHRpb25z: [bg]\n"), "tag !!binary"),
        (CLASS.replace("StorageClass", "!!binary U3RvcmFnZUNsYXNz") + BAD, "tag !!binary"),
        (CLASS.replace("StorageClass", "!!binary \"U3RvcmFnZUNsYXNz\"") + BAD, "tag !!binary"),
        (CLASS.replace("StorageClass", "!<tag:yaml.org,2002:binary> U3RvcmFnZUNsYXNz") + BAD, "tag !!binary"),
        (CLASS.replace("StorageClass", "!!bin%61ry U3RvcmFnZUNsYXNz") + BAD, "tag !!binary"),
        (CLASS.replace("StorageClass", "&k !!binary U3RvcmFnZUNsYXNz") + BAD, "tag !!binary"),
        (CLASS.replace("StorageClass", "!!binary &k |\n  U3RvcmFnZUNsYXNz") + BAD, "tag !!binary"),
        (format!("{CLASS}mountOptions: [!!binary Ymc=, timeo=600, retrans=2]\n"), "tag !!binary"),
        ("a: {? !!binary bW91bnRPcHRpb25z : x}\n".to_owned(), "tag !!binary"),
        ("data: !!binary AAAA\n".to_owned(), "tag !!binary"),
        (format!("{CLASS}mountOptions: [!!str, bg, timeo=600, retrans=2]\n"), "kubectl ends the name"),
        (format!("{CLASS}mountOptions: [&a:b fg, timeo=600, retrans=2]\n"), "kubectl ends the name"),
        (format!("{CLASS}mountOptions: [&é fg, timeo=600, retrans=2]\n"), "kubectl ends the name"),
        (format!("{CLASS}mountOptions: [! fg, timeo=600, retrans=2]\n"), "tag !"),
        (format!("{CLASS}mountOptions: [?bg, fg, timeo=600, retrans=2]\n"), "differently in brackets"),
        (format!("{CLASS}{GOOD}parameters: {{?a: b}}\n"), "differently in brackets"),
        (
            format!("{{?kind: StorageClass, apiVersion: storage.k8s.io/v1, {}}}\n", BAD.trim()),
            "differently in brackets",
        ),
        (format!("{CLASS}mountOptions: [fg, timeo=600, retrans=2, :bg]\n"), "differently in brackets"),
        (format!("{CLASS}{GOOD}parameters: {{a:,b: c}}\n"), "differently in brackets"),
        (format!("{CLASS}mountOptions: !!set [fg, timeo=600, retrans=2]\n"), "tag "),
    ] {
        ends(&check(&text), 3, words, &text);
        ends(&walk(&[("a.yaml", text.as_bytes())]), 3, words, &text);
    }
    for text in [
        format!("{CLASS}mountOptions: [!!str fg, &t timeo=600, retrans=2]\n"),
        format!("{CLASS}mountOptions: !!seq [fg, timeo=600, retrans=2]\n"),
        format!("{CLASS}allowVolumeExpansion: !!bool \"true\"\n{GOOD}"),
    ] {
        ends(&check(&text), 0, "1 judged", &text);
    }
    Ok(())
}

fn behind_json() -> Result<(), Failed> {
    let object = |options: &str| {
        format!(
            "{{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{{\"name\":\"a\"}},\"provisioner\":\"nfs.csi.k8s.io\",\"mountOptions\":[\"{options}\",\"timeo=600\",\"retrans=2\"]}}"
        )
    };
    let (good, bad) = (object("fg"), object("bg"));
    for text in [
        format!("{bad}:"),
        format!("{good}: x\n"),
        format!("{bad} :\n"),
        format!("{good}\n: {{}}\n"),
        format!("{bad},"),
        format!("{good} null {bad}"),
        format!("{good}[]{bad}"),
        format!("{good}{good}\n---\n{bad}"),
        format!("{good}\n{CLASS}{BAD}"),
        format!("{good} # c\n"),
        format!("{good}}}"),
    ] {
        ends(&check(&text), 3, "content after a JSON object", &text);
        ends(&walk(&[("a.json", text.as_bytes())]), 3, "content after a JSON object", &text);
    }
    for (text, code) in [
        (format!("{good}\n"), 0),
        (format!("{good}{good}\n{good}"), 0),
        (format!("{good}{bad}"), 1),
        (format!("{good}\n---\n{CLASS}{GOOD}"), 0),
        (format!("{good}\n---\n{bad}\n---\n{good}\n"), 1),
        (format!("\u{a0}{bad}"), 1),
        (format!("  \n{}", bad.replace("\"mountOptions\":", "mountOptions: ")), 1),
        (bad.replace("\"metadata\"", "\"metadata\":1,\"metadata\""), 3),
    ] {
        assert_eq!(check(&text).status.code(), Some(code), "{text}\n{}", said(&check(&text)));
    }
    Ok(())
}

fn documents() -> Result<(), Failed> {
    let bad = format!("{CLASS}{BAD}");
    for (text, code, words) in [
        (format!("a: b\n---#\n{bad}"), 1, "NMG001"),
        (format!("a: b\n--- # c\n{bad}"), 1, "NMG001"),
        (format!("a: |\n  x\n---\n{bad}"), 1, "NMG001"),
        (format!("---\n---\n{bad}"), 1, "NMG001"),
        (format!("---\n\u{feff}{bad}"), 3, "U+FEFF"),
        (format!("a: b\n---\n\u{feff}{bad}"), 1, "NMG001"),
        (format!("a: b\n---\n\u{feff}{BAD}{CLASS}"), 1, "NMG001"),
        (format!("a: b\n...\n{bad}"), 3, "a second document starts here"),
        (format!("a: b\r---\r{bad}"), 3, "a second document starts here"),
        (format!("a: b\n--- {{x: y}}\n---\n{bad}"), 3, "begins with ---"),
        (format!("a: b\n----\n{bad}"), 3, "begins with ---"),
        ("a: b\n...\n---\nc: d\n".to_owned(), 0, "2 no objects"),
    ] {
        ends(&check(&text), code, words, &text);
    }
    Ok(())
}

fn undecodable() -> Result<(), Failed> {
    let bad = format!("{CLASS}{BAD}");
    let utf16 = |text: &str, mark: bool, order: fn(u16) -> [u8; 2]| {
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(order).collect::<Vec<u8>>()
    };
    let utf32 =
        |text: &str| text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect::<Vec<u8>>();
    let escaped = bad
        .replace("kind: StorageClass", "kind: \"Storage\\x43lass\"")
        .replace("mountOptions", "\"\\u006dountOptions\"");
    let volume = "{\"\\u006bind\":\"\\u0050ersistentVolume\",\"x\":tru e}}";
    for bytes in [
        [bad.as_bytes(), b"# caf\xE9\n"].concat(),
        [b"{\"a\":\"\xFF\",\"kind\":\"StorageClass\"}".as_slice()].concat(),
        utf16(&bad, true, u16::to_le_bytes),
        utf16(&bad, true, u16::to_be_bytes),
        utf16(&bad, false, u16::to_le_bytes),
        utf16(&bad, false, u16::to_be_bytes),
        utf16(&escaped, true, u16::to_be_bytes),
        utf32(&bad),
        [escaped.as_bytes(), b"x: caf\xE9\n"].concat(),
        format!("{escaped}a: [b]#c\n").into_bytes(),
        format!("---#\n{escaped}a: [b\n").into_bytes(),
        b"\"\\x6bind\": \"Storage\\\n  Class\"\na: [b]#c\n".to_vec(),
        volume.as_bytes().to_vec(),
        b"metadata: {annotations: {volume.beta.kubernetes.io/mount-options: bg}}\na: [b]#c\n".to_vec(),
        b"kind: VolumeSnapshotClass\na: [b]#c\n".to_vec(),
        b"kind: !!binary U3RvcmFnZUNsYXNz\na: caf\xE9\n".to_vec(),
        "kind: \"StorageClass\u{2028}List\"\nitems: []\n".into(),
    ] {
        for name in ["a.yaml", "a.json"] {
            ends(&walk(&[(name, &bytes)]), 3, "1 unreadable", &bytes);
        }
    }
    // Text that does not mention volumes may be anything.
    for bytes in
        [&b"\x00\x01\x02"[..], b"caf\xE9", b"a: [b]#c\n", &utf16("kind: ConfigMap\n", true, u16::to_le_bytes)]
    {
        ends(&walk(&[("a.yaml", bytes)]), 0, "1 no manifest)", bytes);
        ends(&check(bytes), 3, "unreadable", bytes);
    }
    Ok(())
}

fn braces() -> Result<(), Failed> {
    let bad = format!("{CLASS}{BAD}");
    let annotated =
        |text: &str| bad.replace("{name: a}", &format!("{{name: a, annotations: {{d: {text}}}}}"));
    for text in [
        format!("{bad}# see {{{{ the chart }}}}\n"),
        format!("# {{{{- if .Values.x }}}}\n{bad}# {{{{- end }}}}\n"),
        annotated("\"{{ x }}\""),
        annotated("'{{ x }}'"),
        bad.replace("name: a", "name: \"{{ .Release.Name }}\""),
        format!("{bad}parameters:\n  x: |\n    {{{{ y }}}}\n"),
        format!("{bad}parameters:\n  x: a {{{{ y }}}}\n"),
        format!("{bad}mountOptions2: \"{{{{\"\n"),
    ] {
        ends(&walk(&[("a.yaml", text.as_bytes())]), 1, "NMG001", &text);
        // No chart is near where only a directory is called so.
        ends(&walk(&[("templates/a.yaml", text.as_bytes())]), 1, "NMG001", &text);
    }
    // No template, though braces stand in it: what cannot be read counts.
    for text in [
        format!("{bad}a: [b]#c {{{{ x }}}}\n"),
        format!("{bad}# {{{{ x }}}}\na: [b]#c\n"),
        format!("{bad}d: \"{{{{\"\na: [b]#c\n"),
        format!("{bad}d: a {{{{ b }}}}\na: [b]#c\n"),
        format!("{bad}# {{{{ x }}}}\u{2028}{BAD}"),
    ] {
        ends(&walk(&[("a.yaml", text.as_bytes())]), 3, "1 unreadable", &text);
    }
    // Another reader sees a value opened where kubectl sees the text of a scalar, or nothing at all.
    for text in [
        format!("{bad}d: &a:b {{{{ x }}}} y\n"),
        format!("{bad}...\n{{{{ x }}}} y\n"),
        format!("{bad}# c\u{2028}d: {{{{ x }}}} y\n"),
        "{a: {?b, c: {{ x }} y}, d: StorageClass}\n".to_owned(),
    ] {
        ends(&walk(&[("a.yaml", text.as_bytes())]), 3, "1 unreadable", &text);
    }
    // A template: kubectl refuses it as well before it is rendered.
    for text in [
        format!("{{{{- if .Values.x }}}}\n{bad}{{{{- end }}}}\n"),
        bad.replace("bg,", "{{ .Values.option }},"),
        bad.replace("name: a", "name: {{ .Release.Name }}-a"),
        bad.replace("kind: StorageClass", "kind: StorageClass\n{{ include \"labels\" . }}"),
        format!("{bad}{{{{- range .Values.x }}}}\n---\n{CLASS}{GOOD}"),
        format!("{bad}parameters:\n  {{{{- toYaml .Values.parameters | nindent 2 }}}}\n"),
    ] {
        ends(&walk(&[("a.yaml", text.as_bytes())]), 0, "1 Helm template", &text);
    }
    let chart: (&str, &[u8]) = ("c/Chart.yaml", b"apiVersion: v2\nname: c\nversion: 1.0.0\n");
    let text = format!("{bad}# {{{{ x }}}}\n");
    ends(&walk(&[chart, ("c/templates/a.yaml", text.as_bytes())]), 0, "1 Helm template", &text);
    ends(&walk(&[chart, ("c/templates/a.yaml", bad.as_bytes())]), 1, "NMG001", &bad);
    ends(&walk(&[chart, ("c/crds/a.yaml", text.as_bytes())]), 1, "NMG001", &text);
    // Beside a template the rest is judged.
    let text = format!("{}---\n{bad}", bad.replace("name: a", "name: {{ x }}-a"));
    ends(&walk(&[("a.yaml", text.as_bytes())]), 1, "1 Helm template", &text);
    Ok(())
}

fn passed_over() -> Result<(), Failed> {
    let bad = format!("{CLASS}{BAD}").into_bytes();
    let files: [(&str, &[u8]); 4] =
        [("a.yaml", &bad), ("b/c.yaml", &bad), ("b/d/e.yml", &bad), ("x.txt", &bad)];
    for ignore in [".ignore", ".rgignore", ".git/info/exclude"] {
        let files =
            [files.as_slice(), &[(ignore, b"*\n"), (".git/HEAD", b"ref: refs/heads/main\n")]].concat();
        ends(&walk(&files), 1, "3 judged (3 denied", ignore);
    }
    let (folder, output) =
        in_folder(&["check", ".", "--no-policy"], &[files.as_slice(), &[(".gitignore", b"b\n")]].concat());
    ends(&output, 1, "1 judged", ".gitignore");
    let (at, name) = (folder.path(), "b/c.yaml");
    let run = |args: &[&str]| command(args).current_dir(at).output().expect("the program runs");
    fs::remove_file(at.join(".gitignore"))?;
    for (args, code, words) in [
        (
            &["check", ".", "--exclude", "b"][..],
            1,
            "1 judged (1 denied, 0 patched, 0 warned), 2 skipped (2 excluded)",
        ),
        (&["check", ".", "--exclude", "*.yaml", "--exclude", "e.*"], 0, "0 judged"),
        (&["check", ".", "--exclude", "*.{yaml,yml}"], 0, "3 excluded"),
        (&["check", ".", "--exclude", "b/d,a.yaml"], 1, "1 judged"),
        (&["check", "b", "--exclude", "b"], 1, "2 judged"),
        (&["check", "b", "--exclude", "b/*.yaml"], 1, "1 excluded"),
        (&["check", "*.yaml", "--exclude", "a.yaml"], 0, "1 excluded"),
        // A file that is named itself is read.
        (&["check", name, "--exclude", "b"], 1, "1 judged"),
        (
            &["check", ".", name, "--exclude", "b"],
            1,
            "2 judged (2 denied, 0 patched, 0 warned), 1 skipped (1 excluded)",
        ),
        (&["check", ".", "--exclude", "["], 2, "--exclude"),
        (&["fix", ".", "--diff", "--exclude", "b"], 1, "1 object in 1 file would change, 2 excluded"),
    ] {
        ends(&run(args), code, words, format!("{args:?}"));
    }
    let output =
        command(&["check", "."]).current_dir(at).env("NFS_MOUNT_GUARD_EXCLUDE", "b,a.yaml").output()?;
    ends(&output, 0, "3 excluded", "the environment");
    Ok(())
}

fn regular_files() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let at = folder.path();
    std::os::unix::fs::symlink("/dev/zero", at.join("a.yaml"))?;
    std::os::unix::fs::symlink("b.json", at.join("loop.json"))?;
    assert!(Command::new("mkfifo").arg(at.join("b.json")).status()?.success());
    let folder_name = at.display().to_string();
    for command_name in ["check", "fix"] {
        let output = command(&[command_name, &folder_name]).output()?;
        // The link and the pipe it leads to are one.
        ends(&output, 0, "2 not regular files", command_name);
    }
    // Sparse: no byte of it is on the disk.
    fs::File::create(at.join("large.yaml"))?.set_len(64 * 1024 * 1024 + 1)?;
    for command_name in ["check", "fix"] {
        let output = command(&[command_name, &folder_name]).output()?;
        ends(&output, 3, "is larger than 64 MiB", command_name);
        let output = command(&[command_name, &folder_name, "--exclude", "large.yaml"]).output()?;
        ends(&output, 0, "1 excluded", command_name);
    }
    Ok(())
}

/// As many options as are judged, beside a few: what the program maps is counted to
/// the page, and a table of all by all of them is seen: in four bytes it takes 6.8 MB.
fn little_memory() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("a.yaml");
    // One heap, of which what is requested is mapped and little else.
    let fixes_within = |kibibytes: u64| {
        let output = Command::new("sh")
            .args(["-c", "ulimit -v \"$2\" && exec \"$0\" fix --no-policy --diff \"$1\""])
            // A backtrace takes memory, too, and waits for itself where there is none left.
            .env("RUST_BACKTRACE", "0")
            .arg(program())
            .arg(&file)
            .arg(kibibytes.to_string())
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .expect("a shell");
        output.status.code() == Some(1) && said(&output).contains("1 object in 1 file would change")
    };
    let list = |count: usize| format!("{CLASS}mountOptions: [{}bg]\n", "a, ".repeat(count));
    let text = |count: usize| {
        let name = "volume.beta.kubernetes.io/mount-options";
        let options = "a,".repeat(count);
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a, annotations: {{{name}: '{options}bg'}}}}\nspec: \
             {{nfs: {{server: a, path: /}}}}\n"
        )
    };
    // Of a text every finding quotes the whole of it.
    for (few, many, most) in [(list(10), list(1_300), 3_600), (text(10), text(1_300), 7_000)] {
        fs::write(&file, few)?;
        let (mut too_little, mut enough) = (1_000, 1_000_000);
        assert!(fixes_within(enough));
        while enough - too_little > 100 {
            let middle = u64::midpoint(enough, too_little);
            if fixes_within(middle) { enough = middle } else { too_little = middle }
        }
        fs::write(&file, many)?;
        assert!(fixes_within(enough + most), "a few options take {enough} KiB");
    }
    Ok(())
}

fn links() -> Result<(), Failed> {
    let bad = format!("{CLASS}{BAD}");
    let folder = TempDir::new()?;
    let (inside, outside) = (folder.path().join("in"), folder.path().join("out.yaml"));
    fs::create_dir(&inside)?;
    fs::write(&outside, &bad)?;
    fs::write(inside.join("own.txt"), &bad)?;
    std::os::unix::fs::symlink("../out.yaml", inside.join("a.yaml"))?;
    std::os::unix::fs::symlink("own.txt", inside.join("b.yaml"))?;
    let name = inside.display().to_string();
    ends(&command(&["check", &name]).output()?, 1, "2 judged (2 denied", "links are read");
    ends(&command(&["fix", &name]).output()?, 3, "the link leads out of the directory", "a link out");
    assert_eq!(fs::read_to_string(&outside)?, bad);
    assert!(fs::read_to_string(inside.join("own.txt"))?.contains("fg"));
    // A path that names the link means the file.
    let link = inside.join("a.yaml").display().to_string();
    ends(&command(&["fix", &link]).output()?, 0, "1 object in 1 file changed", "a named link");
    assert!(fs::read_to_string(&outside)?.contains("fg"));
    Ok(())
}
