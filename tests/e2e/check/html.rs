//! The page of `--format html`, as a browser's tokenizer cuts it.

use std::collections::{BTreeMap, BTreeSet};

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};

/// Tests of the page.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::html::{name}"), test);
    vec![
        trial("nothing_foreign_is_loaded_and_hostile_names_stay_text", hostile),
        trial("it_says_without_scripts_what_the_other_formats_say", whole),
        trial("a_name_without_a_blank_is_broken_so_that_the_page_does_not_scroll_sideways", breaks_names),
        trial("a_page_without_findings_is_a_page", empty),
        trial("it_can_be_read_by_keyboard_and_screen_reader", accessible),
    ]
}

/// One element with its attributes.
#[derive(Debug, Clone)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
}

/// A page in pieces.
#[derive(Debug, Default)]
struct Page {
    elements: Vec<Element>,
    /// The text in elements of each name, what is in inner ones not included.
    texts: Vec<(String, String)>,
}

/// Elements that have no end.
const VOID: [&str; 3] = ["meta", "br", "input"];

/// All that the page is made of; any other element is too much.
const KNOWN: [&str; 42] = [
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "h3", "p",
    "strong", "a", "dl", "div", "dt", "dd", "ul", "ol", "li", "details", "summary", "span", "table", "thead",
    "tbody", "tr", "th", "td", "code", "br", "label", "input", "select", "option", "script", "em", "b",
    "small", "hr",
];

/// The attributes that may stand there: none of them loads or runs anything.
const HARMLESS: [&str; 20] = [
    "lang", "charset", "name", "content", "http-equiv", "aria-labelledby", "id", "class", "href", "open",
    "scope", "role", "tabindex", "hidden", "type", "autocomplete", "aria-controls", "value", "data-action",
    "aria-label",
];

fn parse(html: &str) -> Page {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut page = Page::default();
    let mut open: Vec<String> = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let token: Token<()> = token.expect("a string is always read");
        match token {
            Token::StartTag(tag) => {
                let name = text(&tag.name);
                let attributes =
                    tag.attributes.iter().map(|(key, value)| (text(key), text(&value.value))).collect();
                if !VOID.contains(&name.as_str()) {
                    open.push(name.clone());
                }
                page.elements.push(Element { name, attributes });
            }
            Token::EndTag(tag) => assert_eq!(open.pop(), Some(text(&tag.name)), "tags close in turn"),
            Token::String(string) => {
                page.texts.push((open.last().cloned().unwrap_or_default(), text(&string.value)));
            }
            Token::Error(error) => panic!("{error:?}"),
            Token::Comment(comment) => panic!("a comment: {comment:?}"),
            Token::Doctype(doctype) => assert_eq!(text(&doctype.name), "html"),
        }
    }
    assert!(open.is_empty(), "{open:?} never closes");
    page
}

impl Page {
    fn text(&self) -> String {
        self.texts
            .iter()
            .filter(|(of, _)| of != "script" && of != "style")
            .map(|(_, text)| text.as_str())
            .collect()
    }

    fn all(&self, name: &str) -> Vec<&Element> {
        self.elements.iter().filter(|element| element.name == name).collect()
    }

    fn only_text(&self, name: &str) -> String {
        self.texts.iter().filter(|(of, _)| of == name).map(|(_, text)| text.as_str()).collect()
    }
}

fn list(items: &[Value]) -> Vec<u8> {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string().into_bytes()
}

/// A class, a volume, and a Pod, all called `name`.
fn cluster(name: &str) -> Vec<u8> {
    let options = json!(["hard", "bg", name]);
    list(&[
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
            "provisioner": "nfs.csi.k8s.io", "mountOptions": options}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"storageClassName": name, "claimRef": {"namespace": name, "name": name}, "mountOptions": options,
                "csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": name}},
            "status": {"phase": "Bound"}}),
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": name, "ownerReferences": [{"kind": name, "name": name, "controller": true}]},
            "spec": {"nodeName": name, "volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": name}}]},
            "status": {"phase": "Running", "startTime": name}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {"mountOptions": 7}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"mountOptions": "bg"}}),
    ])
}

fn page(input: &[u8], args: &[&str]) -> String {
    let output = pipe(&[&["check", "--no-policy", "--format", "html"], args, &["-"]].concat(), input);
    assert!(output.stderr.is_empty(), "{output:?}");
    stdout(&output)
}

/// Returns the parts that the page brings itself: its style and its script.
fn own(page: &Page) -> (String, String) {
    (page.only_text("style"), page.only_text("script"))
}

fn hostile() -> Result<(), Failed> {
    let usual = own(&parse(&page(&cluster("plain"), &[])));
    let long = "x".repeat(4096);
    for name in [
        "<script>alert(1)</script>",
        "</script><script>alert(1)</script>",
        "</style></title></textarea><img src=x onerror=alert(1)>",
        "\"><a href=javascript:alert(1) onclick='x'>",
        "' onmouseover='alert(1)",
        "<!-- --><![CDATA[x]]>&lt;b&gt;&amp;&#60;",
        "a\u{0}b\u{1b}[31m\u{202e}\r\nc",
        "url(https://example.com/x) @import 'x'; background: url(x)",
        &long,
    ] {
        let html = page(
            &cluster(name),
            &["--stdin-filename", name.trim_matches('\u{0}').replace('\0', "").as_str()],
        );
        let parsed = parse(&html);
        assert_eq!(own(&parsed), usual, "{name}");
        for element in &parsed.elements {
            assert!(KNOWN.contains(&element.name.as_str()), "{name}: {element:?}");
            for (key, value) in &element.attributes {
                assert!(HARMLESS.contains(&key.as_str()), "{name}: {element:?}");
                assert!(key != "href" || value.starts_with('#'), "{name}: {element:?}");
                // No text of anybody's stands in an attribute.
                assert!(value.len() < 200 && !value.contains("alert"), "{name}: {element:?}");
            }
        }
        // As every format writes what is not seen.
        let shown =
            name.replace('\u{0}', "\\u{0}").replace('\u{1b}', "\\u{1b}").replace('\u{202e}', "\\u{202e}");
        let shown = shown.replace('\r', "\\r").replace('\n', "\\n");
        let text = parsed.text();
        for wanted in [
            format!("StorageClass/{shown} "),
            format!("PersistentVolume/{shown}"),
            format!("claim {shown}/{shown}"),
            format!("{shown}/{shown}/{shown} (1 Pod)"),
            format!("node {shown}"),
            format!("{shown} (running since {shown})"),
        ] {
            assert!(text.contains(&wanted), "{wanted:?} in\n{text}");
        }
        for forbidden in ["url(", "@import", "http://", "https://", "//"] {
            assert!(!usual.0.contains(forbidden) && !usual.1.contains(forbidden), "{forbidden}");
        }
    }
    Ok(())
}

/// `tests/page` measures it in a browser.
fn breaks_names() -> Result<(), Failed> {
    let (style, _) = own(&parse(&page(&cluster(&"x".repeat(4096)), &[])));
    let rules = |selector: &str| -> String {
        let all = style.split('}').filter_map(|rule| rule.split_once('{'));
        all.filter(|(selectors, _)| selectors.trim() == selector).map(|(_, rules)| rules).collect()
    };
    // It is inherited by everything, unless a rule says otherwise.
    assert!(rules("body").contains("overflow-wrap: anywhere"), "{style}");
    assert_eq!(style.matches("overflow-wrap").count(), 1, "{style}");
    assert!(!style.contains("white-space"), "{style}");
    Ok(())
}

fn whole() -> Result<(), Failed> {
    let input = cluster("orders");
    let html = page(&input, &["--select", "NMG001"]);
    let parsed = parse(&html);
    let text = parsed.text();
    let output = pipe(&["check", "--no-policy", "--select", "NMG001", "--format", "json", "-"], &input);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let findings: Vec<&Value> = report["subjects"]
        .as_array()
        .ok_or("subjects")?
        .iter()
        .flat_map(|subject| subject["findings"].as_array().expect("findings"))
        .collect();
    assert_eq!(parsed.all("tr").len(), findings.len() + 1);
    for finding in findings {
        for field in ["code", "name", "action", "message", "element", "use"] {
            let wanted = finding[field].as_str().unwrap_or_default();
            assert!(text.contains(wanted), "{wanted:?} in\n{text}");
        }
    }
    for subject in report["subjects"].as_array().ok_or("subjects")? {
        assert!(text.contains(subject["effective"].as_str().unwrap_or_default()), "{text}");
    }
    for wanted in
        ["Order of cure", "Restart the workloads.", "1 node: orders", "Not complete:", "holds mount options"]
    {
        assert!(text.contains(wanted), "{wanted:?} in\n{text}");
    }
    // The tree is class, volume, claim, workload, node, Pod, from the outside.
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words:?} in\n{text}"));
    let steps = [
        "StorageClass/orders (1 volume)",
        "claim orders/orders",
        "orders/orders/orders (1 Pod)",
        "node orders",
    ];
    assert!(steps.map(at).is_sorted(), "{text}");
    assert!(parsed.all("details").iter().all(|details| details.attributes.contains_key("open")), "{html}");
    let file = tempfile::TempDir::new()?;
    let to = format!("html={}", file.path().join("report.html").display());
    pipe(&["check", "--no-policy", "--select", "NMG001", "--format", &to, "-"], &input);
    assert_eq!(std::fs::read_to_string(file.path().join("report.html"))?, html);
    Ok(())
}

fn empty() -> Result<(), Failed> {
    let good = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"]});
    for input in [list(&[good]), list(&[json!({"kind": "ConfigMap"})])] {
        let parsed = parse(&page(&input, &[]));
        assert!(parsed.text().contains("Nothing was found."), "{}", parsed.text());
        assert!(parsed.all("table").is_empty() && parsed.all("details").is_empty());
    }
    Ok(())
}

fn accessible() -> Result<(), Failed> {
    let parsed = parse(&page(&cluster("orders"), &[]));
    assert_eq!(parsed.all("html")[0].attributes.get("lang").map(String::as_str), Some("en"));
    assert_eq!((parsed.all("h1").len(), parsed.all("main").len(), parsed.all("title").len()), (1, 1, 1));
    let ids: Vec<&String> =
        parsed.elements.iter().filter_map(|element| element.attributes.get("id")).collect();
    let known: BTreeSet<&String> = ids.iter().copied().collect();
    assert_eq!(ids.len(), known.len(), "each id is there once");
    for element in &parsed.elements {
        for key in ["aria-labelledby", "aria-controls"] {
            assert!(element.attributes.get(key).is_none_or(|id| known.contains(id)), "{element:?}");
        }
        let href = element.attributes.get("href").and_then(|href| href.strip_prefix('#'));
        assert!(href.is_none_or(|id| known.iter().any(|known| known.as_str() == id)), "{element:?}");
        assert!(element.name != "th" || element.attributes.contains_key("scope"), "{element:?}");
    }
    // Controls that need a script are hidden until one runs; scrolling parts take the keyboard.
    let controls = parsed
        .elements
        .iter()
        .find(|element| element.attributes.get("id").is_some_and(|id| id == "controls"));
    assert!(controls.is_some_and(|controls| controls.attributes.contains_key("hidden")));
    let wide = parsed
        .elements
        .iter()
        .find(|element| element.attributes.get("class").is_some_and(|class| class == "wide"));
    assert!(wide.is_some_and(|wide| wide.attributes.get("tabindex").is_some_and(|index| index == "0")));
    assert_eq!(parsed.all("label").len(), parsed.all("input").len() + parsed.all("select").len());
    let style = parsed.only_text("style");
    assert!(style.contains("prefers-color-scheme: dark") && style.contains("@media print"));
    let policy = parsed.all("meta").into_iter().find(|meta| meta.attributes.contains_key("http-equiv"));
    assert!(policy.is_some_and(|meta| meta.attributes["content"].starts_with("default-src 'none'; ")));
    Ok(())
}
