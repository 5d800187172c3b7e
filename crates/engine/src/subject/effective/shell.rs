//! Returns the word that a shell makes of options that a driver hands it unquoted.

/// Splits an unquoted text as a shell does: returns its first word without quotes and backslashes,
/// and whether that was all of it.
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
            (character, None) if character.is_whitespace() || COMMANDS.contains(character) => {
                return (word, false);
            }
            (character, _) => word.push(character),
        }
    }
    (word, true)
}

/// Returns the options in the words after the first that a shell makes of an unquoted text, where mount
/// takes all of these words: `3 -o bg`. `None` where there are none, or one is something else.
pub(super) fn further_words(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim_start();
    let mut words = Vec::new();
    // A list may be hostile, and few words are enough to mount.
    while !rest.is_empty() && words.len() < MOST_WORDS {
        let length = word_length(rest);
        words.push(shell_word(rest.get(..length)?).0);
        rest = rest.get(length..)?;
        if rest.starts_with(|character| COMMANDS.contains(character)) {
            return None;
        }
        // Text that is appended would be a word of its own.
        if !rest.is_empty() && rest.trim_start().is_empty() {
            return None;
        }
        rest = rest.trim_start();
    }
    let mut options = Vec::new();
    let mut further = words.into_iter().skip(1);
    while let Some(word) = further.next() {
        let value = word.strip_prefix("--options").map(|rest| rest.trim_start_matches('='));
        let value = value.or_else(|| word.strip_prefix("-o"))?;
        options.push(if value.is_empty() { further.next().unwrap_or_default() } else { value.to_owned() });
    }
    (rest.is_empty() && !options.is_empty()).then_some(options)
}

/// Most words of a text that are looked at.
const MOST_WORDS: usize = 64;

/// Returns the bytes of the first word of a text, quotes and backslashes with it.
fn word_length(text: &str) -> usize {
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => drop(characters.next()),
            ('"' | '\'', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            (character, None) if character.is_whitespace() || COMMANDS.contains(character) => return at,
            _ => {}
        }
    }
    text.len()
}

/// Returns true if a shell makes several words of an unquoted text, all of one command.
pub(super) fn is_several_words(text: &str) -> bool {
    let text = text.trim();
    let (_, is_whole) = shell_word(text);
    if is_whole {
        return false;
    }
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => drop(characters.next()),
            ('"' | '\'', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            (character, None) if character.is_whitespace() => {
                let next = characters.find(|next| !next.is_whitespace());
                return next.is_some_and(|next| !COMMANDS.contains(next));
            }
            (character, None) if COMMANDS.contains(character) => return false,
            _ => {}
        }
    }
    false
}

/// Characters that end a command or a word of it.
const COMMANDS: &str = ";&|<>()";

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
    use super::{further_words, is_several_words, shell_word};

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

    #[test]
    fn words_that_are_switches_of_mount_add_options() {
        for (text, options) in [
            ("3 -o bg", Some(&["bg"][..])),
            ("3 -o bg,noresvport", Some(&["bg,noresvport"])),
            ("hard -obg --options=soft", Some(&["bg", "soft"])),
            ("hard --options bg", Some(&["bg"])),
            ("hard '-o' \"bg\"", Some(&["bg"])),
            ("hard bg", None),
            ("hard", None),
            ("hard -o bg x", None),
            ("hard -o bg ", None),
            ("hard -o bg;true", None),
            ("hard -v", None),
        ] {
            let options = options.map(|options| options.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(further_words(text), options, "{text}");
        }
    }

    #[test]
    fn a_blank_in_the_middle_makes_two_words() {
        for (text, several) in [
            ("hard bg", true),
            ("hard, bg", true),
            (" hard ", false),
            ("hard", false),
            ("hard;true x", false),
            ("hard ;true", false),
            ("context=\"a b\",fg", false),
            ("hard\\ bg", false),
            ("${X} bg", true),
        ] {
            assert_eq!(is_several_words(text), several, "{text}");
        }
    }
}
