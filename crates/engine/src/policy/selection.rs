//! Rules as people name them: by code, by name, by the beginning of several.

use crate::rules::{self, RULES, Rule};

/// Selects rules: the one whose code or name `text` is, in any case, else all whose
/// code or name begins with it (`NMG00`, `soft`). Empty without a match.
pub fn select(text: &str) -> Vec<&'static Rule> {
    if let Some(rule) = rules::find(text) {
        return vec![rule];
    }
    let text = text.to_lowercase();
    RULES
        .iter()
        .copied()
        .filter(|rule| {
            !text.is_empty()
                && (rule.name.starts_with(&text) || rule.code.to_string().to_lowercase().starts_with(&text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_by_code_name_and_prefix() {
        assert_eq!(select("nmg001").len(), 1);
        assert_eq!(select("soft-mount").len(), 1);
        assert_eq!(select("soft").len(), 2);
        assert_eq!(select("NMG").len(), RULES.len());
        assert!(select("").is_empty() && select("nonsense").is_empty());
    }
}
