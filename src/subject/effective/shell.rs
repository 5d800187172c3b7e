//! What a shell makes of options that a driver hands it unquoted.

/// What a shell makes of an unquoted text: its first word without quotes and
/// backslashes, and whether that was all of it.
pub(super) fn shell_word(text: &str) -> (String, bool) {
    let mut word = String::with_capacity(text.len());
    let mut quote = None;
    let mut characters = text.trim_start().chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => word.extend(characters.next()),
            // No variable of the driver's environment has a name that an option would hold.
            ('$', None | Some('"')) => skip_variable(&mut characters),
            ('"' | '\'', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            (character, None) if character.is_whitespace() || ";&|<>()".contains(character) => {
                return (word, false);
            }
            (character, _) => word.push(character),
        }
    }
    (word, true)
}

/// Skips the name of a shell variable, which is taken as unset.
fn skip_variable(characters: &mut std::str::Chars<'_>) {
    if let Some(rest) = characters.as_str().strip_prefix('{') {
        *characters = rest.split_once('}').map_or("", |(_, rest)| rest).chars();
        return;
    }
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    *characters = characters.as_str().trim_start_matches(is_name).chars();
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn a_shell_takes_quotes_away_and_stops_at_a_blank() {
        for (text, word, whole) in [
            ("hard", "hard", true),
            ("'bg'", "bg", true),
            ("\"bg\"", "bg", true),
            ("b\\g", "bg", true),
            ("${X}bg", "bg", true),
            ("b$Y", "b", true),
            ("bg ", "bg", false),
            ("hard;true", "hard", false),
            ("context=\"a:c1,c2\"", "context=a:c1,c2", true),
        ] {
            assert_eq!(shell_word(text), (word.to_owned(), whole), "{text}");
        }
    }
}
