//! Tables.

use std::fmt::Write as _;

use crate::bench::failure::{Failure, FirstKey, UnderLoad};
use crate::bench::statistics::Spread;

use super::Report;
use super::rows::{Row, ratios, rows};

/// The whole report.
pub(super) fn render(report: &Report) -> String {
    let mut text = format!(
        "{}, {}, {}, keywright {}; {}",
        report.date, report.machine, report.nginx, report.commit, report.setting
    );
    if !report.samples.is_empty() {
        let others = Spread::of(report.samples.iter().map(|sample| sample.others));
        let others = others.map_or(String::new(), |others| spread(others, 2));
        let _ = write!(text, "; other programs kept {others} cores busy");
        text += ".\n\n";
        let rows = rows(&report.samples);
        text += &speed(&rows);
        text += &multiples(&rows);
        text += &added(&rows);
    }
    if let Some(failure) = &report.failure {
        text += if report.samples.is_empty() { ".\n\n" } else { "" };
        text += &failure_path(failure);
    }
    text.trim_end().to_owned()
}

fn speed(rows: &[Row<'_>]) -> String {
    let mut text = "Medians over the rounds.\n\n\
        | workload | in flight | contender | req/s | p50 ms | p99 ms | CPU µs/req | RSS MiB (PSS) | chunks | errors |\n\
        |---|--:|---|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for row in rows {
        let errors: u64 = row.samples.iter().map(|sample| sample.errors).sum();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {:.3} | {:.3} | {} | {} | {:.0} | {errors} |",
            row.workload.title(),
            row.connections,
            row.contender,
            row.middle(|sample| sample.rate),
            row.middle(|sample| sample.p50_us) / 1e3,
            row.middle(|sample| sample.p99_us) / 1e3,
            cpu(row),
            memory(row),
            row.middle(|sample| sample.parts),
        );
    }
    text + "\n"
}

fn cpu(row: &Row<'_>) -> String {
    if row.samples.iter().all(|sample| sample.cpu_us.is_none()) {
        return format!("(upstream {:.1})", row.middle(|sample| sample.upstream_cpu_us));
    }
    format!("{:.1}", row.middle(|sample| sample.cpu_us.unwrap_or(0.0)))
}

fn memory(row: &Row<'_>) -> String {
    if row.samples.iter().all(|sample| sample.resident_kib.is_none()) {
        return "–".to_owned();
    }
    let mib = |kib: Option<u64>| kib.unwrap_or(0) as f64 / 1024.0;
    format!(
        "{:.1} ({:.1})",
        row.middle(|sample| mib(sample.resident_kib)),
        row.middle(|sample| mib(sample.proportional_kib))
    )
}

fn multiples(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for ratio in ratios(rows) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{}** | {} | {} | {} |",
            ratio.title,
            ratio.connections,
            ratio.contender,
            spread(ratio.cpu, 2),
            spread(ratio.rate, 2),
            spread(ratio.p50, 2),
            spread(ratio.p99, 2),
        );
    }
    if text.is_empty() {
        return text;
    }
    let head = "As a multiple of nginx: the median of the rounds' own ratios (least–most).\n\n\
        | workload | in flight | contender | CPU/req | req/s | p50 | p99 |\n\
        |---|--:|---|--:|--:|--:|--:|\n";
    format!("{head}{text}\n")
}

/// What each proxy adds to direct with one request in flight.
fn added(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| row.connections == 1 && row.contender != "direct") {
        let direct = rows.iter().find(|other| other.contender == "direct" && other.same_load(row));
        let differences = direct.and_then(|direct| {
            Spread::of(row.samples.iter().zip(&direct.samples).map(|(mine, bare)| mine.p50_us - bare.p50_us))
        });
        if let Some(added) = differences {
            let _ = writeln!(text, "| {} | {} | {} |", row.workload.title(), row.contender, spread(added, 0));
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "Added to direct with one request in flight.\n\n\
         | workload | contender | added p50, µs |\n|---|---|--:|\n{text}\n"
    )
}

fn failure_path(failure: &Failure) -> String {
    format!("{}\n{}", first_key(&failure.first_key), under_load(&failure.under_load))
}

fn first_key(found: &FirstKey) -> String {
    let mut text = format!(
        "A request whose first key was revoked a moment before: {} of them, one at a time, warm; \
         {} errors, {} useless calls.\n\n| | median (least–most) |\n|---|--:|\n",
        found.samples, found.errors, found.useless_calls
    );
    let rows = [
        ("upstream asked directly, µs", found.round_trip_us),
        ("key works, µs", found.normal_us),
        ("first key dead, µs", found.dead_us),
        ("key works, CPU µs of the worker", found.normal_cpu_us),
        ("first key dead, CPU µs of the worker", found.dead_cpu_us),
        ("first key dead, CPU µs of all threads until they rest again", found.aftermath_cpu_us),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", spread(value, 0));
    }
    if found.restless > 0 {
        let _ = writeln!(
            text,
            "| **not at rest half a second later: CPU times above are worthless** | {} of {} |",
            found.restless, found.samples
        );
    }
    let added = found.dead_us.median - found.normal_us.median;
    let cpu = found.dead_cpu_us.median - found.normal_cpu_us.median;
    let _ = writeln!(
        text,
        "| **added latency, µs** (round trips of the upstream) | **{added:.0}** ({:.1}) |\n\
         | **added CPU, µs** | **{cpu:.0}** |",
        added / found.round_trip_us.median
    );
    text
}

fn under_load(found: &UnderLoad) -> String {
    let mut text = format!(
        "{} revocations under load ({} requests in flight, {:.0} requests a second, {} requests): \
         **{} client errors**{}.\n\n| a revocation | median (least–most) |\n|---|--:|\n",
        found.revocations,
        found.connections,
        found.rate,
        found.requests,
        found.errors,
        found.first_error.as_ref().map_or(String::new(), |error| format!(" ({error})")),
    );
    let rows = [
        ("refused calls on the dead key", found.refused),
        ("**of those beyond the requests in flight**", found.beyond_in_flight),
        ("of those more than 50 ms after the revocation", found.late),
        ("free checks of the dead key", found.looks),
        ("last refused call, µs after the revocation", found.last_refused_us),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", spread(value, 0));
    }
    let _ = writeln!(
        text,
        "\nLatency meanwhile: p50 {:.3} ms, p99 {:.3} ms, longest {:.1} ms. \
         CPU in a second without requests, right after: {:.1} ms.",
        found.p50_us / 1e3,
        found.p99_us / 1e3,
        found.longest_us / 1e3,
        found.idle_cpu_us / 1e3
    );
    text
}

fn spread(value: Spread, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$}–{:.digits$})", value.median, value.least, value.most)
}
