//! Fields of objects as the API server sends them.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns a text at a JSON pointer; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a list at a JSON pointer; empty where there is none.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns a number at a JSON pointer.
pub(super) fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

/// Returns the texts of a list at a JSON pointer.
pub(super) fn texts<'v>(value: &'v Value, pointer: &str) -> Vec<&'v str> {
    list(value, pointer).iter().filter_map(Value::as_str).collect()
}

/// Returns a point in time at a JSON pointer.
pub(super) fn time(value: &Value, pointer: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text(value, pointer), &Rfc3339).ok()
}

/// Returns the object's name.
pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// Returns true if a label selector of an object selects these labels. One that is empty selects
/// everything (apimachinery, `LabelSelectorAsSelector`).
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let equal = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| label(key) == value.as_str()));
    equal
        && list(selector, "/matchExpressions").iter().all(|expression| {
            let seen = label(text(expression, "/key"));
            let values = texts(expression, "/values");
            let is_among = seen.is_some_and(|seen| values.contains(&seen));
            match text(expression, "/operator") {
                "In" => is_among,
                // It selects objects without the label as well.
                "NotIn" => !is_among,
                "Exists" => seen.is_some(),
                "DoesNotExist" => seen.is_none(),
                // The API server takes no other operator.
                _ => false,
            }
        })
}

/// Names as a list for people; the first few of many.
pub(super) fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const MOST: usize = 6;
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let further = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    let shown = names.join(", ");
    if further > 0 { format!("{shown} and {further} more") } else { shown }
}

/// Returns the beginning of a text from elsewhere: one line for people.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 400;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_selects_as_kubernetes_has_it() {
        let labels = json!({"app": "guard", "tier": "storage"});
        for (selector, wanted) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "guard"}}), true),
            (json!({"matchLabels": {"app": "other"}}), false),
            (json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["storage"]}]}), true),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["storage"]}]}),
                false,
            ),
            (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}), true),
            (json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}), false),
            (json!({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}), true),
            (json!({"matchExpressions": [{"key": "app", "operator": "Unheard"}]}), false),
        ] {
            assert_eq!(selects(&selector, &labels), wanted, "{selector}");
        }
    }

    #[test]
    fn many_names_and_long_texts_are_cut() {
        assert_eq!(named(["b", "a", "a"]), "a, b");
        assert_eq!(named(["1", "2", "3", "4", "5", "6", "7", "8"]), "1, 2, 3, 4, 5, 6 and 2 more");
        assert_eq!(short("a\n  b"), "a b");
        assert_eq!(short(&"é".repeat(500)).chars().count(), 403);
    }
}
