//! The nearest known name to a misspelt one.

/// The candidate that a person most probably meant, if one is close enough.
///
/// ```
/// use keywright_core::near::near;
/// assert_eq!(near("evn", ["env", "file"]), Some("env"));
/// assert_eq!(near("banana", ["env", "file"]), None);
/// ```
pub fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many single-character edits, or swaps of neighbours, lie between two words.
pub fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let changed = above[column] + usize::from(a != b);
            let mut best = changed.min(above[column + 1] + 1).min(line[column] + 1);
            let swapped = row > 0 && column > 0 && left[row - 1] == *b && right[column - 1] == *a;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_a_person_would_count() {
        for (left, right, edits) in [
            ("", "", 0),
            ("env", "env", 0),
            ("evn", "env", 1),
            ("fil", "file", 1),
            ("dotnev", "dotenv", 1),
            ("vault", "file", 4),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }
}
