//! How many tests passed and failed, read from what each test runner prints.

use std::ops::AddAssign;

/// Tests that ran. Skipped ones count as neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Counts {
    /// Reads the summaries of `cargo test`, pytest, `node --test` and the conformance suites, wherever they stand.
    pub(crate) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counts = Self::default();
        for line in lines {
            counts += Self::read_line(line);
        }
        counts
    }

    fn read_line(line: &str) -> Self {
        let line = line.trim_matches(['=', ' ', '\r']);
        if let Some(summary) = line.strip_prefix("test result: ") {
            return Self {
                passed: before(summary, " passed").unwrap_or(0),
                failed: before(summary, " failed").unwrap_or(0),
            };
        }
        if let Some(count) = line.strip_prefix("# pass ") {
            return Self { passed: count.parse().unwrap_or(0), failed: 0 };
        }
        if let Some(count) = line.strip_prefix("# fail ") {
            return Self { passed: 0, failed: count.parse().unwrap_or(0) };
        }
        if is_pytest_summary(line) || is_conformance_summary(line) {
            return Self {
                passed: before(line, " passed").unwrap_or(0),
                failed: before(line, " failed").unwrap_or(0) + before(line, " error").unwrap_or(0),
            };
        }
        Self::default()
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// `12 passed, 1 skipped in 3.21s`: starts with a count and ends with a time.
fn is_pytest_summary(line: &str) -> bool {
    let starts_with_count = line.starts_with(|first: char| first.is_ascii_digit());
    let ends_with_time = line.ends_with('s') || line.ends_with(')');
    starts_with_count && ends_with_time && line.contains(" in ")
}

/// `6247 passed, 0 failed`, and nothing else.
fn is_conformance_summary(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    matches!(words.as_slice(), [passed, "passed,", failed, "failed"] if passed.parse::<u32>().is_ok() && failed.parse::<u32>().is_ok())
}

/// The number that stands before a word.
fn before(text: &str, word: &str) -> Option<u32> {
    let (head, _) = text.split_once(word)?;
    head.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runner_is_understood() {
        let lines = [
            "test result: ok. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "===== 1 failed, 30 passed, 2 skipped, 1 error in 61.20s (0:01:01) =====",
            "7 passed in 0.31s",
            "6 passed, 3 failed",
            "# pass 4",
            "# fail 2",
            "test a_key_is_passed_in ... ok",
        ];
        assert_eq!(Counts::read(lines), Counts { passed: 59, failed: 8 });
    }
}
