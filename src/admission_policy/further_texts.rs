//! Texts beyond the carriers of which a driver makes options, in CEL: a `volumeHandle`, a server or a path in
//! its mount command.

use super::cel::{hanging, is_one_of, list, string};
use super::drivers::{Names, Table};
use crate::subject::driver::evidence::Evidence;
use crate::subject::driver::{Driver, HandleText, Role};

/// Returns CEL for what the drivers make further options of beyond their carriers, as a list of texts
/// that begin with something else: a `volumeHandle` or a path in their mount command.
pub(super) fn further_texts(table: &Table<'_>, names: Names, attributes: &str) -> String {
    let handle = format!("{}.?spec.?csi.?volumeHandle.orValue('')", names.object);
    let mut terms = Vec::new();
    for (name, row) in table.named_rows() {
        let script = row.variants.iter().find(|variant| matches!(variant.when, Evidence::FlexVolume));
        let script = script.filter(|_| row.scripts.contains(&name)).map(|variant| (variant.row, true));
        for (row, is_script) in script.into_iter().chain([(row, false)]) {
            let texts = texts_of(row, &handle, attributes);
            let Some(is) = is_one_of(names.driver, &[name]).filter(|_| !texts.is_empty()) else {
                continue;
            };
            let is_flex = format!("{}.?spec.?flexVolume.hasValue()", names.object);
            let is = if is_script { format!("{is} && {is_flex}") } else { is };
            terms.push(format!("({is} ?\n  {} : [])", hanging(&texts.join(" +\n"), 2)));
        }
    }
    if terms.is_empty() { "[]".to_owned() } else { terms.join(" +\n") }
}

/// Returns the texts of [`further_texts`] for one row: lists of options, after a first one that is
/// none.
fn texts_of(row: &Driver, handle: &str, attributes: &str) -> Vec<String> {
    // Words become options with commas between them; the switches go.
    let words = |texts: &str| {
        format!(
            r"{texts}.filter(t, t.matches(r'[\s\v\x{{85}}\pZ](-o|--options)'))
  .map(t, 'x' + t.replace(' ', ',').replace('\t', ',').replace('\n', ',')
    .replace('-o,', '').replace('--options,', '').replace('--options=', '').replace('-o', ''))"
        )
    };
    let arguments = row.carriers.iter().filter(|carrier| carrier.role == Role::Argument);
    let of_key = |exact: bool| {
        let of = arguments.clone().filter(|carrier| carrier.exact == exact);
        let keys: Vec<String> = of
            .map(|carrier| if exact { carrier.key.to_owned() } else { carrier.key.to_ascii_lowercase() })
            .collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let key = if exact { "k" } else { "k.lowerAscii()" };
        let map = || format!("{attributes}.filter(k, {key} in {})\n  .map(k, {attributes}[k])", list(&keys));
        (!keys.is_empty()).then(|| words(&map()))
    };
    let of_handle = match row.handle {
        HandleText::Name => None,
        HandleText::Word => Some(words(&format!("[{handle}]"))),
        HandleText::Value(prefix) => {
            let prefix = string(prefix);
            Some(format!(
                "[{handle}].filter(t, t.contains({prefix}))\n  .map(t, 'x' + t.split({prefix}, 2)[1])"
            ))
        }
    };
    [of_handle, of_key(true), of_key(false)].into_iter().flatten().collect()
}
