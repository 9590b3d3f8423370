//! Medians and spreads over a few rounds.

use serde::Serialize;

/// The middle of a few values, and how far they spread.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) least: f64,
    /// The largest.
    pub(crate) most: f64,
}

impl Spread {
    /// `None` without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Some(Self { median, least, most })
    }

    /// A cell of a table: the median, with least and most behind it.
    pub(crate) fn cell(values: impl IntoIterator<Item = f64>, digits: usize) -> String {
        Self::of(values).map_or_else(String::new, |Self { median, least, most }| {
            format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
        })
    }
}

/// The median, or zero without values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(values).map_or(0.0, |spread| spread.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(Spread::of([]).is_none());
    }
}
