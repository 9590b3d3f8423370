//! What mends a key that is stored: another one in its place.

use keywright::sources::Reference;
use keywright::store::KeyName;
use keywright_core::inspect::{Finding, Severity};
use keywright_core::{Cause, Fix, ProviderSpec};

use crate::key_report::KeySeen;

/// The command that replaces the key of this name.
pub(super) fn of_name(provider: &ProviderSpec, name: &KeyName) -> String {
    match name {
        name if name.is_previous() => format!("keywright keys remove {} --name {name}", provider.id),
        name if *name == KeyName::default() => format!("keywright keys rotate {}", provider.id),
        name => format!("keywright keys rotate {} --name {name}", provider.id),
    }
}

/// The command that replaces the key of a place; `None` where keywright does not write.
pub(super) fn of_place(provider: &ProviderSpec, reference: &Reference) -> Option<String> {
    let is_written = matches!(reference, Reference::Keyring { .. } | Reference::Age { .. });
    is_written.then(|| format!("keywright keys rotate {} --store '{reference}'", provider.id))
}

/// Every finding that another key mends names the command that puts it in.
pub(super) fn aim(seen: &mut KeySeen, provider: &ProviderSpec, command: &str) {
    let wrong = |finding: &&mut Finding| finding.severity > Severity::Note && is_mended_by_another_key(finding.cause);
    for finding in seen.findings.iter_mut().filter(wrong) {
        let from = provider.keys_url.as_ref().map(|page| format!(" from {page}")).unwrap_or_default();
        let says = format!("Put a good key of {}{from} in its place, or take it out.", provider.name);
        finding.fix = Some(Fix { says, command: Some(command.to_owned()) });
    }
}

/// Whether it is the value that is wrong, not the account or the way to it.
const fn is_mended_by_another_key(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::EmptyKey
            | Cause::Expired
            | Cause::HeaderMalformed
            | Cause::HiddenOrNonAsciiCharacter
            | Cause::InvalidKey
            | Cause::LeakedAndAutoDisabled
            | Cause::NotAKeyValue
            | Cause::PlaceholderKey
            | Cause::QuotesInKey
            | Cause::RevokedOrRotated
            | Cause::TruncatedOrMistyped
            | Cause::WhitespaceOrNewline
            | Cause::WrongProviderKey
    )
}

#[cfg(test)]
mod tests {
    use keywright_core::{Catalogue, Secret};

    use super::*;

    #[test]
    fn a_wrong_value_is_replaced_where_it_is_stored() {
        let openai = Catalogue::builtin().provider("openai").expect("in the catalogue");
        let named: KeyName = "team-b".parse().expect("a name");
        for (name, command) in [
            (KeyName::default(), "keywright keys rotate openai"),
            (named.clone(), "keywright keys rotate openai --name team-b"),
            (named.previous(), "keywright keys remove openai --name team-b.previous"),
        ] {
            for wrong in ["fw_AAAAAAAAAAAAAAAAAAAA0001", "", "your-api-key-here", "one\ntwo"] {
                let mut seen = KeySeen::entered(openai, &Secret::new(wrong), "the key vault");
                aim(&mut seen, openai, &of_name(openai, &name));
                let fix = seen.findings.first().and_then(|finding| finding.fix.as_ref()).expect(wrong);
                assert_eq!(fix.command.as_deref(), Some(command), "{wrong}");
                assert!(!fix.says.contains("OPENAI_API_KEY"), "{fix:?}");
            }
        }
    }
}
