//! JSON Schemas of docs/.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use serde_json::{Value, json};

/// Checks that a value is what a schema of docs/ requests, as far as ours go,
/// and has no field that the schema does not know.
pub fn fits(file: &str, value: &Value) -> Result<(), Failed> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema)?)?;
    value_fits(&schema, value, "report");
    Ok(())
}

fn value_fits(schema: &Value, value: &Value, at: &str) {
    if let Some(fixed) = schema.get("const") {
        assert_eq!(value, fixed, "{at}");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        assert!(values.contains(value), "{at}: {value}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::String(wanted) => assert_eq!(wanted, kind, "{at}"),
        Value::Array(wanted) => assert!(wanted.contains(&json!(kind)), "{at}: {kind}"),
        _ => {}
    }
    if let Some(least) = schema["minimum"].as_u64().filter(|_| value.is_number()) {
        assert!(value.as_u64().is_some_and(|number| number >= least), "{at}: {value}");
    }
    let required = schema["required"].as_array().filter(|_| value.is_object());
    for required in required.into_iter().flatten() {
        assert!(value.get(required.as_str().expect("a name")).is_some(), "{at}: {required} is missing");
    }
    for (key, field) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
        value_fits(
            known.unwrap_or_else(|| panic!("{at}: {key} is not in the schema")),
            field,
            &format!("{at}.{key}"),
        );
    }
    for item in value.as_array().into_iter().flatten() {
        value_fits(&schema["items"], item, &format!("{at}[]"));
    }
}
