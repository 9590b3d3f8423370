//! Text to observations: what stands where. Nothing is judged here.

use super::headers::sent_headers;
use super::literals::{Fragments, KnownCodes, Mentions, ServiceWords};
use super::patterns::{BEARER, CODE, MEMBER, MESSAGE, MODEL, STATUS, TAIL, URL};
use super::plain::{Plain, ceiling, floor};
use super::readers::{self, Meaning};
use super::rules::{Reads, Rules, Tier, Weight};
use crate::catalogue::Catalogue;

/// One thing that was seen in a text, and where.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    /// The place in the squeezed text: distances between observations are distances between words.
    pub(super) at: usize,
    /// The line of the original.
    pub(super) line: usize,
    /// What it is.
    pub(super) what: What,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Words of `data/text/symptoms.toml`.
    Symptom { index: usize, meaning: Meaning },
    /// Words of a provider's answer: a fragment of its rules.
    Wording { fragment: usize, echo: Option<String>, is_message: bool },
    /// The credential header of a request that is shown.
    Header(Meaning),
    /// A pasted assignment of a key, with what is wrong about its value.
    Assignment { provider: String, meaning: Meaning },
    /// An HTTP status.
    Status(u16),
    /// The value of a `code`, `type` or `status` member.
    Code(String),
    /// The provider of a base URL that the text sets.
    BaseUrl(&'static str),
    /// An address of this machine or its network.
    Local,
    /// A variable whose assignment stands behind a `#`.
    CommentedOut(String),
    /// A member of an answer that is JSON.
    Member,
    /// A sign of a client or a provider.
    Mention { provider: Option<&'static str>, tier: Tier },
    /// Words or a host of a service that is no LLM provider.
    Service { index: usize, by_host: bool },
    /// The host of a URL that nobody here knows.
    Host { llm_path: bool },
    /// The last four characters of a key, as a person tells them.
    Tail(String),
    /// The path that was called.
    Path(String),
    /// The model's name.
    Model(String),
}

/// All that was seen in a text.
#[derive(Debug, Default)]
pub struct Observations {
    pub(super) seen: Vec<Observation>,
    /// Where unrelated parts of the text begin: another trace, another command.
    pub(super) parts: Vec<usize>,
}

impl Observations {
    /// Whether there is anything at all.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The part of the text that holds a place.
    pub(super) fn part_of(&self, at: usize) -> usize {
        self.parts.partition_point(|start| *start <= at)
    }
}

/// Everything that a text shows.
pub(super) fn observe(plain: &Plain) -> Observations {
    let mut seen = Vec::new();
    symptoms(plain, &mut seen);
    wordings(plain, &mut seen);
    numbers_and_codes(plain, &mut seen);
    mentions(plain, &mut seen);
    services(plain, &mut seen);
    hosts(plain, &mut seen);
    sent_headers(plain, &mut seen);
    seen.sort_by_key(|observation| observation.at);
    Observations { seen, parts: parts(plain) }
}

pub(super) fn place(plain: &Plain, at: usize, what: What) -> Observation {
    Observation { at, line: plain.line_of(at), what }
}

fn symptoms(plain: &Plain, seen: &mut Vec<Observation>) {
    let rules = Rules::builtin();
    let text = plain.text.as_str();
    for found in rules.literals.find_iter(text) {
        if !rules.is_spelled(found.pattern().as_usize(), &text[found.range()]) {
            continue;
        }
        let after = &text[found.end()..floor(text, found.end() + NEAR)];
        let fits = rules.by_literal[found.pattern().as_usize()].iter().find_map(|index| {
            let symptom = &rules.symptoms[*index];
            let (fits, parts) = symptom.follows(after);
            let end = if symptom.reads == Reads::VariableHere { found.end() } else { found.start() };
            let before = &text[ceiling(text, end.saturating_sub(NEAR))..end];
            let meaning = fits.then(|| readers::read(symptom, before, after, parts.as_ref())).flatten()?;
            Some((*index, meaning))
        });
        if let Some((index, meaning)) = fits {
            seen.push(place(plain, found.start(), What::Symptom { index, meaning }));
        }
    }
}

fn wordings(plain: &Plain, seen: &mut Vec<Observation>) {
    let text = plain.text.as_str();
    for found in Fragments::builtin().automaton.find_iter(text) {
        let fragment = found.pattern().as_usize();
        let after = &text[found.end()..floor(text, found.end() + NEAR)];
        let echo = echo_after(text, found.start(), found.end(), after);
        let is_message = MESSAGE.is_match(&text[ceiling(text, found.start().saturating_sub(BEFORE))..found.start()]);
        seen.push(place(plain, found.start(), What::Wording { fragment, echo, is_message }));
    }
}

/// The provider's echo of the key that it got, squeezed; kept only to be judged, never shown.
fn echo_after(text: &str, start: usize, end: usize, after: &str) -> Option<String> {
    let words = text[start..end].to_ascii_lowercase();
    let after = match words.as_str() {
        "incorrectapikeyprovided" => after.strip_prefix(':')?,
        "authenticationfails" => {
            let (_, rest) = after.split_once("apikey:")?;
            return rest.split_once("isinvalid").map(|(echo, _)| echo.to_owned());
        }
        _ => return None,
    };
    let end = after
        .find(".Youcan")
        .or_else(|| after.find(".You"))
        .unwrap_or_else(|| after.find(['{', '}', ',']).unwrap_or(after.len()).min(LONGEST_ECHO));
    Some(after[..floor(after, end)].to_owned())
}

fn numbers_and_codes(plain: &Plain, seen: &mut Vec<Observation>) {
    let text = plain.text.as_str();
    for found in STATUS.captures_iter(text) {
        let number = found.iter().skip(1).flatten().next();
        if let Some((at, status)) = number.and_then(|n| Some((n.start(), n.as_str().parse().ok()?))) {
            seen.push(place(plain, at, What::Status(status)));
        }
    }
    for line in plain.lines() {
        let words = line.text.trim_start().trim_start_matches(['"', '\'']);
        if let Some(status) = leading_status(words) {
            seen.push(place(plain, line.at, What::Status(status)));
        }
    }
    for found in CODE.captures_iter(text) {
        if let Some(code) = found.get(1) {
            seen.push(place(plain, code.start(), What::Code(code.as_str().to_owned())));
        }
    }
    let codes = KnownCodes::builtin();
    for found in BEARER.captures_iter(text) {
        let key = found.get(1).map_or("", |key| key.as_str());
        if let Some((provider, tier)) = owner_of(key) {
            seen.push(place(
                plain,
                found.get(0).map_or(0, |found| found.start()),
                What::Mention { provider: Some(provider), tier },
            ));
        }
    }
    for found in codes.automaton.find_iter(text) {
        let part_of_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let before = found.start().checked_sub(1).and_then(|at| text.as_bytes().get(at));
        if part_of_word(before) || part_of_word(text.as_bytes().get(found.end())) {
            continue;
        }
        let code = codes.words[found.pattern().as_usize()].clone();
        seen.push(place(plain, found.start(), What::Code(code)));
    }
    seen.extend(MEMBER.find_iter(text).map(|found| place(plain, found.start(), What::Member)));
    for found in MODEL.captures_iter(text) {
        if let Some(model) = found.iter().skip(1).flatten().next() {
            seen.push(place(plain, model.start(), What::Model(model.as_str().to_owned())));
        }
    }
    for found in TAIL.captures_iter(text) {
        if let Some(tail) = found.get(1) {
            seen.push(place(plain, tail.start(), What::Tail(tail.as_str().to_owned())));
        }
    }
}

/// The provider whose keys begin like this one. `sk-` is OpenAI's and half the world's.
fn owner_of(key: &str) -> Option<(&'static str, Tier)> {
    let shapes =
        Catalogue::builtin().providers().iter().flat_map(|spec| spec.keys.iter().map(move |shape| (spec, shape)));
    let begins = shapes.filter(|(_, shape)| !shape.weak && shape.prefix.len() >= 3 && key.starts_with(&shape.prefix));
    let (owner, shape) = begins.max_by_key(|(_, shape)| shape.prefix.len())?;
    Some((owner.id.as_str(), if shape.prefix == "sk-" { Tier::Model } else { Tier::Key }))
}

/// `401 Incorrect API key …` and `AuthenticationError: 401 {…}`: how Node SDKs begin.
fn leading_status(line: &str) -> Option<u16> {
    let line = line.split_once("Error: ").map_or(line, |(class, rest)| if class.contains(' ') { line } else { rest });
    let (number, rest) = line.split_at_checked(3)?;
    let status = number.parse().ok().filter(|status| (400..600).contains(status))?;
    let rest = rest.strip_prefix([' ', ':'])?.trim_start();
    rest.starts_with(|c: char| c == '{' || c == '"' || c == '[' || c.is_alphabetic()).then_some(status)
}

fn mentions(plain: &Plain, seen: &mut Vec<Observation>) {
    let mentions = Mentions::builtin();
    // A short name may stand inside a longer one, so all are taken.
    for found in mentions.automaton.find_overlapping_iter(plain.text.as_str()) {
        let (provider, tier) = mentions.meaning[found.pattern().as_usize()];
        seen.push(place(plain, found.start(), What::Mention { provider, tier }));
        if let Some(path) = mentions.paths.get(found.pattern().as_usize()).copied().flatten() {
            seen.push(place(plain, found.start(), What::Path(path.to_owned())));
        }
    }
}

fn services(plain: &Plain, seen: &mut Vec<Observation>) {
    let services = ServiceWords::builtin();
    for found in services.automaton.find_iter(plain.text.as_str()) {
        let index = services.of[found.pattern().as_usize()];
        seen.push(place(plain, found.start(), What::Service { index, by_host: false }));
    }
}

fn hosts(plain: &Plain, seen: &mut Vec<Observation>) {
    for found in URL.captures_iter(&plain.text) {
        let (Some(host), path) = (found.get(1), found.get(2).map_or("", |path| path.as_str())) else {
            continue;
        };
        let before = &plain.text[..found.get(0).map_or(0, |url| url.start())];
        let name = host.as_str().trim_end_matches('.').to_ascii_lowercase();
        let full = format!("{name}{path}");
        let services = &Rules::builtin().services;
        let service = services.iter().position(|service| service.hosts.iter().any(|end| is_at(&name, &full, end)));
        let llm_path = LLM_PATHS.iter().any(|part| path.contains(part));
        if LOCAL.iter().any(|local| name.starts_with(local)) {
            seen.push(place(plain, host.start(), What::Local));
        }
        let set = before.trim_end_matches(['=', ':', '"', '\'']);
        if let Some(provider) = Catalogue::builtin().provider_of_host(&name)
            && BASE_URLS.iter().any(|variable| set.ends_with(variable))
        {
            seen.push(place(plain, host.start(), What::BaseUrl(&provider.id)));
            continue;
        }
        let what = match (service, Catalogue::builtin().provider_of_host(&name)) {
            (_, Some(provider)) if service.is_none() || llm_path => {
                if !path.is_empty() {
                    seen.push(place(plain, host.start(), What::Path(path.to_owned())));
                }
                What::Mention { provider: Some(&provider.id), tier: Tier::Host }
            }
            (Some(index), _) => What::Service { index, by_host: true },
            _ => What::Host { llm_path },
        };
        seen.push(place(plain, host.start(), what));
    }
}

/// Whether a URL belongs to a service: its host is `end` or ends in it, or `end` has a path and the URL begins so.
fn is_at(host: &str, full: &str, end: &str) -> bool {
    if end.contains('/') {
        return full.starts_with(end) || full.strip_prefix("www.").is_some_and(|full| full.starts_with(end));
    }
    host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Where unrelated parts begin: traces that are not chained, programs, commands, answers.
fn parts(plain: &Plain) -> Vec<usize> {
    let mut parts = vec![0];
    let mut chained = false;
    let mut asked = false;
    for line in plain.lines() {
        let text = line.text.trim_start();
        if CHAINS.iter().any(|chain| text.starts_with(chain)) {
            chained = true;
            continue;
        }
        let trace = text.starts_with("Traceback (most recent call last)");
        let fresh = trace && !chained
            || text.starts_with("$ ")
            || text.starts_with("node:internal/")
            || text.starts_with("file:///") && !text.contains(' ')
            || !asked && (line.text.starts_with("HTTP/1.") || line.text.starts_with("HTTP/2 "));
        if fresh {
            // What a command prints belongs to it.
            asked = text.starts_with("$ ");
            parts.push(line.at);
        }
        if trace {
            chained = false;
        }
    }
    parts
}

/// Beginnings of hosts that are near.
const LOCAL: &[&str] =
    &["localhost", "127.", "0.0.0.0", "10.", "192.168.", "172.1", "172.2", "172.3", "host.docker.internal"];
/// Ends of names that hold a base URL, in variables, settings and code.
const BASE_URLS: &[&str] =
    &["BASE_URL", "API_BASE", "API_HOST", "base_url", "api_base", "baseURL", "apiBase", "API_URL", "ENDPOINT"];

/// Ends of paths that only LLM APIs have.
const LLM_PATHS: &[&str] = &[
    "/completions",
    "/v1/models",
    "/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/engines",
    "/openai/",
    "/inference",
    ":generateContent",
];

/// What Python and Java print between the exceptions of one failure.
const CHAINS: &[&str] =
    &["During handling of the above exception", "The above exception was the direct cause", "Caused by:"];

const NEAR: usize = 300;
const LONGEST_ECHO: usize = 260;
const BEFORE: usize = 20;

/// How much the words of a symptom tell.
pub(super) fn weight_of(index: usize) -> Weight {
    Rules::builtin().symptoms[index].weight
}
