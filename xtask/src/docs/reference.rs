//! The pages of the reference, each made of what the program itself says.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use keywright_core::Catalogue;
use keywright_core::provider::{ProviderSpec, VariableRole, VariableStanding};

use super::{metrics, schema};
use crate::Failure;
use crate::process::TARGET;

/// File names in `docs/src/reference`, and their texts.
pub(super) fn pages() -> Result<Vec<(String, String)>, Failure> {
    let mut pages = vec![
        ("commands.md".to_owned(), commands()?),
        ("configuration.md".to_owned(), configuration()?),
        ("providers.md".to_owned(), providers()),
        ("metrics.md".to_owned(), metrics::page()?),
    ];
    pages.extend(errors()?);
    Ok(pages)
}

/// The help of every command.
fn commands() -> Result<String, Failure> {
    let mut text = "# Commands\n\nWhat `keywright --help` and `keywright COMMAND --help` say. The options under *Everywhere* are shown once.\n".to_owned();
    let mut left = vec![Vec::new()];
    while let Some(words) = left.pop() {
        let help = keywright(&[&words[..], &["--help".to_owned()]].concat())?;
        let name = [&["keywright".to_owned()], &words[..]].concat().join(" ");
        let shown = if words.is_empty() { help.clone() } else { without_common_options(&help) };
        write!(text, "\n## {name}\n\n```text\n{}\n```\n", shown.trim_end())?;
        let below = subcommands(&help).into_iter().map(|name| [&words[..], &[name]].concat());
        let first = left.len();
        left.extend(below);
        left[first..].reverse();
    }
    Ok(text)
}

/// A help text without the options that every command has.
fn without_common_options(help: &str) -> String {
    let mut common = false;
    let lines = help.lines().filter(|line| {
        common = line.starts_with("Everywhere:") || common && (line.is_empty() || line.starts_with(' '));
        !common
    });
    lines.map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
}

/// The names below `Commands:` in a help text.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    names.filter_map(|line| line.split(' ').next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every setting, from the JSON Schema, and the sample.
fn configuration() -> Result<String, Failure> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let schema = serde_json::from_str(&keywright(&words(&["config", "schema"]))?)?;
    let folder = TARGET.join("book-sample");
    fs::create_dir_all(&folder)?;
    let sample = folder.join("keywright.toml");
    keywright(&words(&["config", "init", "--force", &sample.to_string_lossy()]))?;
    Ok(format!(
        "# Configuration\n\nEvery setting of `keywright.toml`. `keywright config schema` prints the same as a JSON Schema.\n{}\n\
         ## The sample\n\n`keywright config init` writes this file.\n\n```toml\n{}```\n",
        schema::tables(&schema)?,
        fs::read_to_string(sample)?,
    ))
}

/// The catalogue: one section a provider.
fn providers() -> String {
    let mut text =
        "# Providers\n\nWhat Keywright knows of each provider. The gateway needs no more than a key of it.\n"
            .to_owned();
    for spec in Catalogue::builtin().providers() {
        let _ = write!(text, "\n## {}\n\n{}", spec.name, provider(spec));
    }
    text
}

fn provider(spec: &ProviderSpec) -> String {
    let code = |items: &[&str]| items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ");
    let names = |role, is_read: bool| {
        let known = spec.variables_of(role).filter(|known| is_read == (known.standing != VariableStanding::Mistaken));
        let mut names: Vec<&str> = known.map(|variable| variable.name.as_str()).collect();
        names.dedup();
        code(&names)
    };
    let shapes: Vec<String> = spec
        .keys
        .iter()
        .filter(|shape| !shape.prefix.is_empty())
        .map(|shape| format!("`{}…` ({})", shape.prefix, shape.kind))
        .collect();
    let hosts: Vec<&str> = spec.http.hosts.iter().map(String::as_str).collect();
    let rows = [
        ("id in a configuration", format!("`{}`", spec.id)),
        ("hosts", code(&hosts)),
        ("variables of the key", names(VariableRole::Key, true)),
        ("names that nothing reads", names(VariableRole::Key, false)),
        ("variables of the base URL", names(VariableRole::BaseUrl, true)),
        ("keys begin with", shapes.join(", ")),
        ("header of the key", format!("`{}`", spec.http.auth.name())),
        ("where keys are made", spec.keys_url.as_deref().map(|url| format!("<{url}>")).unwrap_or_default()),
        ("facts checked on", spec.checked.clone()),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<String> = rows.map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!("| | |\n|---|---|\n{}", lines.concat())
}

/// The error pages, one file each, and a list of them.
fn errors() -> Result<Vec<(String, String)>, Failure> {
    let folder = TARGET.join("book-pages");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let arguments = ["pages", "export", "--no-notes", "--markdown", &folder.to_string_lossy()];
    keywright(&arguments.map(str::to_owned))?;
    let listed: serde_json::Value = serde_json::from_str(&keywright(&["pages", "list", "--json"].map(str::to_owned))?)?;
    let mut list =
        "# Errors and their causes\n\nThe pages of `keywright pages`. What a call failed with, as `keywright explain` \
                    names it:\n\n| page | means | about the key |\n|---|---|---|\n"
            .to_owned();
    let mut pages = Vec::new();
    for page in listed["pages"].as_array().ok_or("`pages list --json` has no pages")? {
        let [name, title, verdict] = ["name", "title", "verdict"].map(|field| page[field].as_str().unwrap_or_default());
        let about = if verdict == "auth" { "yes" } else { "no" };
        writeln!(list, "| [{name}](errors/{name}.md) | {title} | {about} |")?;
        pages.push((format!("errors/{name}.md"), fs::read_to_string(folder.join(format!("{name}.md")))?));
    }
    pages.push(("errors.md".to_owned(), list));
    Ok(pages)
}

/// What the program prints; it sees nothing of this machine.
fn keywright(arguments: &[String]) -> Result<String, Failure> {
    let mut command = Command::new(TARGET.join("debug/keywright"));
    let output = command.args(arguments).env_clear().env("HOME", "/nonexistent").output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("`keywright {}` failed\n{said}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_commands_are_read_from_a_help() {
        let help = "Read pages\n\nCommands:\n  list  List them,\n        all\n  show  One\n  help  Print this\n\nOptions:\n  -h\n";
        assert_eq!(subcommands(help), ["list", "show"]);
        assert!(subcommands("Options:\n  -h\n").is_empty());
    }

    #[test]
    fn what_every_command_has_is_left_out() {
        let help = "Read\n\nOptions:\n  -h\n\nEverywhere:\n  -v\n      Say more\n\n      twice\n\nExamples:\n  read\n";
        assert_eq!(without_common_options(help), "Read\n\nOptions:\n  -h\n\nExamples:\n  read\n");
        assert_eq!(without_common_options("Read\n\nEverywhere:\n  -v\n"), "Read\n\n");
    }
}
