//! The metrics that a running gateway gives, as a table.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::Failure;
use crate::process::TARGET;

/// Every metric, from the help and type lines of a gateway's own page.
pub(super) fn page() -> Result<String, Failure> {
    let mut text = "# Metrics\n\nWhat `/metrics` gives; see [Metrics and the admin listener](../gateway/metrics.md). Names that end in \
                    `_total` count from the start of the gateway.\n\n| metric | kind | means |\n|---|---|---|\n"
        .to_owned();
    let served = served()?;
    let rows = rows(&served);
    if rows.is_empty() {
        return Err("the gateway's `/metrics` has no metric".into());
    }
    for (name, kind, help) in rows {
        writeln!(text, "| `{name}` | {kind} | {help} |")?;
    }
    Ok(text)
}

/// Name, kind and help of each metric, in the order of the page.
fn rows(page: &str) -> Vec<(&str, &str, &str)> {
    let told = |line, what| str::strip_prefix(line, what).and_then(|rest: &str| rest.split_once(' '));
    let kind = |name| page.lines().filter_map(|line| told(line, "# TYPE ")).find(|(of, _)| *of == name);
    let helps = page.lines().filter_map(|line| told(line, "# HELP "));
    helps.filter_map(|(name, help)| Some((name, kind(name)?.1, help))).collect()
}

/// The page of a gateway that has no key: every metric has its lines there, whatever they count.
fn served() -> Result<String, Failure> {
    let folder = TARGET.join("book-metrics");
    fs::create_dir_all(&folder)?;
    let configuration = folder.join("keywright.toml");
    fs::write(
        &configuration,
        "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[[provider]]\nid = \"openai\"\nkeys = [\"env://NOT_SET\"]\n",
    )?;
    let mut command = Command::new(TARGET.join("debug/keywright"));
    command.args(["serve", "--no-history", "--no-last-known-good", "--config"]).arg(configuration);
    command.env_clear().env("HOME", "/nonexistent").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut gateway = Stopped(command.spawn()?);
    let mut said = String::new();
    BufReader::new(gateway.0.stdout.take().ok_or("no standard output")?).read_line(&mut said)?;
    let address = said.trim().strip_prefix("listening on http://").ok_or("`keywright serve` does not listen")?;
    let mut caller = TcpStream::connect(address)?;
    caller.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    caller.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Ends with what holds it.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_read_from_its_help_and_its_type() {
        let page = "# HELP a_total Calls made.\n# TYPE a_total counter\na_total 1\n# HELP b No type.\n# HELP c Keys.\n# TYPE c gauge\n";
        assert_eq!(rows(page), [("a_total", "counter", "Calls made."), ("c", "gauge", "Keys.")]);
        assert!(rows("HTTP/1.1 200 OK\r\n\r\n").is_empty());
    }
}
