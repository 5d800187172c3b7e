//! The fault of a text that is not YAML, in the words of its author: the parser speaks of
//! scalars, nodes and tokens.

/// Faults by what the parser says of them, the first one that its message contains counts.
/// The messages are those of saphyr-parser 0.3 (`src/scanner.rs`, `src/parser.rs`).
const WORDS: &[(&str, &str)] = &[
    (
        "a flow mapping, did not find expected",
        "expected \",\" or \"}\"; close the \"{\", or put text with {, }, [, ] or # in quotes",
    ),
    (
        "a flow sequence, expected",
        "expected \",\" or \"]\"; close the \"[\", or put text with {, }, [, ] or # in quotes",
    ),
    ("flow construct", "a line between brackets is not indented; indent it, or close the bracket above"),
    ("misplaced bracket", "a closing bracket without an opening one; delete it, or put the text in quotes"),
    (
        "did not find expected node content",
        "a value is missing; write it, or put text that starts with a special character in quotes",
    ),
    (
        "a block mapping, did not find expected key",
        "expected a key; correct the indentation, or the quotes and brackets before it",
    ),
    (
        "a block collection, did not find",
        "expected \"- \"; correct the indentation, or the quotes and brackets before it",
    ),
    (
        "mapping values are not allowed",
        "\": \" is not allowed here; correct the indentation, or put the text in quotes",
    ),
    (
        "mapping keys are not allowed",
        "\"? \" is not allowed here; correct the indentation, or put the text in quotes",
    ),
    (
        "block sequence entries are not allowed",
        "\"- \" is not allowed here; write each item of the list on a line of its own",
    ),
    (
        "illegal placement of ':'",
        "\":\" is not allowed here; close the bracket before it, or put the text in quotes",
    ),
    (
        "simple key",
        "expected \":\" after a key; correct the indentation, or the quotes and brackets before it",
    ),
    ("found unexpected end of stream", "a quote is not closed; add the closing quote"),
    (
        "found unexpected document indicator",
        "a quote is not closed before \"---\" or \"...\"; add the closing quote",
    ),
    ("indentation in quoted scalar", "a line in quotes is not indented; indent it, or close the quote above"),
    ("trailing content after double-quoted", "text after a closing quote; put the whole value in quotes"),
    (
        "unknown escape character",
        "unknown escape in double quotes; write \\\\ for a backslash, or use single quotes",
    ),
    (
        "hexadecimal number",
        "an escape in double quotes lacks hexadecimal digits; write \\\\ for a backslash, or use single quotes",
    ),
    (
        "Unicode character escape code",
        "an escape in double quotes is not a character; write \\\\ for a backslash, or use single quotes",
    ),
    ("tab", "a tab is used as indentation; use spaces"),
    (
        "unknown anchor",
        "an alias (*NAME) has no anchor (&NAME) before it; correct the name, or put the text in quotes",
    ),
    ("duplicated anchor", "an anchor (&NAME) occurs twice; rename one"),
    ("indentation for anchor", "an anchor (&NAME) is not indented like its value; correct the indentation"),
    ("an anchor or alias", "a name must follow \"&\" or \"*\"; put text that starts with one in quotes"),
    (
        "indented line in block scalar",
        "a line of a text after \"|\" or \">\" is indented less than its first line; correct the indentation",
    ),
    (
        "a block scalar",
        "only a digit, \"+\", \"-\" or a comment may follow \"|\" or \">\"; write the text on the next lines",
    ),
    (
        "comment intercepting",
        "a comment within a text of several lines; move the comment, or put the text in quotes",
    ),
    ("comments must be separated", "write whitespace before \"#\", or put the text in quotes"),
    ("invalid content after document end", "text after \"...\"; move it to the next line"),
    ("plain scalar cannot start", "\"-\" before a bracket or a comma; put the text in quotes"),
    ("end of plain scalar", "a value ends too early; put the text in quotes"),
    ("byte order mark", "a byte order mark within the text; delete it"),
    ("unprintable", "a control character; delete it"),
    ("recursion limit", "is nested too deeply"),
    ("unexpected eof", "the text ends too early"),
    (
        "handle wasn't declared",
        "a tag (!NAME!) without its %TAG line; put text that starts with \"!\" in quotes",
    ),
    (
        "directive",
        "a line that starts with \"%\" is not a valid directive; delete it, or put the text in quotes",
    ),
    (" tag", "a tag (!NAME) is not valid; put text that starts with \"!\" in quotes"),
    ("TAG", "a %TAG line is not valid; delete it"),
    ("document", "text after the end of a document; correct the indentation, or write \"---\" before it"),
    ("indentation", "wrong indentation; align the line with the lines before it"),
    ("expected whitespace", "expected whitespace; put the text in quotes"),
];

/// Returns the words for a fault, with a remedy. `info` is the parser's message without its place.
pub(super) fn words(info: &str) -> String {
    // The one message that quotes the text.
    if let Some(character) =
        info.strip_prefix("unexpected character: `").and_then(|rest| rest.strip_suffix('\''))
    {
        return format!("a value cannot start with {character:?}; put it in quotes");
    }
    // In the order of the table: its general parts come last.
    let found = WORDS.iter().find(|(part, _)| info.contains(part));
    found
        .map_or("cannot be read here; correct the indentation, or put the text in quotes", |(_, words)| words)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use crate::source::text::Lines;
    use crate::source::yaml::Documents;

    /// Returns the fault of a text.
    fn fault(text: &str) -> String {
        let lines = Lines::new(text);
        let found = Documents::new(text, &lines, 0).find_map(Result::err);
        found.map(|problem| problem.message).unwrap_or_default()
    }

    #[test]
    fn a_fault_is_told_without_the_parsers_terms() {
        for (text, wanted) in [
            ("a: {b: 1, c\nd: 2\n", "expected \",\" or \"}\""),
            ("a: [b, c\nd: 2\n", "close the bracket before it"),
            ("a: [b, c\n", "expected \",\" or \"]\""),
            ("a: {b: 1}}\n", "closing bracket"),
            ("a: \"b\n", "a quote is not closed"),
            ("a: 'b\n", "a quote is not closed"),
            ("a: \"b\" c\n", "text after a closing quote"),
            ("a: \"\\q\"\n", "unknown escape"),
            ("a: \"\\xzz\"\n", "hexadecimal"),
            ("a:\n\tb: 1\n", "a tab"),
            ("a: b: c\n", "\": \" is not allowed here"),
            ("a: - b\n", "\"- \" is not allowed here"),
            ("a: 1\n  b: 2\n", "\": \" is not allowed here"),
            ("a:\n  b: 1\n c: 2\n", "expected a key"),
            ("a:\n- b\n  c: 1\n", "\": \" is not allowed here"),
            ("a:\n- b\nc\n", "expected \":\""),
            ("a: *b\n", "alias"),
            ("a: &\n", "a name must follow"),
            ("a: @b\n", "cannot start with \"@\""),
            ("a: `b`\n", "cannot start with \"`\""),
            ("a: %b\n", "cannot start with \"%\""),
            ("a: |x\n  b\n", "may follow"),
            ("a: !<b\n", "tag"),
            ("a: !b!c d\n", "tag"),
            ("%YAML x\n---\na: 1\n", "directive"),
            ("- a\nb: 1\n", "expected \"- \""),
            ("a: [b,, c]\n", "a value is missing"),
        ] {
            let told = fault(text);
            assert!(told.starts_with("is not YAML: ") && told.contains(wanted), "{text:?}: {told}");
            for term in
                ["scalar", "node", "token", "scanning", "parsing", "flow", "stream", "construct", "eof"]
            {
                assert!(!told.contains(term), "{text:?}: {told}");
            }
        }
    }
}
