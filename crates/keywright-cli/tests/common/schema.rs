//! As much of JSON Schema as the published schemas use. Stricter than the standard: what a schema does not name is wrong,
//! so that a new field cannot be forgotten in it.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is wrong with a value, each with its place.
pub(crate) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return check(root, target.unwrap_or_else(|| panic!("no {reference}")), value, at, found);
    }
    let mut wrong = |says: String| found.push(format!("{at}: {says}"));
    for keyword in schema.as_object().expect("a schema is an object").keys() {
        assert!(KNOWN.contains(&keyword.as_str()), "the test does not know `{keyword}`");
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        wrong(format!("{value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        wrong(format!("{value} is none of {}", schema["enum"]));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !types.is_empty() && !types.iter().any(|kind| is_a(kind, value)) {
        wrong(format!("{value} is no {types:?}"));
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices.iter().any(|choice| {
            let mut inner = Vec::new();
            check(root, choice, value, at, &mut inner);
            inner.is_empty()
        });
        if !fits {
            wrong(format!("{value} fits no choice"));
        }
    }
    if let Some(fields) = value.as_object().filter(|_| schema.get("properties").is_some()) {
        let names = |list: &Value| {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>()
        };
        for missing in names(&schema["required"]).iter().filter(|name| !fields.contains_key(*name)) {
            wrong(format!("no `{missing}`"));
        }
        for (name, field) in fields {
            match schema["properties"].get(name) {
                Some(schema) => check(root, schema, field, &format!("{at}.{name}"), found),
                None => found.push(format!("{at}: `{name}` is not in the schema")),
            }
        }
    }
    if let (Some(items), Some(inner)) = (value.as_array(), schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            check(root, inner, item, &format!("{at}[{index}]"), found);
        }
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the test does not know the type {other}"),
    }
}

const KNOWN: &[&str] =
    &["$schema", "$defs", "title", "description", "type", "required", "properties", "items", "enum", "const", "anyOf"];
