//! What happens to a text between the program that wrote it and the person who reads it.

/// A way to change a text without changing what it says.
pub(crate) type Variant = fn(&str, usize) -> String;

/// All of them, by name.
pub(crate) const VARIANTS: &[(&str, Variant)] = &[
    ("plain", |text, _| text.to_owned()),
    ("ANSI colours", coloured),
    ("CRLF", |text, _| text.replace('\n', "\r\n")),
    ("80 columns", |text, _| wrapped(text, 80)),
    ("80 columns, at spaces", |text, _| wrapped_at_spaces(text, 80)),
    ("log prefixes", prefixed),
    ("noise around", noisy),
    ("JSON log", json_log),
    ("UTF-16 as text", |text, _| format!("\u{feff}{text}")),
];

/// The last lines only: what people paste.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// As a terminal or a notebook colours it: classes, paths and strings, in the middle of lines too.
fn coloured(text: &str, _: usize) -> String {
    let painted = text.replace("Error", "\u{1b}[1;31mError\u{1b}[0m").replace("line ", "\u{1b}[32mline \u{1b}[39m");
    let painted = painted.replace("API", "\u{1b}[38;5;208mAPI\u{1b}[0m").replace("code", "\u{1b}[4mcode\u{1b}[24m");
    painted.lines().flat_map(|line| ["\u{1b}[2m", line, "\u{1b}[22m\u{1b}[K\n"].map(str::to_owned)).collect()
}

fn wrapped(text: &str, columns: usize) -> String {
    let wrap = |line: &str| {
        let chars: Vec<char> = line.chars().collect();
        let rows: Vec<String> = chars.chunks(columns).map(|row| row.iter().collect()).collect();
        rows.join("\n")
    };
    text.lines().map(wrap).collect::<Vec<_>>().join("\n")
}

fn wrapped_at_spaces(text: &str, columns: usize) -> String {
    let wrap = |line: &str| {
        let mut rows = vec![String::new()];
        for word in line.split(' ') {
            let last = rows.last_mut().expect("there is a row");
            if !last.is_empty() && last.len() + 1 + word.len() > columns {
                rows.push(word.to_owned());
            } else {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(word);
            }
        }
        rows.join("\n")
    };
    text.lines().map(wrap).collect::<Vec<_>>().join("\n")
}

/// The same prefix on every line, another one for each case.
fn prefixed(text: &str, number: usize) -> String {
    let prefix = |line: usize| match number % 6 {
        0 => "app-1  | ".to_owned(),
        1 => format!("2026-11-20T10:22:{:02}.1234567Z ", line % 60),
        2 => format!("Nov 20 10:22:{:02} host app[4121]: ", line % 60),
        3 => format!("2026-11-20T07:41:{:02}.000000000Z stderr F ", line % 60),
        4 => format!("2026-11-20 10:22:{:02},748 ERROR ", line % 60),
        _ => "[pod/web-5d4f8c7b9-x2x7k/app] ".to_owned(),
    };
    text.lines().enumerate().flat_map(|(at, line)| [prefix(at), line.to_owned(), "\n".to_owned()]).collect()
}

/// Two hundred lines of other programs before and after.
fn noisy(text: &str, number: usize) -> String {
    let line = |at: usize| NOISE[(at * 7 + number) % NOISE.len()].replace('#', &at.to_string());
    let noise = |from: usize| (from..from + 100).map(line).collect::<Vec<_>>().join("\n");
    format!("{}\n{}\n{}", noise(0), text.trim_end(), noise(100))
}

/// One line of a structured log, with the whole text in a string.
fn json_log(text: &str, _: usize) -> String {
    let line = serde_json::json!({ "time": "2026-11-20T10:22:31Z", "level": "error", "logger": "worker", "msg": text });
    format!("{{\"level\":\"info\",\"msg\":\"started\"}}\n{line}\n")
}

const NOISE: &[&str] = &[
    "2026-11-20 10:22:31,# INFO uvicorn.access: 10.0.0.7:5021# - \"GET /healthz HTTP/1.1\" 200 OK",
    "2026-11-20 10:22:31,# DEBUG sqlalchemy.engine: SELECT users.id, users.name FROM users WHERE users.id = #",
    "10.1.2.# - - [20/Nov/2026:10:22:31 +0000] \"GET /static/app.js HTTP/1.1\" 304 0 \"-\" \"Mozilla/5.0\"",
    "10.1.2.# - - [20/Nov/2026:10:22:32 +0000] \"GET /favicon.ico HTTP/1.1\" 404 153 \"-\" \"Mozilla/5.0\"",
    "Nov 20 10:22:31 host systemd[1]: Started Session # of user deploy.",
    "Nov 20 10:22:31 host kernel: [  ##.123456] audit: type=1400 apparmor=\"STATUS\"",
    "{\"level\":\"info\",\"ts\":1795.#,\"msg\":\"cache refreshed\",\"entries\":#}",
    "[webpack] compiled successfully in # ms",
    "worker-#: picked up job # from queue default",
    "I1120 10:22:31.000#  1 leaderelection.go:#] successfully renewed lease kube-system/controller",
    "  at Object.<anonymous> (/srv/site/build/index.js:#:13)",
    "redis_1  | 1:M 20 Nov 2026 10:22:31.# * Background saving terminated with success",
    "postgres_1  | LOG:  checkpoint complete: wrote # buffers (0.1%)",
    "INFO [alembic.runtime.migration] Running upgrade a1b2c3 -> d4e5f#",
    "warning: unused variable: `x#`",
    "GET /api/v2/orders/# 200 in 12ms",
    "Epoch #/200, loss: 0.#",
    "rsync: # files to consider",
];
