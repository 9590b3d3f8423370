//! Why a source gave nothing, and which cause that is.

mod help;

use std::io;

use keywright_core::{Cause, DotenvError};

use super::Cloud;

/// Why a source gave nothing. No message holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The variable, or the member of the file, does not exist.
    #[error("not set")]
    NotSet,
    /// There is no such file.
    #[error("no such file")]
    NoFile,
    /// The operating system refuses to open it.
    #[error("permission denied")]
    Denied,
    /// The path is a directory.
    #[error("it is a directory, not a file")]
    Directory,
    /// The path is a device, a pipe or a socket.
    #[error("it is a device or a pipe, not a regular file")]
    Device,
    /// It is too large to be what it should be.
    #[error("larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Reading failed in another way.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// The value is not text.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// A field was asked for and the file is not JSON.
    #[error("not JSON (line {line}, column {column})")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A field was asked for and the JSON is not an object.
    #[error("JSON without fields")]
    NotAnObject,
    /// The field is a number, a list or an object.
    #[error("the field is not a string")]
    FieldNotText,
    /// The dotenv file cannot be read as one.
    #[error(transparent)]
    Dotenv(#[from] DotenvError),
    /// The secret is there and has no such field.
    #[error("the secret has no such field")]
    NoField,
    /// Others can read it, so that it is no secret.
    #[error("it is open to other users (mode {mode:o})")]
    OpenToOthers {
        /// The permission bits.
        mode: u32,
    },
    /// No answer came in time.
    #[error("no answer within {seconds} s")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
    /// The place cannot be reached over the network.
    #[error("cannot be reached [{}]", .0.slug())]
    Unreachable(Cause),
    /// systemd gave this process no credentials.
    #[error("CREDENTIALS_DIRECTORY is not set: systemd gave this process no credentials")]
    NoCredentials,
    /// No keyring service runs in this session.
    #[error("no keyring service answers in this session")]
    NoKeyring,
    /// The keyring is locked.
    #[error("the keyring is locked")]
    KeyringLocked,
    /// Several entries match.
    #[error("several keyring entries match")]
    KeyringAmbiguous,
    /// The keyring failed in another way.
    #[error("the keyring refused")]
    KeyringRefused,
    /// This build has no such source.
    #[error("this build was made without this source")]
    LeftOut,
    /// Nothing that opens age files is set.
    #[error("nothing is set that opens it")]
    NoAgeKey,
    /// The identity file cannot be used.
    #[error("the identity or passphrase file cannot be used")]
    BadAgeIdentity,
    /// The SSH key has a passphrase of its own.
    #[error("the SSH identity is protected by a passphrase")]
    LockedAgeIdentity,
    /// The passphrase or identity does not open the file.
    #[error("the passphrase or identity does not open it")]
    WrongAgeKey,
    /// The file asks for a thousand times the usual work.
    #[error("its passphrase is stretched beyond reason")]
    AgeWorkTooHigh,
    /// The file was changed or cut.
    #[error("it is damaged: cut short or changed after it was written")]
    AgeDamaged,
    /// The file is no age file.
    #[error("it is not an age file")]
    NotAge,
    /// A program that should print a key printed nothing.
    #[error("the program printed nothing")]
    HelperSilent,
    /// A program that should print a key printed more than one line.
    #[error("the program printed more than one line")]
    HelperTwoLines,
    /// The configuration has no helper of this name.
    #[error("the configuration names no such helper")]
    NoHelper,
    /// The user did not allow this configuration to run programs.
    #[error("this configuration is not allowed to run helpers")]
    HelperNotAllowed,
    /// There is no such program.
    #[error("there is no such program")]
    HelperNotFound,
    /// The program cannot be started.
    #[error("the program is not executable")]
    HelperNotExecutable,
    /// The program says that it failed.
    #[error("the program ended with status {status}")]
    HelperFailed {
        /// Its exit code.
        status: i32,
    },
    /// The program was killed.
    #[error("the program was ended by a signal")]
    HelperKilled,
    /// Neither the command of 1Password nor a Connect server is there.
    #[error("there is no command `op`, and OP_CONNECT_HOST and OP_CONNECT_TOKEN are not set")]
    NoOnePassword,
    /// 1Password wants a sign-in.
    #[error("1Password wants a sign-in: no session, or a token that has ended")]
    OnePasswordSignedOut,
    /// 1Password refused for another reason.
    #[error("1Password refused")]
    OnePasswordRefused,
    /// The address of the Connect server cannot be used.
    #[error("OP_CONNECT_HOST cannot be used")]
    BadConnectHost,
    /// There is nothing to log in to a cloud with.
    #[error("there are no credentials for {0}")]
    NoCloudLogin(Cloud),
    /// The file with the credentials cannot be used.
    #[error("the credentials for {0} cannot be used")]
    BadCloudCredentials(Cloud),
    /// The cloud refused the credentials.
    #[error("{0} refused the credentials")]
    CloudLoginRefused(Cloud),
    /// The credentials were temporary.
    #[error("the credentials for {0} have expired")]
    CloudExpired(Cloud),
    /// The credentials are good, and may not read this.
    #[error("{0} does not allow these credentials to read it")]
    CloudDenied(Cloud),
    /// Too many questions.
    #[error("{0} asks for fewer questions")]
    CloudThrottled(Cloud),
    /// The cloud answered something else.
    #[error("{cloud} answered {status}")]
    CloudStrange {
        /// Who.
        cloud: Cloud,
        /// The HTTP status.
        status: u16,
    },
    /// The address of the cloud's service cannot be used.
    #[error("the endpoint set for {0} cannot be used")]
    BadCloudEndpoint(Cloud),
    /// Nothing says in which region to ask.
    #[error("no AWS region is set")]
    NoRegion,
    /// It holds bytes that no request can carry.
    #[error("it holds characters that no request can carry")]
    Unsendable,
    /// No vault is configured.
    #[error("VAULT_ADDR is not set")]
    NoVaultAddress,
    /// The vault's address or namespace cannot be used.
    #[error("VAULT_ADDR or VAULT_NAMESPACE cannot be used")]
    BadVaultAddress,
    /// The certificates named for the vault cannot be used.
    #[error("the certificates of VAULT_CACERT cannot be used")]
    BadVaultCertificate,
    /// There is no token and nothing to log in with.
    #[error("there is no vault token and nothing to log in with")]
    NoVaultToken,
    /// The vault refused to log us in.
    #[error("the vault refused the login")]
    VaultLoginRefused,
    /// The vault refused the token for this path, and knows the token.
    #[error("the vault answered 403: the token's policies do not allow this path")]
    VaultDenied,
    /// The vault refused the token for this path, and does not even let it look at itself.
    #[error("the vault answered 403: the token is not valid, or no longer")]
    VaultTokenEnded,
    /// The vault is sealed.
    #[error("the vault is sealed")]
    VaultSealed,
    /// The vault answered something else.
    #[error("the vault answered {status}")]
    VaultStrange {
        /// The HTTP status.
        status: u16,
    },
}

impl SourceError {
    /// The cause that a missing key has because of this.
    pub const fn cause(self) -> Cause {
        match self {
            Self::HelperTwoLines => Cause::WhitespaceOrNewline,
            Self::NotUtf8 => Cause::HiddenOrNonAsciiCharacter,
            Self::TimedOut { .. } => Cause::Timeout,
            Self::Unreachable(cause) => cause,
            Self::BadVaultCertificate => Cause::Tls,
            absent if absent.is_absence() => Cause::MissingKey,
            _ => Cause::EnvNotLoaded,
        }
    }

    /// Whether nothing is there, or nothing that could be a key. Every other place may hold one that could not be loaded.
    const fn is_absence(self) -> bool {
        matches!(
            self,
            Self::NotSet
                | Self::NoFile
                | Self::Directory
                | Self::Device
                | Self::TooLarge { .. }
                | Self::Unreadable(_)
                | Self::NotJson { .. }
                | Self::NotAnObject
                | Self::FieldNotText
                | Self::NoField
                | Self::NoCredentials
                | Self::NoKeyring
                | Self::LeftOut
                | Self::NoAgeKey
                | Self::NotAge
                | Self::AgeDamaged
                | Self::AgeWorkTooHigh
                | Self::HelperSilent
                | Self::NoHelper
                | Self::HelperNotFound
                | Self::NoOnePassword
                | Self::BadConnectHost
                | Self::NoCloudLogin(_)
                | Self::BadCloudEndpoint(_)
                | Self::NoRegion
                | Self::Unsendable
                | Self::NoVaultAddress
                | Self::BadVaultAddress
        )
    }

    /// Whether the place could not say what it holds. A place that says that it holds nothing, or something that is no
    /// key, has answered.
    pub const fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Denied
                | Self::Unreadable(_)
                | Self::TimedOut { .. }
                | Self::Unreachable(_)
                | Self::NoKeyring
                | Self::KeyringLocked
                | Self::KeyringRefused
                | Self::NoAgeKey
                | Self::BadAgeIdentity
                | Self::LockedAgeIdentity
                | Self::WrongAgeKey
                | Self::AgeDamaged
                | Self::HelperSilent
                | Self::HelperFailed { .. }
                | Self::HelperKilled
                | Self::NoOnePassword
                | Self::OnePasswordSignedOut
                | Self::OnePasswordRefused
                | Self::NoCloudLogin(_)
                | Self::BadCloudCredentials(_)
                | Self::CloudLoginRefused(_)
                | Self::CloudExpired(_)
                | Self::CloudDenied(_)
                | Self::CloudThrottled(_)
                | Self::CloudStrange { .. }
                | Self::NoVaultToken
                | Self::VaultLoginRefused
                | Self::VaultDenied
                | Self::VaultTokenEnded
                | Self::VaultSealed
                | Self::VaultStrange { .. }
                | Self::BadVaultCertificate
        )
    }
}
