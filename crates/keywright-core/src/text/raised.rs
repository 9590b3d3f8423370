//! An exception that a program holds: more than a text tells, and the same rules.
//!
//! The answer's status, address and body are known exactly; the chain of exceptions may hide its cause as in a trace.
//! So both are written down as a trace would show them, and read by the reader of texts.

use std::fmt::Write as _;

use super::{Clues, Found, explain};
use crate::catalogue::Catalogue;
use crate::cause::{Cause, Verdict};
use crate::classify::{Answer, Classified, by_status, classify_failure};
use crate::diagnosis::{Diagnosis, Evidence, Witness};
use crate::provider::ProviderSpec;
use crate::redact::Redactor;

/// An exception, as the program that caught it knows it.
#[derive(Clone, Debug, Default)]
pub struct Raised {
    /// Class and message of each exception of the chain: the one that came first first.
    pub chain: Vec<(String, String)>,
    /// The address of the call.
    pub url: Option<String>,
    /// What was answered, if anything was.
    pub answer: Option<Reply>,
    /// The SDK that raised it, with its version: `openai 2.54.0`.
    pub sdk: Option<String>,
    /// The catalogue id of the provider that was called, where the program knows it.
    pub provider: Option<String>,
}

/// What a provider answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
}

impl Raised {
    /// What the exception tells; `None` when nothing in it tells of a failed call.
    ///
    /// Everything is redacted before anything else looks at it.
    pub fn explain(&self, redactor: &Redactor) -> Option<Found> {
        let mut found = explain(self.written().as_bytes(), redactor).into_iter().next();
        let provider = self.provider();
        let classified = self.answer.as_ref().map(|answer| self.classified(provider, answer));
        // Words that everyone copies, and an SDK that is used for all, name the wrong provider; the address does not.
        let is_clear = |found: &Found| {
            let diagnosis = &found.diagnosis;
            diagnosis.verdict != Verdict::Unrecognised && provider.is_none_or(|known| known.id == diagnosis.provider)
        };
        if let (Some((classified, reply)), false) = (classified, found.as_ref().is_some_and(is_clear)) {
            found = Some(Found {
                line: 1,
                again: 0,
                left_out: false,
                clues: Clues { answered_by: provider.map(|spec| spec.id.as_str()), ..Clues::default() },
                diagnosis: diagnosis(&classified, provider, reply),
            });
        }
        let mut found = found?;
        found.again = 0;
        if let Some(provider) = provider.filter(|known| found.diagnosis.provider != known.id) {
            found.diagnosis.provider.clone_from(&provider.id);
            found.diagnosis.fixes = crate::page::fixes(found.diagnosis.cause, &provider.id);
        }
        let last = self.chain.last().map(|(class, _)| class.as_str());
        let raised = [self.sdk.as_deref().map(|sdk| format!("{sdk} raised")), last.map(|class| format!("`{class}`"))];
        let says: Vec<String> = raised.into_iter().flatten().collect();
        if self.sdk.is_some() && last.is_some() {
            let says = redactor.redact_str(&says.join(" ")).into_owned();
            found.diagnosis.evidence.push(Evidence { witness: Witness::Text, says });
        }
        Some(found)
    }

    /// Whether the chain holds a class of this module, or of one inside it.
    pub fn is_of(&self, modules: &[&str]) -> bool {
        let of =
            |class: &str| modules.iter().any(|name| class.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')));
        self.chain.iter().any(|(class, _)| of(class))
    }

    /// Whether a failed call of a model is told here, and not one of something else.
    pub fn concerns_a_model(&self, diagnosis: &Diagnosis) -> bool {
        let is_sdk = self.is_of(SDK_MODULES);
        match diagnosis.verdict {
            Verdict::Auth => true,
            Verdict::NotAuth => is_sdk || self.provider().is_some() && diagnosis.cause != Cause::OtherService,
            Verdict::Unrecognised => is_sdk,
        }
    }

    fn provider(&self) -> Option<&'static ProviderSpec> {
        let catalogue = Catalogue::builtin();
        let named = self.provider.as_deref().and_then(|id| catalogue.provider(id));
        named.or_else(|| catalogue.provider_of_host(host(self.url.as_deref()?)?))
    }

    fn classified<'a>(&self, provider: Option<&ProviderSpec>, reply: &'a Reply) -> (Classified, &'a Reply) {
        let path = self.url.as_deref().map_or("", path);
        let answer = Answer { status: reply.status, path, body: &reply.body };
        (provider.map_or_else(|| by_status(reply.status), |provider| classify_failure(provider, &answer)), reply)
    }

    /// As a trace and a dump of the exchange would show it. The exchange comes first: it is the surer witness.
    fn written(&self) -> String {
        let mut text = String::new();
        if let Some(url) = &self.url {
            let _ = writeln!(text, "POST {url}");
        }
        if let Some(answer) = &self.answer {
            let _ = writeln!(text, "HTTP/1.1 {}", answer.status);
            for (name, value) in &answer.headers {
                let _ = writeln!(text, "{name}: {value}");
            }
            let _ = writeln!(text, "\n{}\n", String::from_utf8_lossy(&answer.body));
        }
        for (at, (class, says)) in self.chain.iter().enumerate() {
            let after =
                if at == 0 { "" } else { "\nThe above exception was the direct cause of the following exception:\n\n" };
            let _ = writeln!(text, "{after}{class}: {says}");
        }
        text
    }
}

fn diagnosis(classified: &Classified, provider: Option<&ProviderSpec>, reply: &Reply) -> Diagnosis {
    match provider {
        Some(provider) => classified.diagnosis(provider, reply.status),
        None => Diagnosis::new(UNKNOWN, classified.cause, classified.confidence)
            .with_evidence(Witness::Text, format!("the call was answered with {}", reply.status)),
    }
}

/// The host of an address, without its port.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(host.split(':').next().unwrap_or(host))
}

fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].split(['?', '#']).next().unwrap_or_default())
}

/// What a diagnosis calls a provider that is not known.
const UNKNOWN: &str = "unknown";

/// The modules whose exceptions are about calls of models and nothing else.
const SDK_MODULES: &[&str] = &["openai", "together", "fireworks", "litellm", "anthropic", "groq", "mistralai"];

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(chain: &[(&str, &str)], url: &str, answer: Option<(u16, &str)>) -> Raised {
        Raised {
            chain: chain.iter().map(|(class, says)| ((*class).to_owned(), (*says).to_owned())).collect(),
            url: (!url.is_empty()).then(|| url.to_owned()),
            answer: answer.map(|(status, body)| Reply { status, body: body.into(), ..Reply::default() }),
            ..Raised::default()
        }
    }

    fn told(raised: &Raised) -> Option<(Cause, String)> {
        raised.explain(&Redactor::default()).map(|found| (found.diagnosis.cause, found.diagnosis.provider))
    }

    #[test]
    fn an_exception_tells_what_its_parts_tell() {
        let refused = r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#;
        let suspended = r#"{"error":{"message":"Account x is suspended","code":"PRECONDITION_FAILED"}}"#;
        let cases = [
            (
                raised(&[("openai.AuthenticationError", "oops")], "https://api.openai.com/v1/x", Some((401, refused))),
                Some((Cause::InvalidKey, "openai")),
            ),
            (
                // One SDK for all: the address says whose answer it is.
                raised(&[("openai.AuthenticationError", "no")], "https://api.together.xyz/v1/x", Some((401, refused))),
                Some((Cause::InvalidKey, "together")),
            ),
            (
                raised(&[("requests.HTTPError", "")], "https://api.together.xyz/v1/chat/completions", Some((402, ""))),
                Some((Cause::QuotaExhausted, "together")),
            ),
            (
                raised(
                    &[("fireworks.APIStatusError", "")],
                    "https://api.fireworks.ai/inference/v1/completions",
                    Some((412, suspended)),
                ),
                Some((Cause::QuotaExhausted, "fireworks")),
            ),
            (
                raised(
                    &[
                        ("httpx.LocalProtocolError", "Illegal header value b'Bearer abc\\n'"),
                        ("openai.APIConnectionError", "Connection error."),
                    ],
                    "https://api.openai.com/v1/x",
                    None,
                ),
                Some((Cause::WhitespaceOrNewline, "openai")),
            ),
            (raised(&[("ValueError", "invalid literal for int()")], "", None), None),
        ];
        for (raised, expected) in cases {
            assert_eq!(told(&raised), expected.map(|(cause, id)| (cause, id.to_owned())), "{raised:?}");
        }
    }

    #[test]
    fn a_known_provider_is_named_where_the_address_tells_nothing() {
        let local = "http://127.0.0.1:4200/fireworks/inference/v1/chat/completions";
        let raised = Raised { provider: Some("fireworks".to_owned()), ..raised(&[("E", "")], local, Some((403, ""))) };
        assert_eq!(told(&raised).map(|(_, provider)| provider).as_deref(), Some("fireworks"));
    }

    #[test]
    fn what_other_programs_raise_is_left_alone() {
        let diagnose = |raised: &Raised| raised.explain(&Redactor::default()).expect("it tells").diagnosis;
        let database =
            raised(&[("httpx.ConnectError", "Connection refused")], "https://db.example/v1", Some((500, "")));
        assert!(!database.concerns_a_model(&diagnose(&database)));
        let sdk = raised(&[("openai.InternalServerError", "")], "https://gateway.example/v1", Some((500, "")));
        assert!(sdk.concerns_a_model(&diagnose(&sdk)));
        assert!(!raised(&[("openaix.Error", "")], "", None).is_of(SDK_MODULES));
    }

    #[test]
    fn a_key_in_an_exception_does_not_show() {
        let key = format!("sk-proj-{}T3BlbkFJ{}", "a".repeat(74), "b".repeat(74));
        let body = format!(r#"{{"error":{{"message":"Incorrect API key provided: {key}","code":"{key}"}}}}"#);
        let url = format!("https://api.openai.com/v1/{key}");
        let raised = Raised { sdk: Some(key.clone()), ..raised(&[(&key, &key)], &url, Some((401, &body))) };
        let found = raised.explain(&Redactor::default()).expect("a failure");
        assert!(!format!("{found:?}").contains(&key[20..60]), "{found:?}");
    }

    #[test]
    fn hosts_and_paths_are_found_in_addresses() {
        for (url, expected) in [
            ("https://api.openai.com/v1/x?y=1", (Some("api.openai.com"), "/v1/x")),
            ("http://u:p@[::1]:80", (Some("["), "")),
            ("nonsense", (None, "")),
            ("http://u@api.together.xyz:443/v1#f", (Some("api.together.xyz"), "/v1")),
        ] {
            assert_eq!((host(url), path(url)), expected, "{url}");
        }
    }
}
