//! The lines of `.gitignore` that keep dotenv files out of a repository.

/// A `.gitignore` with further names at its end, each on a line of its own.
///
/// ```
/// use keywright_core::inspect::mend::ignoring;
/// assert_eq!(ignoring("target", &[".env"]), "target\n.env\n");
/// assert_eq!(ignoring("a\r\n", &["#keys"]), "a\r\n\\#keys\r\n");
/// ```
pub fn ignoring(text: &str, names: &[&str]) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = text.to_owned();
    if !out.is_empty() && !out.ends_with('\n') {
        out.push_str(end);
    }
    for name in names {
        out.push_str(&pattern(name));
        out.push_str(end);
    }
    out
}

/// A name as a pattern that fits it alone.
fn pattern(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    let last = name.chars().count().saturating_sub(1);
    for (at, c) in name.chars().enumerate() {
        let special =
            matches!(c, '\\' | '*' | '?' | '[') || at == 0 && matches!(c, '#' | '!') || at == last && c == ' ';
        if special {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
