//! What to do about a source that gave nothing.

use super::SourceError;

impl SourceError {
    /// What to do about it, where that is more than "put the key there".
    pub const fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::OpenToOthers { .. } => {
                "Close it with `chmod 600`, and make new keys if somebody else may have read it."
            }
            Self::NotJson { .. } | Self::NotAnObject => {
                "Write it as `{\"FIELD\": \"KEY\"}`, or leave out `#FIELD` where the whole of it is the key."
            }
            Self::FieldNotText => "Name a field that holds the key itself, a text in quotes.",
            Self::NoField => "Look at the names of its fields; the one after `#` must be among them.",
            Self::NoCredentials => {
                "Add `LoadCredential=NAME:/path` or `SetCredentialEncrypted=…` to the unit and restart it."
            }
            Self::NoKeyring => {
                "Start one (gnome-keyring, KWallet) in this session, or keep the key in an age file: `age://keys.age#openai`."
            }
            Self::KeyringLocked => "Unlock the keyring: log in to the desktop, or `gnome-keyring-daemon --unlock`.",
            Self::KeyringAmbiguous => "Delete all but one of them with the keyring's own program.",
            Self::NoAgeKey => {
                "Set KEYWRIGHT_AGE_IDENTITY to an identity file, or KEYWRIGHT_AGE_PASSPHRASE_FILE to a file with the passphrase."
            }
            Self::BadAgeIdentity => {
                "Make one with `age-keygen -o key.txt`, readable by you alone, and name it in KEYWRIGHT_AGE_IDENTITY."
            }
            Self::LockedAgeIdentity => {
                "Use an identity without a passphrase; a program that starts by itself cannot ask for it."
            }
            Self::WrongAgeKey => {
                "Look at who it was encrypted for: `age-inspect`, or encrypt it again for this identity."
            }
            Self::AgeDamaged => "Take it from a backup; age notices every changed byte.",
            Self::HelperTwoLines => "Print the key and nothing else; words for people belong on standard error.",
            Self::NoHelper => "Name it below `[helper]`: `NAME = [\"program\", \"argument\"]`.",
            Self::HelperNotAllowed => {
                "Read what it would run, then allow it: `keywright config allow FILE`. A changed file must be allowed again."
            }
            Self::HelperNotFound => "Look at its name and at PATH; a script also needs its interpreter.",
            Self::HelperNotExecutable => "Make it executable, `chmod +x`, and begin a script with `#!/bin/sh`.",
            Self::HelperFailed { .. } | Self::HelperKilled | Self::HelperSilent => {
                "Run it yourself: what it says on standard error is not shown here, for it may hold the key."
            }
            Self::NoOnePassword => {
                "Install 1Password's command line and sign in, or set OP_CONNECT_HOST and OP_CONNECT_TOKEN."
            }
            Self::OnePasswordSignedOut => {
                "Run `op signin`, or give a service account's token in OP_SERVICE_ACCOUNT_TOKEN."
            }
            Self::OnePasswordRefused => "Ask it yourself: `op read op://VAULT/ITEM/FIELD` says why.",
            Self::NoCloudLogin(cloud) | Self::BadCloudCredentials(cloud) => cloud.login_help(),
            Self::CloudLoginRefused(cloud) | Self::CloudExpired(cloud) => cloud.refused_help(),
            Self::CloudDenied(cloud) => cloud.denied_help(),
            Self::CloudThrottled(_) => {
                "It is asked again more slowly; set `sources.poll_seconds` higher if this comes back."
            }
            Self::BadCloudEndpoint(_) => "Write the endpoint as `https://host`, or unset its variable.",
            Self::NoRegion => "Set AWS_REGION, or write `?region=eu-central-1` behind the reference.",
            _ => return self.vault_help(),
        })
    }

    const fn vault_help(self) -> Option<&'static str> {
        Some(match self {
            Self::NoVaultAddress => "Set VAULT_ADDR, such as `https://vault.example.com:8200`.",
            Self::NoVaultToken => {
                "Run `vault login`, or set VAULT_TOKEN, VAULT_ROLE_ID with VAULT_SECRET_ID, or VAULT_K8S_ROLE."
            }
            Self::VaultLoginRefused => "Look at the role and its secret id; a secret id may have been used up.",
            Self::VaultDenied => {
                "Let a policy of the token allow `read` on it; see what the token may do: `vault token capabilities PATH`."
            }
            Self::VaultTokenEnded => {
                "Log in again, `vault login`, or set a new VAULT_TOKEN; `vault token lookup` tells."
            }
            Self::VaultSealed => "Ask whoever runs the vault to unseal it: `vault operator unseal`.",
            _ => return None,
        })
    }
}
