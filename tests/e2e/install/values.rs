//! Every value of the chart is described, in one place: values.yaml. The table
//! in docs/install.md is made from it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::ROOT;
use super::generated::{compare, compare_part};

/// Tests of the values and their schema.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("install::{name}"), test);
    vec![
        trial("every_value_is_described", described),
        trial("every_value_has_a_schema_and_every_schema_a_value", schema_and_values_agree),
        trial("the_policy_among_the_values_has_the_programs_schema", written_schema),
        trial("every_property_of_the_schema_is_described", described_schema),
        trial("the_chart_has_the_programs_version", version),
    ]
}

/// A value with its comment.
struct Described {
    path: String,
    default: Value,
    text: String,
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn values() -> Value {
    serde_saphyr::from_str(&read("manifests/chart/values.yaml")).expect("YAML")
}

/// Reads the comments above the keys. A key without one has to stand under one
/// that has, or above.
fn descriptions() -> Result<Vec<Described>, String> {
    let defaults = values();
    let (mut found, mut parents, mut comment) =
        (Vec::<Described>::new(), Vec::<(usize, String)>::new(), String::new());
    let mut silent = Vec::new();
    for line in read("manifests/chart/values.yaml").lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if let Some(text) = content.strip_prefix("# ") {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(text.trim());
            continue;
        }
        let Some((key, _)) = content.split_once(':').filter(|(key, _)| !key.is_empty()) else {
            if !comment.is_empty() {
                return Err(format!("a comment stands above no value: {comment}"));
            }
            continue;
        };
        parents.retain(|(level, _)| *level < indent);
        parents.push((indent, key.to_owned()));
        let path: Vec<&str> = parents.iter().map(|(_, key)| key.as_str()).collect();
        let path = path.join(".");
        if comment.is_empty() {
            silent.push(path);
        } else {
            let default =
                defaults.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
            found.push(Described { path, default, text: std::mem::take(&mut comment) });
        }
    }
    for path in silent {
        let is_covered = found.iter().any(|described| {
            path.starts_with(&format!("{}.", described.path))
                || described.path.starts_with(&format!("{path}."))
        });
        if !is_covered {
            return Err(format!("{path} is described nowhere"));
        }
    }
    Ok(found)
}

fn described() -> Result<(), Failed> {
    let mut table = "| value | default | what it does |\n|---|---|---|\n".to_owned();
    for Described { path, default, text } in descriptions()? {
        let text = text.replace('|', "\\|");
        writeln!(table, "| `{path}` | `{default}` | {text} |")?;
    }
    compare_part("docs/install.md", "values", &table);
    Ok(())
}

/// Paths of all keys, down to where a schema says nothing of keys.
fn paths(schema: &Value, values: &Value, path: &str, wrong: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (key, inner) in properties {
        let place = format!("{path}/{key}");
        // The policy's keys and an issuer's are all optional; `global` is Helm's.
        if place == "/global" || path.starts_with("/policy") || path.ends_with("/issuerRef") {
            continue;
        }
        match values.get(key) {
            Some(value) => paths(inner, value, &place, wrong),
            None => wrong.push(format!("{place} has a schema and no value")),
        }
    }
    for key in values.as_object().into_iter().flatten().map(|(key, _)| key) {
        if !properties.contains_key(key) {
            wrong.push(format!("{path}/{key} has a value and no schema"));
        }
    }
    if schema["additionalProperties"] != Value::Bool(false) {
        wrong.push(format!("{path} takes any key"));
    }
}

fn schema_and_values_agree() -> Result<(), Failed> {
    let schema: Value = serde_json::from_str(&read("manifests/chart/values.schema.json"))?;
    let mut wrong = Vec::new();
    paths(&schema, &values(), "", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// Puts a description on the property at `path`, such as `image.tag`.
fn describe(schema: &mut Value, path: &str, text: &str) -> Result<(), String> {
    let pointer = format!("/properties/{}", path.replace('.', "/properties/"));
    let property = schema.pointer_mut(&pointer).and_then(Value::as_object_mut);
    let property = property.ok_or_else(|| format!("{path} has no schema"))?;
    property.insert("description".to_owned(), text.into());
    Ok(())
}

/// Lists the properties below `schema` without a description.
fn undescribed(schema: &Value, path: &str, wrong: &mut Vec<String>) -> usize {
    let mut count = 0;
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{path}/{key}");
        let text = property["description"].as_str().unwrap_or_default();
        if !text.starts_with(|first: char| first.is_alphabetic()) {
            wrong.push(place.clone());
        }
        count += 1 + undescribed(property, &place, wrong);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
            count += undescribed(inner, &format!("{path}/{key}"), wrong);
        }
    }
    count
}

/// Editors show the description of a value under the cursor.
fn described_schema() -> Result<(), Failed> {
    let schema: Value = serde_json::from_str(&read("manifests/chart/values.schema.json"))?;
    let mut wrong = Vec::new();
    let count = undescribed(&schema, "", &mut wrong);
    assert!(wrong.is_empty() && count > 200, "{count} properties, without a description: {wrong:#?}");
    Ok(())
}

/// The schema has the program's own for the policy, and the comments of values.yaml as
/// descriptions; those of groups and of list items are written in the schema itself.
fn written_schema() -> Result<(), Failed> {
    let mut policy = nfs_mount_guard::policy_file::schema::schema();
    let parts = policy.as_object_mut().expect("a schema");
    for key in ["$schema", "title", "required"] {
        parts.remove(key);
    }
    // The chart writes these two itself.
    let properties = policy["properties"].as_object_mut().expect("properties");
    properties.remove("apiVersion");
    properties.remove("kind");
    let file = "manifests/chart/values.schema.json";
    let mut schema: Value = serde_json::from_str(&read(file))?;
    schema["properties"]["policy"] = policy;
    for Described { path, text, .. } in descriptions()? {
        describe(&mut schema, &path, &text)?;
    }
    compare(file, &format!("{}\n", serde_json::to_string_pretty(&schema)?));
    Ok(())
}

fn version() -> Result<(), Failed> {
    let chart: Value = serde_saphyr::from_str(&read("manifests/chart/Chart.yaml"))?;
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    Ok(())
}
