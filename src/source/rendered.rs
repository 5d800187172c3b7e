//! Templates of rendered documents: `helm template` writes above each document
//! the template it comes from (`# Source: %s`,
//! <https://github.com/helm/helm/blob/v4.3.1/pkg/cmd/template.go>).

/// The mark of the template's name, on the line below `---`.
const MARK: &str = "# Source: ";

/// Endings of templates; anything else is an ordinary comment.
const ENDINGS: [&str; 4] = [".yaml", ".yml", ".tpl", ".json"];

/// Returns the template that a document names as its source, as Helm writes it: a path that begins
/// with the chart's name. `before` is what stands before the document, which may begin with its own
/// separator or right below it.
pub(super) fn template<'t>(before: &str, document: &'t str) -> Option<&'t str> {
    let is_separator = |line: Option<&str>| line.is_some_and(|line| line.starts_with("---"));
    let mut lines = document.lines();
    let first = lines.next();
    let line = if is_separator(first) {
        lines.next()
    } else {
        let end = before.strip_suffix('\n')?;
        first.filter(|_| is_separator(end.rsplit('\n').next()))
    };
    let path = line?.trim_end().strip_prefix(MARK)?.trim_start();
    let is_in_chart = path.contains('/') && !path.contains("://");
    (is_in_chart && ENDINGS.iter().any(|ending| path.ends_with(ending))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_a_template_right_below_the_separator_is_one() {
        for (before, text, path) in [
            ("", "---\n# Source: a/templates/b c.yaml\nkind: A\n", "a/templates/b c.yaml"),
            ("", "--- # x\r\n# Source: a/crds/b.yml\r\n", "a/crds/b.yml"),
            ("kind: B\n---\n", "# Source: a/b.tpl\nkind: A\n", "a/b.tpl"),
        ] {
            assert_eq!(template(before, text), Some(path), "{text}");
        }
        for text in [
            "# Source: a/b.yaml\n",
            "---\n\n# Source: a/b.yaml\n",
            "---\nkind: A # Source: a/b.yaml\n",
            "---\n# Source: https://example.com\n",
            "---\n# Source: https://example.com/a/b.yaml\n",
            "---\n# Source: b.yaml\n",
            "---\n# Source:\n",
            "---\n",
            "",
        ] {
            assert_eq!(template("", text), None, "{text}");
            assert_eq!(template("a: b\n", text.trim_start_matches("---\n")), None, "{text}");
        }
    }
}
