//! The second witness of `explain`: the keys of this machine.

use keywright::sources::{Reference, Resolver};
use keywright::survey::{Credential, Scope, Standing, Survey};
use keywright_core::text::Found;
use keywright_core::text::witness::{Here, KeyHere, Seen, testify as hear};

use crate::commands::runtime;
use crate::error::CliError;
use crate::terminal::SharedRedactor;

/// Adds what the variables and files here tell about each failure. The redactor learns the keys that are seen.
pub(crate) fn testify<'f>(
    found: impl Iterator<Item = &'f mut Found>,
    redactor: &SharedRedactor,
) -> Result<(), CliError> {
    let resolver = Resolver::process();
    let survey = runtime()?.block_on(Survey::take(&resolver, &Scope::default()));
    redactor.learn(&survey.secrets());
    let here = here(&survey);
    found.for_each(|found| hear(found, &here));
    Ok(())
}

fn here(survey: &Survey) -> Here<'_> {
    let mut keys: Vec<KeyHere<'_>> = survey.credentials.iter().map(key_here).collect();
    keys.sort_by_key(|key| key.seen != Seen::InForce);
    Here {
        keys,
        findings: survey.findings.iter().map(|(owner, finding)| (owner.id.as_str(), finding)).collect(),
        surroundings: survey.surroundings.iter().collect(),
    }
}

fn key_here(credential: &Credential) -> KeyHere<'_> {
    KeyHere {
        provider: &credential.leads_to.id,
        name: &credential.name,
        place: match credential.reference {
            // The name says it all.
            Reference::Env { .. } => "the environment".to_owned(),
            _ => credential.place.to_string(),
        },
        holder: credential.holder(),
        secret: &credential.secret,
        seen: match &credential.standing {
            Standing::InForce => Seen::InForce,
            Standing::ShadowedBy(winner) => Seen::Behind(winner.to_string()),
            Standing::Unread => Seen::Unread,
        },
        findings: &credential.findings,
    }
}
