//! A diagnosis: the cause, how sure we are, what was seen, and what to do.

use serde::Serialize;

use crate::cause::{Cause, Verdict};

/// Why it failed, with the evidence and the fix. A value, never an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The version of this shape; it changes only when a field changes meaning.
    pub schema: u32,
    /// Whether the key is to blame.
    pub verdict: Verdict,
    /// A catalogue id, or `unknown`.
    pub provider: String,
    /// The most probable cause.
    pub cause: Cause,
    /// How sure that is.
    pub confidence: Confidence,
    /// Other causes that the evidence allows, most probable first.
    pub alternatives: Vec<Alternative>,
    /// What was seen, strongest first.
    pub evidence: Vec<Evidence>,
    /// What to do, in order.
    pub fixes: Vec<Fix>,
    /// The page that holds the long form.
    pub page: String,
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Cannot be excluded.
    Possible,
    /// More probable than any other.
    Likely,
    /// Nothing else fits the evidence.
    Certain,
}

/// Another cause that the evidence allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alternative {
    /// The cause.
    pub cause: Cause,
    /// How sure that is.
    pub confidence: Confidence,
}

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// A trace, a log or a provider's answer.
    Text,
    /// Variables, files and settings of this machine.
    Environment,
    /// A live answer to a question that Keywright asked.
    Probe,
    /// What this key did before.
    History,
}

/// One observation, in words that hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Who saw it.
    pub witness: Witness,
    /// What was seen.
    pub says: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The advice, in one sentence.
    pub says: String,
    /// The command that carries it out, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Diagnosis {
    /// The diagnosis of a cause with the fixes of its page.
    pub fn new(provider: &str, cause: Cause, confidence: Confidence) -> Self {
        Self {
            schema: SCHEMA,
            verdict: cause.verdict(),
            provider: provider.to_owned(),
            cause,
            confidence,
            alternatives: Vec::new(),
            evidence: Vec::new(),
            fixes: crate::page::fixes(cause, provider),
            page: cause.slug().to_owned(),
        }
    }

    /// Adds one observation.
    #[must_use]
    pub fn with_evidence(mut self, witness: Witness, says: impl Into<String>) -> Self {
        self.evidence.push(Evidence { witness, says: says.into() });
        self
    }

    /// Puts what mends this very case before the fixes of the cause.
    #[must_use]
    pub fn mended_by(mut self, fix: Fix) -> Self {
        self.fixes.retain(|other| other.says != fix.says);
        self.fixes.insert(0, fix);
        self
    }

    /// The same for a key that is looked for in a place of its own: nothing reads the provider's usual variable then, so
    /// what sets that one is left out.
    #[must_use]
    pub fn mended_at(mut self, fix: Fix) -> Self {
        let usual = crate::Catalogue::builtin().provider(&self.provider).and_then(|spec| spec.key_variable());
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let sets = |fix: &Fix| {
            let words = fix.command.iter().flat_map(|command| command.split(|c| !is_word(c)));
            usual.is_some_and(|usual| words.clone().any(|word| word == usual))
        };
        if !sets(&fix) {
            self.fixes.retain(|other| !sets(other));
        }
        self.mended_by(fix)
    }

    /// Adds other causes that the evidence allows.
    #[must_use]
    pub fn with_alternatives(mut self, causes: impl IntoIterator<Item = (Cause, Confidence)>) -> Self {
        self.alternatives.extend(causes.into_iter().map(|(cause, confidence)| Alternative { cause, confidence }));
        self
    }

    /// Names another cause on better evidence; the one before stays possible.
    pub fn recast(&mut self, cause: Cause, confidence: Confidence) {
        let before = Alternative { cause: self.cause, confidence: Confidence::Possible };
        self.alternatives.retain(|other| other.cause != cause);
        self.alternatives.insert(0, before);
        self.verdict = cause.verdict();
        self.cause = cause;
        self.confidence = confidence;
        self.fixes = crate::page::fixes(cause, &self.provider);
        cause.slug().clone_into(&mut self.page);
    }

    /// Whether nothing has named the provider so far.
    pub fn is_unnamed(&self) -> bool {
        self.provider == UNNAMED
    }

    /// Names the provider that the evidence found; its fixes speak of its own names.
    pub fn attribute(&mut self, provider: &str) {
        provider.clone_into(&mut self.provider);
        self.fixes = crate::page::fixes(self.cause, provider);
    }

    /// What happened, in one line: the title of the cause's page.
    pub fn title(&self) -> &'static str {
        crate::page::cause_page(self.cause).title
    }
}

/// What stands in the place of a provider's id where nothing names one.
pub const UNNAMED: &str = "unknown";

/// The version of the JSON shape of a diagnosis.
pub const SCHEMA: u32 = 1;

/// The JSON Schema of a diagnosis, and of several in one object.
pub const JSON_SCHEMA: &str = include_str!("../data/diagnosis.schema.json");

impl Diagnosis {
    /// Adds what this key did before: requests that it served, 0 when only a probe proved it. A key that worked and is
    /// now unknown was not mistyped: someone revoked, deleted or replaced it, or its time was over.
    #[must_use]
    pub fn with_history(mut self, served: u64, ago: std::time::Duration) -> Self {
        let cause = self.cause.after_service();
        if self.cause != cause {
            self.fixes = crate::page::fixes(cause, &self.provider);
            self.cause = cause;
            cause.slug().clone_into(&mut self.page);
            self.confidence = Confidence::Likely;
            self.alternatives.clear();
            self = self.with_alternatives([
                (Cause::Expired, Confidence::Possible),
                (Cause::LeakedAndAutoDisabled, Confidence::Possible),
            ]);
        }
        let ago = spoken(ago);
        let says = match served {
            0 => format!("the provider still accepted this key {ago} before it was refused"),
            1 => format!("this key served 1 request, {ago} before it was refused"),
            _ => format!("this key served {served} requests, the last one {ago} before it was refused"),
        };
        self.with_evidence(Witness::History, says)
    }

    /// Adds that this key, first seen so long ago, never worked here. That is no proof of a typing error.
    #[must_use]
    pub fn with_no_service(self, seen: std::time::Duration) -> Self {
        let says = format!("this key was first seen here {} ago and has not worked here yet", spoken(seen));
        self.with_evidence(Witness::History, says)
    }
}

/// A time span as a person says it.
pub fn spoken(span: std::time::Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        1..120 => format!("{} s", span.as_secs()),
        120..7_200 => format!("{} min", span.as_secs() / 60),
        7_200..172_800 => format!("{} h", span.as_secs() / 3_600),
        _ => format!("{} days", span.as_secs() / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use strum::VariantArray;

    use super::*;

    #[test]
    fn the_schema_names_every_cause_and_every_field() {
        let schema: Value = serde_json::from_str(JSON_SCHEMA).expect("the schema is JSON");
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let causes: Vec<&str> = Cause::VARIANTS.iter().map(|cause| cause.slug()).collect();
        assert_eq!(texts(&schema["$defs"]["cause"]["enum"]), causes);
        let printed = Diagnosis::new(UNNAMED, Cause::Other, Confidence::Possible);
        let printed = serde_json::to_value(printed).expect("it is JSON");
        let mut fields: Vec<&String> = printed.as_object().expect("an object").keys().collect();
        let mut required = texts(&schema["$defs"]["diagnosis"]["required"]);
        fields.sort();
        required.sort();
        assert_eq!(required.iter().collect::<Vec<_>>(), fields);
    }
}
