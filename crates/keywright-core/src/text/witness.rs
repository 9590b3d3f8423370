//! The second witness: what the keys of a machine tell about a failure that a text tells of.
//!
//! The text may come from another machine. So nothing here overrules what the text says for sure; it says which
//! key was used, where it stands and what is wrong with it there, always as evidence of its own kind.

use super::echo;
use super::{Clues, Found, Unsendable};
use crate::cause::{Cause, Verdict};
use crate::diagnosis::{Confidence, Diagnosis, Witness};
use crate::inspect::{Finding, Holder, Severity};
use crate::secret::Secret;

/// One key of a machine.
#[derive(Clone, Debug)]
pub struct KeyHere<'a> {
    /// The id of the provider that gets it.
    pub provider: &'a str,
    /// The variable, or the reference.
    pub name: &'a str,
    /// Where it stands, in words a person can find.
    pub place: String,
    /// What kind of place that is.
    pub holder: Holder,
    /// The value.
    pub secret: &'a Secret,
    /// Whether programs that are started here see it.
    pub seen: Seen,
    /// What is wrong with it, the worst first.
    pub findings: &'a [Finding],
}

/// Whether programs see a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// They do.
    InForce,
    /// This place has the same name and comes first.
    Behind(String),
    /// It stands under a name that nothing is known to read.
    Unread,
}

/// What a machine shows.
#[derive(Clone, Debug, Default)]
pub struct Here<'a> {
    /// Its keys, the ones in force first.
    pub keys: Vec<KeyHere<'a>>,
    /// What is wrong with names, base URLs and headers, by the provider's id.
    pub findings: Vec<(&'a str, &'a Finding)>,
    /// What is wrong with what every call needs: proxies, certificates.
    pub surroundings: Vec<&'a Finding>,
}

/// Adds what a machine tells about a failure, and lets it narrow the cause to one that the text allows.
pub fn testify(found: &mut Found, here: &Here<'_>) {
    let Found { clues, diagnosis, .. } = found;
    if diagnosis.verdict != Verdict::Auth {
        return surroundings(diagnosis, here);
    }
    if diagnosis.is_unnamed() {
        owner(diagnosis, clues, here);
    }
    match clues.echo.as_deref().filter(|echo| echo::tells_apart(echo)) {
        Some(echo) => echoed(diagnosis, clues, echo, here),
        None if matches!(diagnosis.cause, Cause::MissingKey | Cause::EnvNotLoaded) => unset(diagnosis, clues, here),
        None => unseen(diagnosis, clues, here),
    }
}

/// The text names no provider. If one key here, or several of one provider, look like the one that it tells of, it is
/// that provider's.
fn owner(diagnosis: &mut Diagnosis, clues: &Clues, here: &Here<'_>) {
    let echo = clues.echo.as_deref().filter(|echo| echo::tells_apart(echo));
    let alike = |key: &&KeyHere<'_>| match (echo, clues.unsendable) {
        (Some(echo), _) => echo::is_of(echo, key.secret),
        (None, Some(unsendable)) => unsendable.is_in(key.secret),
        (None, None) => false,
    };
    let mut alike = here.keys.iter().filter(alike);
    let Some(first) = alike.next() else {
        return;
    };
    if alike.any(|other| other.provider != first.provider) {
        return;
    }
    diagnosis.attribute(first.provider);
    if let (None, Some(unsendable)) = (echo, clues.unsendable) {
        let (at, name, place) = (unsendable.at + 1, first.name, &first.place);
        says(
            diagnosis,
            format!("`{name}` of {place} has that character as its character {at}, and no other provider's key here"),
        );
    }
}

impl Unsendable {
    fn is_in(self, key: &Secret) -> bool {
        key.expose().chars().nth(self.at) == Some(self.character)
    }
}

/// The text shows a part of the key that was used.
fn echoed(diagnosis: &mut Diagnosis, clues: &Clues, echo: &str, here: &Here<'_>) {
    let same = |key: &&KeyHere<'_>| echo::is_of(echo, key.secret);
    let Some(used) = here.keys.iter().find(same) else {
        return stranger(diagnosis, clues, here);
    };
    let standing = match &used.seen {
        Seen::InForce => String::new(),
        Seen::Behind(winner) => format!("; a program that is started here now gets the one of {winner} instead"),
        Seen::Unread => "; nothing is known to read that name".to_owned(),
    };
    says(
        diagnosis,
        format!("the refused key is `{}` of {}, {}{standing}", used.name, used.place, used.secret.masked()),
    );
    if matches!(used.seen, Seen::Behind(_)) && diagnosis.cause == Cause::InvalidKey {
        recast(diagnosis, Cause::StaleValueOverrides, Confidence::Likely);
    }
    narrow(diagnosis, used, Confidence::Certain);
}

/// The key that was used is none of this machine's.
fn stranger(diagnosis: &mut Diagnosis, clues: &Clues, here: &Here<'_>) {
    let Some(own) = in_force(diagnosis, clues, here) else {
        return says(diagnosis, "no key here looks like the refused one");
    };
    let own = format!("`{}` of {}, {}", own.name, own.place, own.secret.masked());
    says(diagnosis, format!("the refused key is none of the keys here; a program that is started here gets {own}"));
    if diagnosis.cause == Cause::InvalidKey {
        let first =
            crate::diagnosis::Alternative { cause: Cause::StaleValueOverrides, confidence: Confidence::Possible };
        diagnosis.alternatives.retain(|other| other.cause != first.cause);
        diagnosis.alternatives.insert(0, first);
    }
}

/// The program found no key.
fn unset(diagnosis: &mut Diagnosis, clues: &Clues, here: &Here<'_>) {
    let Some(key) = in_force(diagnosis, clues, here) else {
        let misplaced = [Cause::WrongEnvVarName, Cause::EnvNotLoaded];
        let found = findings_of(diagnosis, clues, here).find(|finding| misplaced.contains(&finding.cause));
        if let Some(found) = found.cloned() {
            recast(diagnosis, found.cause, Confidence::Likely);
            add(diagnosis, &found);
        } else if let Some(name) = &clues.variable {
            says(diagnosis, format!("`{name}` is not set here either"));
        }
        return;
    };
    let (name, place, mask) = (key.name, &key.place, key.secret.masked());
    match key.holder {
        Holder::Environment => {
            let when = "the program was started elsewhere, or before it was set";
            says(diagnosis, format!("`{name}` is set in this shell, {mask}: {when}"));
        }
        Holder::Dotenv => {
            says(diagnosis, format!("`{name}` stands in {place}, {mask}: a program has it only if it loads that file"));
            recast(diagnosis, Cause::EnvNotLoaded, Confidence::Likely);
        }
        Holder::Other => {
            says(diagnosis, format!("a key is in {place}, {mask}: a program has it only if it asks there"));
        }
    }
    narrow(diagnosis, key, Confidence::Likely);
}

/// A key was refused, and the text does not show which.
fn unseen(diagnosis: &mut Diagnosis, clues: &Clues, here: &Here<'_>) {
    let Some(key) = in_force(diagnosis, clues, here) else {
        return;
    };
    let (name, place, mask) = (key.name, &key.place, key.secret.masked());
    says(diagnosis, format!("a program that is started here gets `{name}` of {place}, {mask}"));
    narrow(diagnosis, key, Confidence::Likely);
    let allowed: Vec<Finding> = findings_of(diagnosis, clues, here)
        .filter(|finding| finding.severity == Severity::Error && allows(diagnosis, finding.cause))
        .cloned()
        .collect();
    for finding in &allowed {
        recast(diagnosis, finding.cause, Confidence::Likely);
        add(diagnosis, finding);
    }
}

/// What is wrong with a key here is the cause, if the text allows it.
fn narrow(diagnosis: &mut Diagnosis, key: &KeyHere<'_>, surest: Confidence) {
    let Some(worst) = key.findings.iter().find(|finding| finding.severity == Severity::Error) else {
        // What is merely strange about it proves nothing; it confirms what the text says for itself.
        let same = key.findings.iter().find(|finding| finding.cause == diagnosis.cause);
        return same.into_iter().for_each(|finding| add(diagnosis, finding));
    };
    if allows(diagnosis, worst.cause) {
        let confidence = if worst.cause == diagnosis.cause { surest } else { Confidence::Likely };
        recast(diagnosis, worst.cause, confidence.max(diagnosis.confidence));
    }
    add(diagnosis, worst);
}

/// Findings about proxies and certificates explain failures of the same kind.
fn surroundings(diagnosis: &mut Diagnosis, here: &Here<'_>) {
    let connects = [Cause::Network, Cause::Proxy, Cause::Tls, Cause::Timeout];
    if connects.contains(&diagnosis.cause) {
        for finding in here.surroundings.iter().filter(|finding| connects.contains(&finding.cause)) {
            add(diagnosis, finding);
        }
    }
}

/// Whether the text leaves room for a cause.
fn allows(diagnosis: &Diagnosis, cause: Cause) -> bool {
    cause == diagnosis.cause || diagnosis.alternatives.iter().any(|other| other.cause == cause)
}

fn recast(diagnosis: &mut Diagnosis, cause: Cause, confidence: Confidence) {
    if diagnosis.cause == cause {
        diagnosis.confidence = diagnosis.confidence.max(confidence);
    } else {
        diagnosis.recast(cause, confidence);
    }
}

fn says(diagnosis: &mut Diagnosis, words: impl Into<String>) {
    diagnosis.evidence.push(crate::diagnosis::Evidence { witness: Witness::Environment, says: words.into() });
}

/// A finding as evidence; what mends it here goes before what mends it in general.
fn add(diagnosis: &mut Diagnosis, finding: &Finding) {
    let place = finding.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
    says(diagnosis, format!("{place}{}", finding.says));
    if let Some(fix) = &finding.fix
        && finding.cause == diagnosis.cause
    {
        diagnosis.fixes.retain(|known| known != fix);
        diagnosis.fixes.insert(0, fix.clone());
    }
}

/// The key that a program would use for the provider in question.
fn in_force<'h>(diagnosis: &Diagnosis, clues: &Clues, here: &'h Here<'_>) -> Option<&'h KeyHere<'h>> {
    let usable = here.keys.iter().filter(|key| key.seen == Seen::InForce);
    let mut own = usable.filter(|key| concerns(diagnosis, clues, key.provider));
    let named = clues.variable.as_deref();
    own.clone().find(|key| Some(key.name) == named).or_else(|| own.next())
}

fn findings_of<'h>(diagnosis: &Diagnosis, clues: &Clues, here: &'h Here<'_>) -> impl Iterator<Item = &'h Finding> {
    let (provider, clues) = (diagnosis.provider.clone(), clues.clone());
    let concerned = move |id: &str| clues.answered_by.map_or(id == provider, |answered| id == answered);
    here.findings.iter().filter(move |(id, _)| concerned(id)).map(|(_, finding)| *finding)
}

/// Whose words they are counts before whose key it is.
fn concerns(diagnosis: &Diagnosis, clues: &Clues, provider: &str) -> bool {
    clues.answered_by.map_or(diagnosis.provider == provider, |answered| provider == answered)
}

#[cfg(test)]
mod tests;
