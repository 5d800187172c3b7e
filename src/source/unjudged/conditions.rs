//! Parts of policies that only test options: nothing of them is written to an object.

use super::Search;
use crate::source::tree::NodeId;

/// Kinds of policies that only admit or deny (Kubernetes, Kyverno), and what Gatekeeper makes constraints of.
const POLICIES: [&str; 6] = [
    "ValidatingAdmissionPolicy",
    "ValidatingPolicy",
    "NamespacedValidatingPolicy",
    "ImageValidatingPolicy",
    "NamespacedImageValidatingPolicy",
    "ConstraintTemplate",
];

/// The group of Gatekeeper's constraints, of which each one has a kind of its own.
const CONSTRAINTS: &str = "constraints.gatekeeper.sh/";

impl Search<'_> {
    /// Returns true if the entry `name` of the mapping at `map` only tests what an object has.
    pub(super) fn only_tests(&self, map: NodeId, name: &str) -> bool {
        let text = |key| self.tree.get(map, key).and_then(|value| self.tree.text(value)).unwrap_or_default();
        match name {
            "spec" => POLICIES.contains(&text("kind")) || text("apiVersion").starts_with(CONSTRAINTS),
            // A rule of Kyverno, and a policy of Kubernetes that also writes.
            "validate" => self.path.iter().nth_back(2).is_some_and(|parent| parent == "rules"),
            "matchConditions" => self.path.iter().nth_back(1).is_some_and(|parent| parent == "spec"),
            _ => is_condition(name) && self.path.iter().any(|step| step == "patchStrategicMerge"),
        }
    }
}

/// Returns true for a key with an anchor of Kyverno's that is a condition: `(key)` and `<(key)`. One with `+` is
/// added.
fn is_condition(key: &str) -> bool {
    key.ends_with(')') && (key.starts_with('(') || key.starts_with("<("))
}

#[cfg(test)]
mod tests {
    use super::super::super::text::Lines;
    use super::super::super::trees;
    use super::super::find;

    /// Returns the first place, and whether `bg` is there.
    fn found(text: &str) -> Option<(String, bool)> {
        let lines = Lines::new(text);
        let tree = trees(text, &lines).next()?.ok()?;
        let found = find(&tree, tree.root()?)?;
        Some((found.at(), found.why().ends_with("(bg among them)")))
    }

    #[test]
    fn what_only_tests_options_holds_none() {
        for text in [
            "spec: {rules: [{name: r, validate: {pattern: {mountOptions: ['!bg']}}}]}\n",
            "spec: {rules: [{name: r, validate: {anyPattern: [{mountOptions: ['!bg']}, {mountOptions: null}]}}]}\n",
            "rules: [{mutate: {patchStrategicMerge: {(mountOptions): [bg], metadata: {labels: {a: b}}}}}]\n",
            "rules: [{mutate: {patchStrategicMerge: {<(mountOptions): [bg]}}}]\n",
            "rules: [{mutate: {patchStrategicMerge: {(spec): {mountOptions: [bg]}}}}]\n",
            "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sOptions\nspec: {parameters: {mountOptions: [bg], \
             forbiddenMountOptions: [bg]}}\n",
            "kind: ConstraintTemplate\nspec:\n  targets:\n  - rego: |\n      mountOptions := {\"bg\"}\n",
            "kind: ValidatingAdmissionPolicy\nspec: {variables: [{expression: \"{'mountOptions': ['bg']}\"}]}\n",
            "spec: {matchConditions: [{expression: \"object.a == {'mountOptions': ['bg']}\"}]}\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_policy_writes_counts_beside_its_conditions() {
        for (text, at) in [
            (
                "rules: [{mutate: {patchStrategicMerge: {(mountOptions): [bg], +(mountOptions): [bg]}}}]\n",
                "rules[0].mutate.patchStrategicMerge.+(mountOptions)",
            ),
            (
                "rules: [{validate: {}, generate: {data: {mountOptions: [bg]}}}]\n",
                "rules[0].generate.data.mountOptions",
            ),
            ("validate: {mountOptions: [bg]}\n", "validate.mountOptions"),
            (
                "kind: MutatingPolicy\nspec: {variables: [{expression: \"{'mountOptions': dyn(['hard', 'bg'])}\"}]}\n",
                "spec.variables[0].expression",
            ),
        ] {
            assert_eq!(found(text), Some((at.to_owned(), true)), "{text}");
        }
    }

    #[test]
    fn a_patch_without_a_target_writes_to_the_path_that_it_reads() {
        for (text, at) in [
            ("patches: [{fromFieldPath: spec.mountOptions}]\n", Some("patches[0].fromFieldPath")),
            (
                "patches: [{type: FromCompositeFieldPath, fromFieldPath: 'spec.mountOptions[0]', toFieldPath: ''}]\n",
                Some("patches[0].fromFieldPath"),
            ),
            (
                "references: [{patchesFrom: {name: a, fieldPath: spec.mountOptions}}]\n",
                Some("references[0].patchesFrom"),
            ),
            ("patches: [{fromFieldPath: spec.mountOptions, toFieldPath: metadata.labels.a}]\n", None),
            ("references: [{patchesFrom: {fieldPath: spec.mountOptions}, toFieldPath: spec.a}]\n", None),
            ("connectionDetails: [{fromFieldPath: spec.mountOptions}]\n", None),
            (
                "patches: [{combine: {variables: [{fromFieldPath: spec.mountOptions}]}, toFieldPath: a}]\n",
                None,
            ),
        ] {
            assert_eq!(found(text).map(|(at, _)| at).as_deref(), at, "{text}");
        }
    }

    #[test]
    fn fields_in_code_are_found_wherever_they_stand_on_a_line() {
        for (text, has_bg) in [
            (r#"source: 'items = [{kind = "StorageClass", mountOptions = ["hard", "bg"]}]'"#, Some(true)),
            (r#"source: 'items = [{kind: "StorageClass", mountOptions: ["hard"]}]'"#, Some(false)),
            (r#"source: "storage_class(name='a', mountOptions=['hard', 'bg'])""#, Some(true)),
            (r#"source: "local a = 1; { 'mountOptions'+: ['bg'] }""#, Some(true)),
            ("source: |\n  items = [\n    {kind = \"PV\", mountOptions = [\"bg\"]}\n  ]\n", Some(true)),
            (r#"source: 'a = [o for o in item.mountOptions if {mountOptions == ["bg"]}]'"#, None),
            (r#"message: 'write {mountOptions = ["bg"]}'"#, None),
            (r#"source: 'one of these, mountOptions: "hard"'"#, None),
        ] {
            assert_eq!(found(text).map(|(_, has_bg)| has_bg), has_bg, "{text}");
        }
    }
}
