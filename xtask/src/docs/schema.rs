//! A JSON Schema as tables that people read.

use std::fmt::Write;

use serde_json::Value;

use crate::Failure;

/// One section for each table of the configuration.
pub(super) fn tables(schema: &Value) -> Result<String, Failure> {
    let mut text = String::new();
    for (name, member) in members(schema)? {
        let (form, of) = match member["items"]["$ref"].as_str() {
            Some(of) => (format!("[[{name}]]"), Some(of)),
            None => (format!("[{name}]"), member["$ref"].as_str()),
        };
        write!(text, "\n## {form}\n\n{}\n", sentence(member))?;
        if let Some(of) = of {
            settings(&mut text, definition(schema, of)?)?;
        }
    }
    let key = definition(schema, "#/$defs/RawKeyTable")?;
    text.push_str("\n## A key of `[[provider]]`\n\nA reference alone, or a table that says more about it.\n");
    settings(&mut text, key)?;
    Ok(text)
}

fn settings(text: &mut String, table: &Value) -> Result<(), Failure> {
    let required: Vec<&str> = table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    text.push_str("\n| setting | default | means |\n|---|---|---|\n");
    for (name, member) in members(table)? {
        let default = match member.get("default") {
            _ if required.contains(&name.as_str()) => "must be given".to_owned(),
            None | Some(Value::Null) => String::new(),
            Some(value) => format!("`{value}`"),
        };
        writeln!(text, "| `{name}` | {default} | {} |", sentence(member))?;
    }
    Ok(())
}

fn members(table: &Value) -> Result<&serde_json::Map<String, Value>, Failure> {
    table["properties"].as_object().ok_or_else(|| "a table of the schema has no properties".into())
}

fn definition<'a>(schema: &'a Value, reference: &str) -> Result<&'a Value, Failure> {
    let path = reference.strip_prefix('#').ok_or("a reference leads out of the schema")?;
    schema.pointer(path).ok_or_else(|| format!("`{reference}` leads nowhere in the schema").into())
}

/// What a member means, on one line; brackets in it are no HTML and no link.
fn sentence(member: &Value) -> String {
    let says = member["description"].as_str().unwrap_or_default().replace('\n', " ");
    says.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_names_defaults_and_meanings() {
        let schema = serde_json::json!({
            "properties": {"gateway": {"$ref": "#/$defs/Raw", "description": "How it listens."}},
            "$defs": {
                "Raw": {"required": ["id"], "properties": {
                    "id": {"description": "A <name>\nor | two."}, "ask": {"default": null}, "limit": {"default": 5}}},
                "RawKeyTable": {"properties": {}},
            },
        });
        let text = tables(&schema).expect("a schema");
        for part in
            ["## [gateway]", "| `id` | must be given | A &lt;name> or \\| two. |", "| `ask` |  |", "| `limit` | `5` |"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
