//! Large Lists, item by item: all values of one take many times the memory of its text.
//!
//! The text is read twice. The first time finds out what the List is and that all of it can be read;
//! the items are forgotten. The second time gives each item a tree of its own.

use std::cell::OnceCell;
use std::ops::Range;

use saphyr_parser::Event;

use super::{Builder, Lines, Problem, Reading, Tree};

/// Bytes of a document from which on it is read twice.
const LARGE: usize = 1024 * 1024;

/// Returns the tree of a large List, in which a scalar stands for each item; `None` for any other
/// document, for one that cannot be read, and for one with anchors, which items may share.
pub(super) fn list<'t>(text: &'t str, lines: &Lines<'t>, piece: Range<usize>) -> Option<Tree<'t>> {
    if piece.len() < LARGE {
        return None;
    }
    let mut has_csi = false;
    let mut tree = read(text, lines, piece.clone(), &mut |item| has_csi |= item.has_csi_key()).ok()??;
    let has_kind = tree.get(0, "kind").is_some_and(|kind| tree.string(kind).is_some());
    let items = tree.get(0, "items").and_then(|items| tree.items(items));
    if !has_kind || items.is_none_or(<[_]>::is_empty) {
        return None;
    }
    has_csi |= tree.has_csi_key();
    tree.has_csi = OnceCell::from(has_csi);
    tree.apart = Some(piece);
    Some(tree)
}

/// Visits the items that were left out of the tree of a List.
pub(in super::super) fn each_item<'t>(
    text: &'t str,
    lines: &Lines<'t>,
    list: &Tree<'_>,
    visit: &mut dyn FnMut(&Tree<'t>),
) {
    let Some(piece) = list.apart.clone() else { return };
    // It was read without a problem before.
    let _ = read(text, lines, piece, &mut |mut item| {
        item.is_template = list.is_template;
        item.has_csi = list.has_csi.clone();
        visit(&item);
    });
}

/// Reads a document whose items are given away one by one; `None` where anything has an anchor.
fn read<'t>(
    text: &'t str,
    lines: &Lines<'t>,
    piece: Range<usize>,
    give: &mut dyn FnMut(Tree<'t>),
) -> Result<Option<Tree<'t>>, Problem> {
    let written = text.get(piece.clone()).unwrap_or_default();
    let mut reading = Reading::new(text, lines, written, piece);
    let mut list: Option<Builder<'t>> = None;
    let mut item: Option<Builder<'t>> = None;
    while let Some((event, span)) = reading.event()? {
        let builder = match (&event, &mut list) {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), None) => {
                list = Some(Builder::new(text));
                continue;
            }
            // A second document without a line of its own is an error, which names the place.
            (Event::DocumentStart(_), Some(_)) => return Ok(None),
            (Event::DocumentEnd, _) | (_, None) => continue,
            (_, Some(builder)) => builder,
        };
        if item.is_none() && builder.is_in_items() && !matches!(event, Event::SequenceEnd) {
            item = Some(builder.inner());
        }
        let inner = item.as_mut().unwrap_or(builder);
        inner.take(event, span, &mut reading.breaks)?;
        // An alias may lead to another item, and the tree of that one is gone.
        if inner.has_anchors {
            return Ok(None);
        }
        if let Some(complete) = item.take_if(|item| item.is_complete()) {
            builder.add_apart(&complete.tree)?;
            give(complete.tree);
        }
    }
    Ok(list.map(|list| list.tree).filter(|_| reading.breaks.problem(None).is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Item, trees, visit};

    /// Returns all items of a text, in words.
    fn described(text: &str) -> Vec<String> {
        let lines = Lines::new(text);
        let mut items = Vec::new();
        visit(text, &lines, &mut |item| {
            items.push(match item {
                Item::Object(object) => format!(
                    "{} {:?} {:?} {:?} {}",
                    object.kind,
                    object.span,
                    object.template,
                    object.value(),
                    object.is_template()
                ),
                other => format!("{other:?}"),
            });
        });
        items
    }

    const CLASS: &str = "kind: StorageClass\n  apiVersion: storage.k8s.io/v1\n  metadata: {name: a}\n  \
         provisioner: nfs.csi.k8s.io\n  mountOptions: [bg, \"h\\u0061rd\"]\n";

    #[test]
    fn a_large_list_is_read_as_a_small_one() {
        let volume =
            "kind: PersistentVolume\n  apiVersion: v1\n  metadata: {name: v}\n  spec: {mountOptions: [bg]}\n";
        let pod = "kind: Pod\n  apiVersion: v1\n  metadata: {name: p}\n  spec: {volumes: [{name: d, csi: {driver: \
             nfs.csi.k8s.io, volumeAttributes: {mountOptions: bg}}}]}\n";
        let without_csi =
            "kind: Pod\n  apiVersion: v1\n  metadata: {name: p, name: q}\n  spec: {volumes: []}\n";
        let review = "kind: AdmissionReview\n  apiVersion: admission.k8s.io/v1\n  request: {uid: u}\n";
        let other = "kind: Other\n  spec: {mountOptions: [bg]}\n";
        let head = "kind: List\napiVersion: v1\nitems:\n";
        let of = |items: &[&str]| items.iter().fold(head.to_owned(), |text, item| text + "- " + item);
        let twice = CLASS.replace("name: a", "name: a, name: b");
        let all = of(&[CLASS, volume, pod, without_csi, review, other, "text\n", "[1]\n", "null\n", &twice]);
        let texts = [
            all.clone(),
            of(&[without_csi]),
            of(&[CLASS, "kind: List\n  items: [{kind: List, items: []}]\n", CLASS]),
            of(&["&a\n  kind: List\n", "*a\n"]),
            of(&[CLASS, "{{ .Values.x }}: 1\n", CLASS]),
            of(&[CLASS, "a: }\n"]),
            of(&[CLASS]) + "items: []\n",
            of(&[CLASS]) + "more: {kind: StorageClass, apiVersion: storage.k8s.io/v1, mountOptions: [bg]}\n",
            of(&[CLASS]).replace("kind: List\napiVersion: v1\n", ""),
            of(&[CLASS]).replace("kind: List\n", "") + "kind: List\n",
            of(&[CLASS]).replace("kind: List\n", "kind: \"\"\n"),
            of(&[CLASS]) + "---\n" + &of(&[volume]),
            of(&[CLASS]) + "...\nkind: List\n",
            head.replace("items:", "items: [{kind: StorageClass, mountOptions: [bg]}, {a: b}]"),
            head.replace("items:", "items: {kind: StorageClass, mountOptions: [bg]}"),
            head.replace("items:", "items: []"),
            head.to_owned(),
            "# Source: a/templates/b.yaml\n".to_owned() + &of(&[CLASS]),
            format!("{head}- {}{}\n", "[".repeat(199), "]".repeat(199)),
            format!("{head}- {}{}\n", "[".repeat(198), "]".repeat(198)),
            "- a\n".to_owned(),
        ];
        let more = format!("# {}\n", "x".repeat(LARGE));
        for text in texts {
            assert_eq!(described(&format!("{text}{more}")), described(&text), "{text}");
        }
        let text = all + &more;
        let lines = Lines::new(&text);
        let tree = list(&text, &lines, 0..text.len()).expect("it is taken apart");
        assert_eq!(tree.nodes.len(), 17, "a node for each item");
        let whole = trees(&text, &lines).next().and_then(Result::ok).expect("a tree");
        assert!(whole.apart.is_none() && whole.nodes.len() > 100, "other readers see all of it");
    }
}
