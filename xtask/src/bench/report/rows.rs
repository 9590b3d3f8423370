//! Samples grouped by who was asked what, and compared.

use serde::Serialize;

use crate::bench::payload::Workload;
use crate::bench::rounds::Sample;
use crate::bench::statistics::{Spread, median};

/// A contender as a multiple of nginx under the same load: each the spread of the rounds' own ratios.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ratio {
    /// What was asked, for tables.
    #[serde(skip)]
    pub(super) title: &'static str,
    /// What was asked.
    pub(super) workload: &'static str,
    /// Requests in flight.
    pub(super) connections: usize,
    /// Who.
    pub(super) contender: String,
    /// CPU time a request.
    pub(super) cpu: Spread,
    /// Requests a second.
    pub(super) rate: Spread,
    /// Median latency.
    pub(super) p50: Spread,
    /// 99th percentile of latency.
    pub(super) p99: Spread,
}

/// All rounds of one contender under one load.
pub(super) struct Row<'r> {
    /// Who.
    pub(super) contender: &'r str,
    /// What was asked.
    pub(super) workload: Workload,
    /// Requests in flight.
    pub(super) connections: usize,
    /// One a round.
    pub(super) samples: Vec<&'r Sample>,
}

impl Row<'_> {
    /// The median over the rounds.
    pub(super) fn middle(&self, pick: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(|sample| pick(sample)))
    }

    /// The rounds' own ratios to another contender under the same load.
    fn ratio(&self, other: &Row<'_>, pick: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().zip(&other.samples).map(|(mine, theirs)| pick(mine) / pick(theirs)))
    }

    /// Whether both were asked the same.
    pub(super) fn same_load(&self, other: &Row<'_>) -> bool {
        self.workload == other.workload && self.connections == other.connections
    }
}

/// Rows in the order of the tables.
pub(super) fn rows(samples: &[Sample]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for sample in samples {
        let Ok(workload) = Workload::parse(sample.workload) else {
            continue;
        };
        let place = rows.iter_mut().find(|row| {
            row.contender == sample.contender && row.workload == workload && row.connections == sample.connections
        });
        match place {
            Some(row) => row.samples.push(sample),
            None => rows.push(Row {
                contender: &sample.contender,
                workload,
                connections: sample.connections,
                samples: vec![sample],
            }),
        }
    }
    rows
}

/// Everyone but direct and nginx, as a multiple of nginx.
pub(super) fn ratios(rows: &[Row<'_>]) -> Vec<Ratio> {
    let others = rows.iter().filter(|row| row.contender != NGINX && row.contender != "direct");
    others
        .filter_map(|row| {
            let nginx = rows.iter().find(|other| other.contender == NGINX && other.same_load(row))?;
            Some(Ratio {
                title: row.workload.title(),
                workload: row.workload.name(),
                connections: row.connections,
                contender: row.contender.to_owned(),
                cpu: row.ratio(nginx, |sample| sample.cpu_us.unwrap_or(f64::NAN))?,
                rate: row.ratio(nginx, |sample| sample.rate)?,
                p50: row.ratio(nginx, |sample| sample.p50_us)?,
                p99: row.ratio(nginx, |sample| sample.p99_us)?,
            })
        })
        .collect()
}

/// The reference.
const NGINX: &str = "nginx";
