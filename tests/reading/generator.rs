//! Files that come close to manifests, made up from a number: all of YAML and
//! JSON that people write and that they do not.

use std::fmt::Write as _;

use fastrand::Rng;

/// Values of which objects are made.
enum Value {
    Scalar(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// The file of a number.
pub fn file(seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    if rng.u8(..10) == 0 {
        let mut text = pick(&mut rng, &KEPT).to_owned();
        for _ in 0..=rng.usize(..4) {
            text = mutated(&mut rng, text);
        }
        return encoded(&mut rng, text);
    }
    let mut text = String::new();
    let is_json = rng.u8(..) < 40;
    for document in 0..=rng.usize(..8).saturating_sub(5) {
        if document > 0 || rng.u8(..) < 60 {
            text.push_str(if is_json && rng.bool() { "\n" } else { separator(&mut rng) });
        }
        let value = document_value(&mut rng);
        if is_json {
            json(&mut rng, &value, &mut text);
        } else {
            let mut writer = Writer { rng: &mut rng, anchors: 0, text: String::new() };
            writer.document(&value);
            text.push_str(&writer.text);
        }
    }
    // Half of the files are as they were meant.
    for _ in 0..rng.usize(..7).saturating_sub(3) {
        text = mutated(&mut rng, text);
    }
    encoded(&mut rng, text)
}

/// Files that once got past, and others of many styles, to be changed.
const KEPT: [&str; 12] = [
    include_str!("files/check-binary-key.yaml"),
    include_str!("files/check-binary-kind.yaml"),
    include_str!("files/check-comment-ls.yaml"),
    include_str!("files/check-items.yaml"),
    include_str!("files/check-json-colon.json"),
    include_str!("files/check-kind-ls.yaml"),
    include_str!("files/check-merge-real.yaml"),
    include_str!("files/check-merge.yaml"),
    include_str!("files/walk-template-comment.yaml"),
    include_str!("../check/styles.yaml"),
    include_str!("../check/list.json"),
    include_str!("../check/good.yaml"),
];

const OPTIONS: [&str; 14] = [
    "bg", "fg", "hard", "timeo=600", "retrans=2", "nfsvers=4.1", "hard,bg", "soft", "ro", "rsize=8192",
    "noatime", "a b", "'", "é",
];

fn scalar(text: &str) -> Value {
    Value::Scalar(text.to_owned())
}

fn options(rng: &mut Rng) -> Value {
    let mut list: Vec<Value> = (0..rng.usize(..4)).map(|_| scalar(pick(rng, &OPTIONS))).collect();
    if rng.u8(..20) == 0 {
        // Not a string, for one reader or for both.
        list.push(scalar(pick(
            rng,
            &["yes", "on", "~", "null", "600", "0x1", "1_0", "2026-11-24", ".5", "1e3", "=", "<<"],
        )));
    }
    Value::List(list)
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from.get(rng.usize(..from.len())).copied().unwrap_or_default()
}

fn document_value(rng: &mut Rng) -> Value {
    match rng.u8(..10) {
        0 => {
            let items = Value::List((0..rng.usize(..4)).map(|_| object(rng)).collect());
            let kind = pick(
                rng,
                &["List", "StorageClassList", "PersistentVolumeList", "ConfigMapList", "StorageClass"],
            );
            let mut fields = vec![
                ("apiVersion".to_owned(), scalar(pick(rng, &["v1", "storage.k8s.io/v1"]))),
                ("kind".to_owned(), scalar(kind)),
                ("items".to_owned(), items),
            ];
            if rng.u8(..) < 40 {
                fields.push(("mountOptions".to_owned(), options(rng)));
            }
            rng.shuffle(&mut fields);
            Value::Map(fields)
        }
        _ => object(rng),
    }
}

fn object(rng: &mut Rng) -> Value {
    let mut fields = Vec::new();
    let is_class = rng.bool();
    let head = if is_class { ("storage.k8s.io/v1", "StorageClass") } else { ("v1", "PersistentVolume") };
    let (version, kind) = match rng.u8(..12) {
        0 => ("v1", "ConfigMap"),
        1 => ("", head.1),
        2 => ("", ""),
        _ => head,
    };
    for (key, text) in [("apiVersion", version), ("kind", kind)] {
        if !text.is_empty() || rng.u8(..) < 20 {
            fields.push((key.to_owned(), scalar(text)));
        }
    }
    let mut metadata = vec![("name".to_owned(), scalar(pick(rng, &["a", "b", "nfs-fast", "c-1"])))];
    if rng.bool() {
        let key = pick(rng, &["volume.beta.kubernetes.io/mount-options", "description"]);
        let text = pick(rng, &["bg", "hard,bg", "see {{ the chart }}", "two\nlines", "# no comment", "a: b"]);
        metadata.push(("annotations".to_owned(), Value::Map(vec![(key.to_owned(), scalar(text))])));
    }
    fields.push(("metadata".to_owned(), Value::Map(metadata)));
    let carriers = if is_class {
        fields.push(("provisioner".to_owned(), scalar("nfs.csi.k8s.io")));
        &mut fields
    } else {
        let attributes = Value::Map(vec![("mountOptions".to_owned(), scalar(pick(rng, &OPTIONS)))]);
        let csi = vec![
            ("driver".to_owned(), scalar("nfs.csi.k8s.io")),
            ("volumeAttributes".to_owned(), attributes),
        ];
        &mut vec![("csi".to_owned(), Value::Map(csi))]
    };
    carriers.push(("mountOptions".to_owned(), options(rng)));
    if rng.u8(..) < 10 {
        carriers.push(("mountOptions".to_owned(), options(rng)));
    }
    if !is_class {
        let spec = std::mem::take(carriers);
        fields.push(("spec".to_owned(), Value::Map(spec)));
    }
    rng.shuffle(&mut fields);
    Value::Map(fields)
}

fn separator(rng: &mut Rng) -> &'static str {
    pick(
        rng,
        &[
            "---\n", "---\n", "---\n", "---\n", "---\n", "---\n", "---\n", "---\n", "--- # c\n", "---  \n",
            "---#\n", "...\n---\n", "...\n", "--- ", "----\n", "%YAML 1.1\n---\n",
        ],
    )
}

/// Writes YAML.
struct Writer<'r> {
    rng: &'r mut Rng,
    anchors: usize,
    text: String,
}

impl Writer<'_> {
    fn document(&mut self, value: &Value) {
        if self.rng.u8(..) < 40 {
            self.flow(value);
            self.text.push('\n');
        } else {
            self.block(value, 0);
        }
    }

    /// An anchor, a tag or nothing before a value.
    fn properties(&mut self) {
        match self.rng.u8(..90) {
            0 => {
                self.anchors += 1;
                let _ = write!(self.text, "&a{} ", self.anchors);
            }
            1 => {
                let tag = pick(
                    self.rng,
                    &[
                        "!!str ",
                        "!!int ",
                        "!!binary ",
                        "! ",
                        "!x ",
                        "!<tag:yaml.org,2002:str> ",
                        "!!map ",
                        "!!null ",
                        "!!bin%61ry ",
                    ],
                );
                self.text.push_str(tag);
            }
            _ => {}
        }
    }

    /// An alias instead of a value.
    fn alias(&mut self) -> bool {
        let is_alias = self.anchors > 0 && self.rng.u8(..16) == 0;
        if is_alias {
            let number = 1 + self.rng.usize(..self.anchors);
            let _ = write!(self.text, "*a{number}");
        }
        is_alias
    }

    fn block(&mut self, value: &Value, indent: usize) {
        let pad = " ".repeat(indent);
        match value {
            Value::Scalar(_) => {
                self.text.push_str(&pad);
                self.scalar(value, false, indent);
                self.text.push('\n');
            }
            Value::List(items) => {
                for item in items {
                    self.text.push_str(&pad);
                    self.text.push_str(pick(self.rng, &["- ", "- ", "- ", "-   ", "-\t"]));
                    self.value(item, indent + 2);
                }
            }
            Value::Map(fields) => {
                for (key, item) in fields {
                    self.comment(&pad);
                    self.text.push_str(&pad);
                    self.merge(&pad);
                    self.key(key);
                    self.value(item, indent + 2);
                }
            }
        }
    }

    fn comment(&mut self, pad: &str) {
        if self.rng.u8(..20) == 0 {
            let comment = pick(self.rng, &["# c", "# {{ c }}", "# \"", "# kind: List", "#", "# '"]);
            let _ = writeln!(self.text, "{pad}{comment}");
        }
    }

    fn merge(&mut self, pad: &str) {
        if self.rng.u8(..40) == 0 {
            let options = pick(
                self.rng,
                &[
                    "{mountOptions: [bg]}",
                    "{mountOptions: [fg], x: y}",
                    "[{kind: ConfigMap}, {kind: List}]",
                    "{}",
                    "{<<: {mountOptions: [bg]}}",
                    "x",
                    "*a1",
                ],
            );
            let key = pick(self.rng, &["<<", "<<", "<<", "\"<<\"", "!!merge <<", "? <<\n"]);
            let _ = write!(self.text, "{key}: {options}\n{pad}");
        }
    }

    fn key(&mut self, key: &str) {
        let written = match self.rng.u8(..30) {
            0 => format!("\"{key}\":"),
            1 => format!("'{key}' :"),
            2 => format!("? {key}\n:"),
            3 => format!("\"{}\":", escaped(self.rng, key)),
            4 => {
                self.properties();
                format!("{key}:")
            }
            _ => format!("{key}:"),
        };
        self.text.push_str(&written);
    }

    /// Writes the text after a key or a dash, to the line's end.
    fn value(&mut self, value: &Value, indent: usize) {
        self.text.push(' ');
        if self.alias() {
            self.text.push('\n');
            return;
        }
        self.properties();
        match value {
            Value::Scalar(_) => {
                self.scalar(value, false, indent);
                self.text.push_str(pick(
                    self.rng,
                    &["\n", "\n", "\n", "\n", " # c\n", "\r\n", "  \n", "\t# {{\n"],
                ));
            }
            _ if self.rng.u8(..3) == 0 => {
                self.flow(value);
                self.text.push('\n');
            }
            Value::List(items) if items.is_empty() => self.text.push_str("[]\n"),
            Value::Map(fields) if fields.is_empty() => self.text.push_str("{}\n"),
            _ => {
                self.text.push('\n');
                self.block(value, indent);
            }
        }
    }

    fn flow(&mut self, value: &Value) {
        match value {
            Value::Scalar(_) => self.scalar(value, true, 0),
            Value::List(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.comma(index);
                    if !self.alias() {
                        self.properties();
                        self.flow(item);
                    }
                }
                self.text.push_str(pick(self.rng, &["]", "]", " ]", ",]", "\n ]"]));
            }
            Value::Map(fields) => {
                self.text.push('{');
                for (index, (key, item)) in fields.iter().enumerate() {
                    self.comma(index);
                    if self.rng.u8(..50) == 0 {
                        self.text.push_str("<<: {mountOptions: [bg]}, ");
                    }
                    self.key(key);
                    self.text.push(' ');
                    if !self.alias() {
                        self.properties();
                        self.flow(item);
                    }
                }
                self.text.push_str(pick(self.rng, &["}", "}", " }", ",}", "\n }"]));
            }
        }
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.text.push_str(pick(self.rng, &[", ", ", ", ",", ",\n  ", " ,\t", ", # c\n "]));
        }
    }

    fn scalar(&mut self, value: &Value, in_flow: bool, indent: usize) {
        let Value::Scalar(text) = value else { return };
        let is_quoted =
            text.is_empty() || text.contains(['\n', '#', '{', '\'', ':']) || in_flow && text.contains(',');
        let written = match self.rng.u8(..12) {
            0 => format!("'{}'", text.replace('\'', "''")),
            1 => format!("\"{}\"", escaped(self.rng, text)),
            2 if !in_flow && indent > 0 => {
                let header = pick(self.rng, &["|-", ">-", "|", ">", "|+", "|2-", ">\t# c"]);
                let pad = " ".repeat(indent);
                format!("{header}\n{pad}{}", text.replace('\n', &format!("\n{pad}")))
            }
            _ if !is_quoted => text.clone(),
            _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")),
        };
        self.text.push_str(&written);
    }
}

/// The text in double quotes, some letters as escapes.
fn escaped(rng: &mut Rng, text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let code = u32::from(letter);
        let _ = match rng.u8(..30) {
            0 if code < 256 => write!(out, "\\x{code:02x}"),
            1 => write!(out, "\\u{code:04X}"),
            2 => write!(out, "\\U{code:08x}"),
            3 => write!(out, "\\\n  {letter}"),
            _ if letter == '\n' => write!(out, "\\n"),
            _ => write!(out, "{letter}"),
        };
    }
    out
}

fn json(rng: &mut Rng, value: &Value, text: &mut String) {
    let blank = |rng: &mut Rng| pick(rng, &["", "", "", " ", "\n", "\t", "\r\n"]);
    match value {
        Value::Scalar(scalar) => json_string(rng, scalar, text),
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                text.push_str(blank(rng));
                json(rng, item, text);
            }
            text.push(']');
        }
        Value::Map(fields) => {
            text.push('{');
            for (index, (key, item)) in fields.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                text.push_str(blank(rng));
                json_string(rng, key, text);
                text.push(':');
                match rng.u8(..60) {
                    0 => text.push_str(pick(rng, &["null", "1", "true", "{}", "[]", "\"\""])),
                    _ => json(rng, item, text),
                }
            }
            text.push('}');
        }
    }
}

fn json_string(rng: &mut Rng, value: &str, text: &mut String) {
    text.push('"');
    for letter in value.chars() {
        let _ = match (rng.u8(..40), letter) {
            (0, _) => write!(text, "\\u{:04x}", u32::from(letter)),
            (_, '\n') => write!(text, "\\n"),
            (_, '"' | '\\') => write!(text, "\\{letter}"),
            _ => write!(text, "{letter}"),
        };
    }
    text.push('"');
}

/// Texts that are inserted, or replace a character, at any place.
const PIECES: [&str; 62] = [
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\u{feff}",
    "\u{a0}",
    "\r",
    "\n",
    "\t",
    " ",
    "\u{1b}",
    "\u{0}",
    "#",
    " #",
    "'",
    "\"",
    ":",
    ": ",
    "-",
    "- ",
    "---",
    "\n---\n",
    "\n---",
    "\n...\n",
    "{",
    "}",
    "{{",
    "}}",
    "[",
    "]",
    ",",
    "&a ",
    "&a:b ",
    "*a",
    "*a1",
    "!!binary ",
    "!!str,",
    "!",
    "|",
    ">",
    "|\n",
    "?",
    "? ",
    "<<: ",
    "\n<<: {mountOptions: [bg]}\n",
    "~",
    "null",
    "\\",
    "\\\u{2028}",
    "@",
    "`",
    "%",
    "%YAML 1.1\n",
    "\nitems: []\n",
    "\nkind: List\n",
    "mountOptions: [bg]",
    "\nmountOptions: [bg]\n",
    "\u{2028}mountOptions: [bg]\n",
    "🦀",
    "\u{200b}",
    "{}",
    "items",
    "é",
];

fn mutated(rng: &mut Rng, text: String) -> String {
    let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let at = |rng: &mut Rng| boundaries.get(rng.usize(..boundaries.len())).copied().unwrap_or_default();
    let (one, other) = (at(rng), at(rng));
    let (start, end) = (one.min(other), one.max(other));
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    match rng.u8(..10) {
        0..6 => format!("{}{}{}", part(0, one), pick(rng, &PIECES), part(one, text.len())),
        6 => {
            let next = text.get(one..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            format!("{}{}{}", part(0, one), pick(rng, &PIECES), part(one + next, text.len()))
        }
        7 if end - start < 40 => format!("{}{}", part(0, start), part(end, text.len())),
        8 => format!("{}{}{}", part(0, end), part(start, end), part(end, text.len())),
        9 => {
            // A line break of another kind.
            let breaks: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
            let Some(at) = breaks.get(rng.usize(..breaks.len().max(1))) else { return text };
            let other = pick(rng, &["\r", "\u{2028}", "\u{85}", "\u{2029}", "\r\n", "\n\n"]);
            format!("{}{other}{}", part(0, *at), part(at + 1, text.len()))
        }
        _ => text,
    }
}

fn encoded(rng: &mut Rng, text: String) -> Vec<u8> {
    let utf16 = |mark: bool, order: fn(u16) -> [u8; 2]| {
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(order).collect::<Vec<u8>>()
    };
    match rng.u8(..100) {
        0 => utf16(true, u16::to_le_bytes),
        1 => utf16(true, u16::to_be_bytes),
        2 => utf16(false, u16::to_le_bytes),
        3 => format!("\u{feff}{text}").into_bytes(),
        4 => {
            let mut bytes = text.into_bytes();
            let at = rng.usize(..=bytes.len());
            bytes.insert(at, 0xE9);
            bytes
        }
        _ => text.into_bytes(),
    }
}
