//! What to do about a source that gave nothing.

use keywright_core::Cause;

use super::SourceError;

impl SourceError {
    /// What to do about it, where that is more than "put the key there": [`Reference::fix`] says how.
    ///
    /// [`Reference::fix`]: crate::sources::Reference::fix
    pub const fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::Denied => "Let the user that runs this read it: the file, and every folder above it.",
            Self::Directory => "Name the file in it that holds the key.",
            Self::Device => "Name a regular file that holds the key.",
            Self::Unreadable(_) => "Read it by hand as the same user: the system says more then.",
            Self::TimedOut { .. } => {
                "Ask it by hand as the same user, and see what it waits for: a person or a network."
            }
            Self::Unreachable(Cause::Tls) => {
                "See which certificate it shows; one of your own must be known to this machine."
            }
            Self::Unreachable(_) => {
                "See whether this machine reaches it: its name, firewall, VPN and the proxy variables of this process."
            }
            Self::LeftOut => {
                "Use the `keywright` command, which has every source, or build with the feature of this one."
            }
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
            Self::KeyringRefused => "Run it again with KEYWRIGHT_LOG=debug: it shows what the keyring says.",
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
            Self::AgeWorkTooHigh => "Encrypt it again: `age -p` takes a bearable amount of work.",
            Self::NotAge => "Name a file that age wrote; `file://` and `dotenv://` read open ones.",
            Self::NotSet | Self::NoFile | Self::TooLarge { .. } | Self::NotUtf8 | Self::Dotenv(_) => return None,
            other => return other.help_beyond(),
        })
    }

    /// The same for helpers, servers and clouds.
    const fn help_beyond(self) -> Option<&'static str> {
        Some(match self {
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
            Self::BadConnectHost => "Write it as `http://host:8080` or `https://host`.",
            Self::NoCloudLogin(cloud) | Self::BadCloudCredentials(cloud) => cloud.login_help(),
            Self::CloudLoginRefused(cloud) | Self::CloudExpired(cloud) => cloud.refused_help(),
            Self::CloudDenied(cloud) => cloud.denied_help(),
            Self::CloudThrottled(_) => {
                "It is asked again more slowly; set `sources.poll_seconds` higher if this comes back."
            }
            Self::CloudStrange { .. } | Self::VaultStrange { .. } => {
                "Look at its own log or status page for this answer; it is asked again."
            }
            Self::BadCloudEndpoint(_) => "Write the endpoint as `https://host`, or unset its variable.",
            Self::NoRegion => "Set AWS_REGION, or write `?region=eu-central-1` behind the reference.",
            Self::Unsendable => {
                "Look for blanks and line ends in the reference, and in the token that it is read with."
            }
            _ => return self.vault_help(),
        })
    }

    const fn vault_help(self) -> Option<&'static str> {
        Some(match self {
            Self::NoVaultAddress => "Set VAULT_ADDR, such as `https://vault.example.com:8200`.",
            Self::BadVaultAddress => "Write VAULT_ADDR as `https://host:8200`, and VAULT_NAMESPACE as a name.",
            Self::BadVaultCertificate => "Name a PEM file with the vault's certificates in VAULT_CACERT.",
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
