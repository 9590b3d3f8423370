//! One variable that is set somewhere, and the order in which places win.

use super::{Finding, Mend, Place, Severity, inspect_at};
use crate::diagnosis::Fix;
use crate::provider::ProviderSpec;
use crate::secret::Secret;

/// One variable that is set somewhere.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The variable's name.
    pub name: String,
    /// Its value, exactly as it stands there.
    pub value: Secret,
    /// Where it stands.
    pub place: Place,
    /// What kind of place that is: it decides which command mends it.
    pub holder: Holder,
}

/// What kind of place holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The environment of the process.
    Environment,
    /// A dotenv file that loaders read.
    Dotenv,
    /// A configuration file, a secret file.
    Other,
}

/// Everything that is set, in the order in which places win: the environment, then each dotenv file.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// Takes settings in the order in which they win.
    pub fn new(settings: Vec<Setting>) -> Self {
        Self(settings)
    }

    /// All of them, winners before what they shadow.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// The setting of a name that programs see.
    pub fn in_force(&self, name: &str) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.name == name)
    }

    /// Every setting of a name; the first is in force.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Setting> {
        self.0.iter().filter(move |setting| setting.name == name)
    }
}

impl Setting {
    /// A variable of the environment.
    pub fn variable(name: &str, value: Secret) -> Self {
        Self { name: name.to_owned(), value, place: Place::variable(name), holder: Holder::Environment }
    }

    /// Whether there is anything in it but white space.
    pub fn has_text(&self) -> bool {
        !self.value.expose().trim().is_empty()
    }

    /// Inspects the value as a key: each finding with its place and what mends it there.
    pub fn inspect(&self, provider: &ProviderSpec, now: Option<u64>) -> Vec<Finding> {
        let findings = inspect_at(self.value.expose(), provider, now);
        let fixed = |finding: Finding| Finding { fix: self.fix(&finding, provider), ..finding };
        findings.into_iter().map(|finding| self.located(fixed(finding))).collect()
    }

    /// Adds the place to a finding about this value.
    pub(super) fn located(&self, finding: Finding) -> Finding {
        finding.in_place(&self.place)
    }

    fn fix(&self, finding: &Finding, provider: &ProviderSpec) -> Option<Fix> {
        if finding.severity == Severity::Note {
            return None;
        }
        match (self.holder, &finding.mend) {
            (Holder::Environment, Some(mend)) => Some(self.mended_in_shell(mend)),
            (Holder::Dotenv, Some(_)) => Some(Fix {
                says: format!("Let Keywright write the value of `{}` as it was meant.", self.name),
                command: Some("keywright doctor --fix".to_owned()),
            }),
            (Holder::Environment, None) => crate::page::fix_of_variable(finding.cause, &provider.id, &self.name),
            (Holder::Dotenv | Holder::Other, _) => Some(Fix {
                says: format!("Put the right value of `{}` into {}.", self.name, self.place),
                command: None,
            }),
        }
    }

    /// The command mends the variable of this shell; the key itself stands in no command line.
    fn mended_in_shell(&self, mend: &Mend) -> Fix {
        let name = &self.name;
        let (says, filter) = match mend {
            Mend::Clean(0) => (
                "Drop the characters that no key has.",
                format!("printf %s \"${name}\" | LC_ALL=C tr -cd 'A-Za-z0-9_.-'"),
            ),
            Mend::Clean(skip) => (
                "Keep what follows the pasted words.",
                format!("printf %s \"${name}\" | tail -c +{} | LC_ALL=C tr -cd 'A-Za-z0-9_.-'", skip + 1),
            ),
            Mend::WriteLine => ("Set it again.", format!("printf %s \"${name}\"")),
            Mend::Decode => (
                "Decode it; and encode it only once where it comes from.",
                format!("printf %s \"${name}\" | base64 -d"),
            ),
        };
        Fix { says: says.to_owned(), command: Some(format!("export {name}=\"$({filter})\"")) }
    }
}
