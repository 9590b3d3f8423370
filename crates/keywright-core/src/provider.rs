//! What Keywright knows about one provider: the shape of `data/providers/<id>.toml`.

mod admin;

use serde::Deserialize;

pub use self::admin::{Admin, AdminApi};
use crate::cause::Cause;
use crate::diagnosis::Confidence;

/// One provider, as its data file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// The catalogue id: `openai`, `fireworks`, `together` …
    pub id: String,
    /// The name as the provider writes it.
    pub name: String,
    /// Where most of the facts come from.
    pub source: String,
    /// The day they were last checked, `YYYY-MM-DD`.
    pub checked: String,
    /// Where a person makes and revokes keys.
    #[serde(default)]
    pub keys_url: Option<String>,
    /// Where a person pays.
    #[serde(default)]
    pub billing_url: Option<String>,
    /// Hosts and credential header.
    pub http: Http,
    /// How paths are built.
    #[serde(default)]
    pub paths: Paths,
    /// Shapes of its keys, most specific first.
    #[serde(default, rename = "key")]
    pub keys: Vec<KeyShape>,
    /// Environment variables that name its key, host, account and so on.
    #[serde(default, rename = "variable")]
    pub variables: Vec<Variable>,
    /// How its keys are made and deleted by a program.
    #[serde(default)]
    pub admin: Option<Admin>,
    /// Calls that prove a key and cost nothing, in the order to try them.
    #[serde(default, rename = "probe")]
    pub probes: Vec<Probe>,
    /// Answer rules; the first match wins.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// Hosts and credential header.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Scheme and host, without a path.
    pub origin: String,
    /// Every host that may see a key of this provider.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// What SDKs append to the origin: the usual end of a base URL, such as `/v1`.
    #[serde(default)]
    pub sdk_base: String,
    /// The header that carries the key.
    pub auth: AuthHeader,
    /// Headers that go with every call, such as `anthropic-version`.
    #[serde(default)]
    pub headers: Vec<FixedHeader>,
    /// Request headers that belong to one key's account and are dropped when the key is swapped, lower case.
    #[serde(default)]
    pub tenant_headers: Vec<String>,
}

/// The header that carries the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthHeader {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// `x-api-key: <key>`.
    XApiKey,
    /// `api-key: <key>`.
    ApiKey,
    /// `x-goog-api-key: <key>`.
    XGoogApiKey,
}

impl AuthHeader {
    /// The header's name, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "authorization",
            Self::XApiKey => "x-api-key",
            Self::ApiKey => "api-key",
            Self::XGoogApiKey => "x-goog-api-key",
        }
    }

    /// What stands before the key in the header's value.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer ",
            Self::XApiKey | Self::ApiKey | Self::XGoogApiKey => "",
        }
    }
}

/// A header that goes with every call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedHeader {
    /// Its name, lower case.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How a provider's paths are built, so that every SDK's way of building them can be mended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// Path segments that are versions: `v1`, `v2`.
    #[serde(default)]
    pub versions: Vec<String>,
    /// A prefix that may stand before the version and may be left out by an SDK, without slashes: `inference`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// First segments after the version that belong under the prefix: `chat`, `completions`, `embeddings`.
    #[serde(default)]
    pub prefixed: Vec<String>,
    /// First segments that have neither prefix nor version: `verifyApiKey`.
    #[serde(default)]
    pub bare: Vec<String>,
    /// First segments that name server-side objects: `threads`, `files`. A request that carries the id of
    /// such an object must use a key of the object's project.
    #[serde(default)]
    pub stateful: Vec<String>,
    /// Members of a JSON body that carry such ids: `previous_response_id`.
    #[serde(default)]
    pub stateful_members: Vec<String>,
}

/// The shape of one kind of key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyShape {
    /// What the kind is called: `project key`, `legacy user key`.
    pub kind: String,
    /// What it begins with; empty for kinds without a prefix.
    #[serde(default)]
    pub prefix: String,
    /// Total lengths that were seen; empty when no length is known.
    #[serde(default)]
    pub lengths: Vec<usize>,
    /// The characters after the prefix.
    #[serde(default)]
    pub charset: Charset,
    /// A fixed string in the middle with as many characters before it as after it: OpenAI's `T3BlbkFJ`.
    #[serde(default)]
    pub marker: Option<String>,
    /// How it may be used.
    #[serde(default)]
    pub standing: KeyStanding,
    /// Whether the shape is so common that it names no vendor by itself (64 hex digits, 32 letters).
    #[serde(default)]
    pub weak: bool,
    /// Where the shape comes from.
    pub source: String,
}

/// Which characters follow a key's prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Charset {
    /// `A-Z a-z 0-9`.
    Base62,
    /// The same with `_` and `-`.
    #[default]
    Base64url,
    /// `0-9 a-f`.
    Hex,
    /// `a-z 0-9`.
    Lower,
    /// Any graphic ASCII character.
    Graphic,
}

impl Charset {
    /// Whether a character belongs to the set.
    pub const fn holds(self, c: char) -> bool {
        match self {
            Self::Base62 => c.is_ascii_alphanumeric(),
            Self::Base64url => c.is_ascii_alphanumeric() || matches!(c, '_' | '-'),
            Self::Hex => c.is_ascii_digit() || matches!(c, 'a'..='f'),
            Self::Lower => c.is_ascii_digit() || c.is_ascii_lowercase(),
            Self::Graphic => c.is_ascii_graphic(),
        }
    }
}

/// How a kind of key may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStanding {
    /// Given out today.
    #[default]
    Current,
    /// Still works, no longer given out.
    Legacy,
    /// Works for administration only.
    Admin,
    /// Works for a part of the routes only.
    Limited,
    /// Looks like a key and is not one for servers: session tokens, browser secrets.
    NotForServers,
}

/// One environment variable.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub role: VariableRole,
    /// Who reads it.
    #[serde(default)]
    pub standing: VariableStanding,
    /// The clients that read it, in words.
    #[serde(default)]
    pub readers: String,
    /// For base URLs: the path that the value must end in for these readers; `None` for other roles.
    #[serde(default)]
    pub ends_in: Option<String>,
    /// What its mere presence can cause: it sends requests elsewhere, or replaces the key.
    #[serde(default)]
    pub interferes: Option<Cause>,
}

/// What a variable holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableRole {
    /// The API key.
    Key,
    /// A key for administration.
    AdminKey,
    /// The base URL.
    BaseUrl,
    /// The organisation.
    Organization,
    /// The project or account.
    Project,
    /// Extra headers, which may carry a second credential.
    Headers,
    /// Another setting.
    Other,
}

/// Who reads a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableStanding {
    /// The provider's own SDKs read it today.
    #[default]
    Official,
    /// Older versions of the provider's SDKs read it.
    Legacy,
    /// Only other libraries read it.
    OtherLibraries,
    /// People set it and nothing reads it.
    Mistaken,
}

/// A call that proves a key and costs nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The path, from the origin.
    pub path: String,
    /// Causes by the value at a JSON pointer of a good answer: Fireworks' `suspendState`.
    #[serde(default)]
    pub state: Option<ProbeState>,
    /// Statuses that are known to say nothing about the key on this route.
    #[serde(default)]
    pub unsure: Vec<u16>,
    /// Where the fact comes from.
    pub source: String,
}

/// How a good answer to a probe can still tell of a suspended account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeState {
    /// The JSON pointer to look at.
    pub pointer: String,
    /// The cause for each value; other values are fine.
    pub causes: std::collections::BTreeMap<String, Cause>,
}

/// One answer rule. Every condition that is given must hold; the first matching rule of a provider wins.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A short stable name: `O4`.
    pub id: String,
    /// The statuses it covers; empty covers all.
    #[serde(default)]
    pub status: Vec<u16>,
    /// Codes it covers (`error.code`), compared without case; empty covers all.
    #[serde(default)]
    pub code: Vec<String>,
    /// Types it covers (`error.type`); empty covers all.
    #[serde(default)]
    pub kind: Vec<String>,
    /// Fragments of the message, compared without case; one of them must occur. Empty covers all.
    #[serde(default)]
    pub message: Vec<String>,
    /// Fragments of the message that do instead of `code`, `kind` and `message`: several clients print
    /// the sentence alone.
    #[serde(default)]
    pub or_message: Vec<String>,
    /// Fragments of the request path; one of them must occur. Empty covers all.
    #[serde(default)]
    pub path: Vec<String>,
    /// What the answer means.
    pub cause: Cause,
    /// How sure that is.
    pub confidence: Confidence,
    /// Other causes that give the same answer, most probable first.
    #[serde(default)]
    pub alternatives: Vec<Cause>,
    /// The recorded answers that prove it, as file stems below `data/answers/<provider>/`.
    pub answers: Vec<String>,
}

impl ProviderSpec {
    /// The variable that the provider's own SDKs read the key from.
    pub fn key_variable(&self) -> Option<&str> {
        self.variables_of(VariableRole::Key)
            .find(|variable| variable.standing == VariableStanding::Official)
            .map(|variable| variable.name.as_str())
    }

    /// The variables of one role.
    pub fn variables_of(&self, role: VariableRole) -> impl Iterator<Item = &Variable> {
        self.variables.iter().filter(move |variable| variable.role == role)
    }
}
