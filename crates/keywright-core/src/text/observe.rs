//! Text to observations: what stands where. Nothing is judged here.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::Regex;

use super::headers::sent_headers;
use super::plain::{Plain, squeezed};
use super::readers::{self, Meaning};
use super::rules::{Reads, Rules, Tier, Weight, automaton};
use crate::catalogue::Catalogue;
use crate::provider::VariableRole;

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
    Wording { fragment: usize, echo: Option<String> },
    /// The credential header of a request that is shown.
    Header(Meaning),
    /// A pasted assignment of a key, with what is wrong about its value.
    Assignment { provider: String, meaning: Meaning },
    /// An HTTP status.
    Status(u16),
    /// The value of a `code`, `type` or `status` member.
    Code(String),
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

/// The fragments of all providers' rules, and who says them.
pub(super) struct Fragments {
    automaton: AhoCorasick,
    /// The words as the rule has them.
    pub(super) words: Vec<String>,
    /// Whether the words alone tell of a provider's answer. Shorter ones occur by chance.
    pub(super) telling: Vec<bool>,
    /// The providers whose rules hold them.
    pub(super) providers: Vec<Vec<&'static str>>,
}

impl Fragments {
    pub(super) fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Fragments> = LazyLock::new(|| {
            let mut words: Vec<String> = Vec::new();
            let mut providers: Vec<Vec<&'static str>> = Vec::new();
            for provider in Catalogue::builtin().providers() {
                for fragment in provider.rules.iter().flat_map(|rule| rule.message.iter().chain(&rule.or_message)) {
                    let same = words.iter().position(|known| known.eq_ignore_ascii_case(fragment));
                    let index = same.unwrap_or_else(|| {
                        words.push(fragment.clone());
                        providers.push(Vec::new());
                        words.len() - 1
                    });
                    if !providers[index].contains(&provider.id.as_str()) {
                        providers[index].push(&provider.id);
                    }
                }
            }
            let patterns: Vec<String> = words.iter().map(|word| squeezed(word)).collect();
            let telling = |words: &String| squeezed(words).len() >= SHORTEST_TELLING && !STATUS_WORDS.contains(&words.as_str());
            let telling = words.iter().map(telling).collect();
            Fragments { automaton: automaton(&patterns), words, providers, telling }
        });
        &BUILTIN
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
        seen.push(place(plain, found.start(), What::Wording { fragment, echo }));
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
    let end = after.find(".Youcan").or_else(|| after.find(".You")).unwrap_or_else(|| {
        after.find(['{', '}', ',']).unwrap_or(after.len()).min(LONGEST_ECHO)
    });
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
            seen.push(place(plain, found.get(0).map_or(0, |found| found.start()), What::Mention { provider: Some(provider), tier }));
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
    let shapes = Catalogue::builtin().providers().iter().flat_map(|spec| spec.keys.iter().map(move |shape| (spec, shape)));
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
        let name = host.as_str().trim_end_matches('.').to_ascii_lowercase();
        let full = format!("{name}{path}");
        let services = &Rules::builtin().services;
        let service = services.iter().position(|service| service.hosts.iter().any(|end| is_at(&name, &full, end)));
        let llm_path = LLM_PATHS.iter().any(|part| path.contains(part));
        let what = match (service, Catalogue::builtin().provider_of_host(&name)) {
            (_, Some(provider)) if service.is_none() || llm_path => {
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
    match end.contains('/') {
        true => full.starts_with(end) || full.strip_prefix("www.").is_some_and(|full| full.starts_with(end)),
        false => host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
    }
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

/// Codes that no sentence holds by chance.
struct KnownCodes {
    automaton: AhoCorasick,
    words: Vec<String>,
}

impl KnownCodes {
    fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<KnownCodes> = LazyLock::new(|| {
            let rules = Catalogue::builtin().providers().iter().flat_map(|provider| &provider.rules);
            let mut words: Vec<String> = rules
                .flat_map(|rule| rule.code.iter().chain(&rule.kind))
                .filter(|code| code.len() >= SHORTEST_CODE && code.contains(['_', '.']))
                .cloned()
                .collect();
            words.sort_unstable();
            words.dedup();
            KnownCodes { automaton: automaton(&words), words }
        });
        &BUILTIN
    }
}

type MentionMeaning = (Option<&'static str>, Tier);

struct Mentions {
    automaton: AhoCorasick,
    meaning: Vec<MentionMeaning>,
}

impl Mentions {
    fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Mentions> = LazyLock::new(|| {
            let mut patterns = Vec::new();
            let mut meaning: Vec<MentionMeaning> = Vec::new();
            for client in &Rules::builtin().clients {
                let provider = client.provider.as_deref();
                for words in &client.mention {
                    let words = squeezed(words);
                    let spellings = match words.contains('/') {
                        true => vec![words.replace('/', "\\"), words.replace('/', "\\\\"), words],
                        false => vec![words],
                    };
                    for spelling in spellings {
                        patterns.push(spelling);
                        meaning.push((provider, client.tier));
                    }
                }
            }
            for provider in Catalogue::builtin().providers() {
                for variable in provider.variables_of(VariableRole::Key) {
                    patterns.push(variable.name.clone());
                    meaning.push((Some(&provider.id), Tier::Variable));
                }
                for host in &provider.http.hosts {
                    patterns.push(host.clone());
                    meaning.push((Some(&provider.id), Tier::Host));
                }
            }
            let automaton = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .build(&patterns)
                .expect("a few hundred patterns fit an automaton");
            Mentions { automaton, meaning }
        });
        &BUILTIN
    }
}

struct ServiceWords {
    automaton: AhoCorasick,
    of: Vec<usize>,
}

impl ServiceWords {
    fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<ServiceWords> = LazyLock::new(|| {
            let services = Rules::builtin().services.iter().enumerate();
            let (patterns, of): (Vec<String>, Vec<usize>) = services
                .flat_map(|(index, service)| service.says.iter().map(move |words| (squeezed(words), index)))
                .unzip();
            ServiceWords { automaton: automaton(&patterns), of }
        });
        &BUILTIN
    }
}

/// The largest character boundary that is not above `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The smallest character boundary that is not below `at`.
pub(super) fn ceiling(text: &str, at: usize) -> usize {
    (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

/// A status beside one of the words that clients put there. All on squeezed text.
static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)(?i:errorcode|statuscode|status_code|response_code|http_status|http_status_code|httpstatus|http_code|upstreamstatus|error_status|"code"|'code'|code|status)\\*["'`]?\ ?[:=]?\ ?([45][0-9]{2})(?:[^0-9]|$)
        | HTTP/(?:1\.[01]|[23](?:\.0)?)\\*"?\ ?([45][0-9]{2})(?:[^0-9]|$)
        | (?i:error|failed|returned|answered|got|response|http|exception|after)[:(]*([45][0-9]{2})(?:[^0-9]|$)
        | \(([45][0-9]{2})\)
        | ([45][0-9]{2})(?:Unauthorized|Forbidden|TooManyRequests|PaymentRequired|NotFound|PreconditionFailed|BadRequest|InternalServerError|BadGateway|ServiceUnavailable|GatewayTimeout|ProxyAuthentication|ClientError|ServerError|statuscode)
        "#,
    )
    .expect("a fixed pattern compiles")
});

static CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i:code|type_?|status|reason|errorcode)\\*["']?[:=]\\*["'`]([A-Za-z][A-Za-z0-9_.-]{2,63})\\*["'`]"#)
        .expect("a fixed pattern compiles")
});

/// A member of an answer in JSON.
static MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"["'](?i:error|errors|message|detail|title)\\*["']:"#).expect("a fixed pattern compiles")
});

/// A key behind its scheme, as traces and dumps of requests show it.
static BEARER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"Bearer[\\"']*([A-Za-z0-9_-]{3,})"#).expect("a fixed pattern compiles"));

static MODEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"[Mm]odel\\*[`'"]+([A-Za-z0-9][A-Za-z0-9_./:@-]{1,80})\\*[`'"]"#).expect("a fixed pattern compiles")
});

/// "my key ends in wxyz": what people write beside a trace.
static TAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:ends?|ending)(?:in|with)[`'":.…*]*([A-Za-z0-9_-]{4})(?:[^A-Za-z0-9_-]|$)"#).expect("a fixed pattern compiles")
});

static URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i:https?|wss?)://([A-Za-z0-9.-]+)(?::[0-9]+)?(/[A-Za-z0-9_./%-]*)?"#).expect("a fixed pattern compiles")
});

/// Ends of paths that only LLM APIs have.
const LLM_PATHS: &[&str] =
    &["/completions", "/v1/models", "/embeddings", "/v1/responses", "/v1/messages", "/v1/engines", "/openai/", "/inference", ":generateContent"];

/// What Python and Java print between the exceptions of one failure.
const CHAINS: &[&str] = &[
    "During handling of the above exception",
    "The above exception was the direct cause",
    "Caused by:",
];

const NEAR: usize = 300;
const LONGEST_ECHO: usize = 260;
const SHORTEST_CODE: usize = 10;
const SHORTEST_TELLING: usize = 14;
/// Names of statuses, which classes bear too.
const STATUS_WORDS: &[&str] = &["Internal server error", "Too Many Requests"];

/// How much the words of a symptom tell.
pub(super) fn weight_of(index: usize) -> Weight {
    Rules::builtin().symptoms[index].weight
}
