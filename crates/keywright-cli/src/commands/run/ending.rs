//! What a person is told when the program ended badly: what the gateway saw, what the program wrote, and
//! whether it went past us.

use keywright_core::diagnosis::Confidence;
use keywright_core::text::Found;
use keywright_core::{Catalogue, Diagnosis, Verdict, Witness, page};
use keywright_gateway::{KeyReport, Report};
use serde_json::json;

use super::child::Ended;
use super::doors::base_url_variables;
use super::rings::Rings;
use super::story::Telling;
use crate::diagnosis;
use crate::error::count;
use crate::terminal::{Role, Terminal, paint};

/// How it ended, and what is known about it.
pub(super) struct Ending<'a> {
    ended: Ended,
    program: String,
    /// What the gateway saw; `None` where the program had the real keys.
    report: Option<Report>,
    /// What the end of its stderr tells.
    written: Vec<Found>,
    rings: &'a Rings,
}

/// A diagnosis, and the thing that it is about.
struct Told {
    place: String,
    diagnosis: Diagnosis,
}

impl<'a> Ending<'a> {
    /// Reads what the program wrote last.
    pub(super) fn new(
        ended: Ended,
        program: String,
        report: Option<Report>,
        rings: &'a Rings,
        terminal: &Terminal,
    ) -> Self {
        let mut written = ended.stderr.explain(&terminal.redactor());
        written.retain(|found| found.diagnosis.verdict != Verdict::Unrecognised);
        Self { ended, program, report, written, rings }
    }

    fn failed(&self) -> bool {
        self.ended.code != 0 || self.saw_refusal()
    }

    /// Whether it wrote that a provider refused a key.
    fn saw_refusal(&self) -> bool {
        self.written.iter().any(|found| found.diagnosis.verdict == Verdict::Auth)
    }

    fn requests(&self) -> u64 {
        self.report.as_ref().map_or(0, |report| report.requests)
    }

    /// Whether it wrote that its client refused to send a request at all.
    fn sent_nothing(&self) -> bool {
        let unsent = |found: &Found| {
            let diagnosis = &found.diagnosis;
            diagnosis.verdict == Verdict::Auth && page::cause_page(diagnosis.cause).http_status.is_empty()
        };
        self.written.iter().any(unsent)
    }

    /// A token was handed out, nothing came, and the program failed by itself.
    fn bypassed(&self) -> bool {
        let by_itself = self.saw_refusal() || !self.ended.by_signal;
        self.report.is_some() && self.failed() && by_itself && self.requests() == 0 && !self.sent_nothing()
    }

    /// Each key that is out.
    fn dead_keys(&self) -> impl Iterator<Item = (&KeyReport, &Diagnosis)> {
        let keys = self.report.iter().flat_map(|report| &report.providers).flat_map(|provider| &provider.keys);
        keys.filter_map(|key| Some((key, key.diagnosis.as_ref()?)))
    }

    /// Last known good keys that served in the place of what their sources give.
    fn stand_ins(&self) -> impl Iterator<Item = &KeyReport> {
        let keys = self.report.iter().flat_map(|report| &report.providers).flat_map(|provider| &provider.keys);
        keys.filter(|key| key.last_known_good)
    }

    /// What the gateway told the program last, if that was a failure that no dead key explains.
    fn last_answer(&self) -> Option<&Diagnosis> {
        let last = self.report.as_ref()?.last_failure.as_ref().filter(|last| last.later == 0)?;
        let said = |dead: &Diagnosis| dead.cause == last.diagnosis.cause && dead.provider == last.diagnosis.provider;
        (!self.dead_keys().any(|(_, dead)| said(dead))).then_some(&last.diagnosis)
    }

    /// Everything worth telling: what the gateway saw, then what only the program's own words tell.
    fn diagnoses(&self) -> Vec<Told> {
        let dead = self.dead_keys().map(|(key, diagnosis)| Told {
            place: format!("{} ({})", key.place, key.masked),
            diagnosis: diagnosis.clone(),
        });
        let mut told: Vec<Told> = dead.collect();
        if self.ended.code == 0 {
            return told;
        }
        let place = format!("the last request of `{}`", self.program);
        told.extend(self.last_answer().map(|last| Told { place, diagnosis: last.clone() }));
        let seen = told.len();
        for found in self.written.iter().take(MOST_WRITTEN) {
            let place = format!("stderr:{}", found.line);
            match told[..seen].iter_mut().find(|seen| is_echo(found, &seen.diagnosis)) {
                Some(seen) => seen.also_written(found, &place),
                None => told.push(Told { place, diagnosis: found.diagnosis.clone() }),
            }
        }
        told
    }
}

/// Whether the program only repeats, less surely, what the gateway answered.
fn is_echo(found: &Found, seen: &Diagnosis) -> bool {
    let same_provider = found.diagnosis.provider == seen.provider || found.diagnosis.is_unnamed();
    same_provider && (found.diagnosis.cause == seen.cause || found.diagnosis.confidence != Confidence::Certain)
}

impl Told {
    fn also_written(&mut self, found: &Found, place: &str) {
        let says = found.diagnosis.evidence.first().map_or("", |evidence| evidence.says.as_str());
        let says = format!("{place}: {says}");
        self.diagnosis = self.diagnosis.clone().with_evidence(Witness::Text, says);
    }
}

/// When it ended badly: each diagnosis, and whether the program went past us. In any case, what served in the place of
/// a key that did not work.
pub(super) fn tell(ending: &Ending<'_>, telling: Telling, terminal: &Terminal) {
    if telling == Telling::Json {
        return tell_json(ending, terminal);
    }
    for KeyReport { masked, place, .. } in ending.stand_ins() {
        let head = paint(Role::Warning, "warning:");
        terminal.tell(format_args!("{head} the last known good key {masked} served: {place}; mend its source"));
    }
    if !ending.failed() {
        return;
    }
    let told = ending.diagnoses();
    for Told { place, diagnosis } in &told {
        diagnosis::tell(diagnosis, place, terminal);
        terminal.tell(diagnosis::page_line(diagnosis));
    }
    if !told.is_empty() {
        ending.tell_traffic(terminal);
    }
    if ending.bypassed() {
        ending.tell_bypass(terminal);
    }
}

fn tell_json(ending: &Ending<'_>, terminal: &Terminal) {
    let report = ending.report.as_ref();
    let dead = ending
        .dead_keys()
        .map(|(key, diagnosis)| json!({"place": key.place, "masked": key.masked, "diagnosis": diagnosis}));
    let stand_ins = ending.stand_ins().map(|key| json!({"place": key.place, "masked": key.masked}));
    let written = ending.written.iter().take(MOST_WRITTEN);
    terminal.tell(json!({
        "schema": 1, "event": "ended", "code": ending.ended.code, "bypassed": ending.bypassed(),
        "requests": report.map(|report| report.requests), "failovers": report.map(|report| report.failovers),
        "dead_keys": dead.collect::<Vec<_>>(), "last_known_good": stand_ins.collect::<Vec<_>>(),
        "last_failure": report.and_then(|report| report.last_failure.as_ref()),
        "stderr": written.map(|found| json!({"line": found.line, "diagnosis": found.diagnosis})).collect::<Vec<_>>(),
    }));
}

impl Ending<'_> {
    /// What else the gateway saw: it tells a failure on its way from one that went elsewhere.
    fn tell_traffic(&self, terminal: &Terminal) {
        let Some(report) = self.report.as_ref().filter(|report| report.requests > 0) else {
            return;
        };
        let moved = match report.failovers {
            0 => String::new(),
            moved => format!(", {moved} served by another key"),
        };
        let failed = if report.last_failure.is_none() { ", and none of them failed" } else { "" };
        terminal.tell(format_args!(
            "{} keywright passed on {}{moved}{failed}",
            paint(Role::Faint, "note:"),
            count(usize::try_from(report.requests).unwrap_or(usize::MAX), "request"),
        ));
    }

    fn tell_bypass(&self, terminal: &Terminal) {
        let head = if self.saw_refusal() { paint(Role::Warning, "warning:") } else { paint(Role::Faint, "note:") };
        terminal.tell(format_args!("{head} `{}` failed and sent no request to keywright", self.program));
        let set: Vec<&str> = self
            .rings
            .open_doors()
            .filter_map(|door| Catalogue::builtin().provider(&door.names_of))
            .flat_map(base_url_variables)
            .map(|variable| variable.name.as_str())
            .collect();
        let note = paint(Role::Faint, "= note:");
        terminal.tell(format_args!("  {note} these lead to the gateway: {}", set.join(", ")));
        terminal.tell(format_args!(
            "  {} if it calls a provider, look for a base URL in its code (`base_url=`, `baseURL`, `api_base`) \
             or its settings: it must come from these variables; or use `--direct`",
            paint(Role::Pointer, "= help:"),
        ));
    }
}

/// A program that failed tells of one failure, or of a few.
const MOST_WRITTEN: usize = 3;
