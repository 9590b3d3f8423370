//! Base URLs: where a client sends its requests, and whether the path is the one it expects.

use super::setting::Settings;
use super::{Finding, Holder, Setting, Severity, paste};
use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::provider::{ProviderSpec, Variable, VariableRole, VariableStanding};

/// What is strange about the base URL variables of a provider.
pub fn inspect(settings: &Settings, provider: &ProviderSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    for setting in settings.iter().filter(|setting| setting.has_text()) {
        let endings = endings(provider, &setting.name);
        if !endings.is_empty() {
            let found = inspect_url(setting.value.expose(), provider, &endings);
            findings.extend(found.into_iter().map(|finding| with_command(setting.located(finding), setting)));
        }
    }
    findings.extend(two_names(settings, provider));
    findings.extend(under_other_names(settings, provider));
    findings
}

/// Inspects one base URL of a provider; `endings` are the paths that its readers expect.
pub fn inspect_url(value: &str, provider: &ProviderSpec, endings: &[&str]) -> Vec<Finding> {
    let surface = paste::around_and_inside(value);
    if !surface.is_empty() {
        let url = super::cleaned(value);
        return surface.into_iter().map(|finding| meant(finding, &url)).collect();
    }
    let Some(url) = Url::parse(value) else {
        let says = "the base URL does not begin with `https://` or `http://`";
        return vec![Finding::error(Cause::WrongBaseUrl, says).at(0)];
    };
    let mut findings = Vec::new();
    if url.has_extra {
        findings.push(Finding::warning(Cause::WrongBaseUrl, "a base URL holds no user name, password or query").at(0));
    }
    let host_owner = Catalogue::builtin().provider_of_host(url.host);
    if host_owner.is_some() && !url.encrypted {
        let says = "`http://` is answered by a redirect, which drops the key; the address begins with `https://`";
        findings
            .push(meant(Finding::error(Cause::WrongBaseUrl, says).at(0), &format!("https://{}{}", url.host, url.path)));
    }
    findings.extend(path(&url, host_owner, provider, endings));
    findings
}

/// The provider that a client of `provider` reaches: another one's when its base URL leads there.
pub fn leads_to<'a>(settings: &Settings, provider: &'a ProviderSpec) -> &'a ProviderSpec {
    let owner = in_force(settings, provider)
        .and_then(|setting| Url::parse(setting.value.expose().trim()))
        .and_then(|url| Catalogue::builtin().provider_of_host(url.host));
    owner.unwrap_or(provider)
}

/// The finding about a key of `provider` while the base URL leads to another one.
pub fn mismatch(settings: &Settings, provider: &ProviderSpec, leads_to: &ProviderSpec) -> Option<Finding> {
    let setting = in_force(settings, provider)?;
    let says = format!("`{}` leads to {}, and the key is one of {}", setting.name, leads_to.name, provider.name);
    let remove = (setting.holder == Holder::Environment).then(|| format!("unset {}", setting.name));
    let advice = format!("Remove the base URL, or use a key of {}.", leads_to.name);
    Some(setting.located(Finding::warning(Cause::WrongBaseUrl, says).fixed_by(advice, remove)))
}

/// The base URL setting that the provider's clients see.
pub fn in_force<'a>(settings: &'a Settings, provider: &ProviderSpec) -> Option<&'a Setting> {
    variables(provider).filter_map(|variable| settings.in_force(&variable.name)).find(|setting| setting.has_text())
}

/// A base URL without what the readers of its variable append or expect at its end: the place of the provider itself.
pub fn without_ending(url: &str, provider: &ProviderSpec, name: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    let endings = endings(provider, name).into_iter().filter(|ending| !ending.is_empty());
    endings.filter_map(|ending| url.strip_suffix(ending)).min_by_key(|rest| rest.len()).unwrap_or(url).to_owned()
}

/// The base URL variables that something reads, the one to export first.
pub fn variables(provider: &ProviderSpec) -> impl Iterator<Item = &Variable> {
    let read = |variable: &&Variable| variable.standing != VariableStanding::Mistaken;
    provider.variables_of(VariableRole::BaseUrl).filter(read)
}

fn endings<'a>(provider: &'a ProviderSpec, name: &str) -> Vec<&'a str> {
    variables(provider)
        .filter(|variable| variable.name == name)
        .filter_map(|variable| variable.ends_in.as_deref())
        .collect()
}

/// The parts of a base URL that matter here.
struct Url<'a> {
    encrypted: bool,
    host: &'a str,
    /// Without slashes at its end.
    path: &'a str,
    /// Where the path begins, in characters.
    path_at: usize,
    /// It carries a user name, a query or a fragment.
    has_extra: bool,
}

impl<'a> Url<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.split_once("://")?;
        let encrypted = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (bare, extra) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
        let (user, address) =
            authority.rsplit_once('@').map_or((None, authority), |(user, address)| (Some(user), address));
        let host = address.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let host = host.map_or(address, |(host, _)| host);
        (!host.is_empty()).then(|| Self {
            encrypted,
            host,
            path: bare.trim_end_matches('/'),
            path_at: value.len() - rest.len() + end,
            has_extra: user.is_some() || !extra.is_empty(),
        })
    }
}

fn path(
    url: &Url<'_>,
    owner: Option<&'static ProviderSpec>,
    provider: &ProviderSpec,
    endings: &[&str],
) -> Option<Finding> {
    let wrong = |says: String| Finding::error(Cause::WrongBaseUrl, says).at(url.path_at);
    let base = format!("{}://{}", if url.encrypted { "https" } else { "http" }, url.host);
    if let Some(twice) = doubled(url.path) {
        let path = url.path.replacen(&format!("/{twice}/{twice}"), &format!("/{twice}"), 1);
        return Some(meant(wrong(format!("`/{twice}/{twice}`: the version stands twice")), &format!("{base}{path}")));
    }
    if let Some(call) = CALLS.iter().find(|call| url.path.ends_with(*call)) {
        let path = url.path.trim_end_matches(call);
        let says = format!("the path of a call, `{call}`, is part of the base URL; the client adds it itself");
        return Some(meant(wrong(says), &format!("{base}{path}")));
    }
    if url.host.to_ascii_lowercase().ends_with(AZURE) && provider.id == "openai" {
        let says = "the base URL leads to Azure OpenAI, which wants its own client, version and key";
        return Some(Finding::warning(Cause::AzureVsOpenaiMixup, says).at(0));
    }
    match owner {
        Some(owner) if owner.id != provider.id && provider.id != "openai" => {
            let says = format!("the base URL of {} leads to {}", provider.name, owner.name);
            Some(Finding::warning(Cause::WrongBaseUrl, says).at(0))
        }
        // Clients of OpenAI's protocol append their calls to what the other provider's paths begin with.
        Some(owner) if owner.id != provider.id => ending(url, &base, &[owner.http.sdk_base.as_str()]),
        Some(_) => ending(url, &base, endings),
        None if url.path.is_empty() && endings.iter().all(|ending| !ending.is_empty()) => {
            let says =
                format!("the path is empty; most servers of this protocol have their calls under `{}`", endings[0]);
            Some(Finding::note(Cause::WrongBaseUrl, says).at(url.path_at))
        }
        None => None,
    }
}

/// The path of a catalogued host is one of those that the readers expect.
fn ending(url: &Url<'_>, base: &str, endings: &[&str]) -> Option<Finding> {
    let usual = endings.first()?;
    if endings.contains(&url.path) {
        return None;
    }
    let says = match usual.strip_suffix(url.path) {
        Some(missing) if !url.path.is_empty() => format!("`{missing}` is missing before `{}`", url.path),
        Some(missing) => format!("`{missing}` is missing at the end"),
        None if usual.is_empty() => format!("`{}` is too much: the client adds its paths itself", url.path),
        None => format!("the path is `{}`, the readers of this variable expect `{usual}`", url.path),
    };
    let at = url.path_at;
    Some(meant(Finding::error(Cause::WrongBaseUrl, says).at(at), &format!("{base}{usual}")))
}

/// A version that stands twice in a row.
fn doubled(path: &str) -> Option<&str> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let version =
        |segment: &str| segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    segments.windows(2).find(|pair| pair[0] == pair[1] && version(pair[0])).map(|pair| pair[0])
}

/// Says which URL was meant; a base URL is no secret.
fn meant(finding: Finding, url: &str) -> Finding {
    let shown = if Url::parse(url).is_some_and(|url| !url.has_extra) {
        format!(" is `{url}`")
    } else {
        " begins with `https://`".to_owned()
    };
    finding.fixed_by(format!("The base URL that was meant{shown}."), Some(url.to_owned()))
}

/// Turns the URL that was meant into the command that sets it where this setting stands.
fn with_command(finding: Finding, setting: &Setting) -> Finding {
    let Some(fix) = finding.fix.clone().filter(|fix| fix.command.as_deref().is_some_and(|url| url.starts_with("http")))
    else {
        return finding;
    };
    let url = fix
        .command
        .filter(|url| !url.contains(['\'', '|', '\\', '&']) && Url::parse(url).is_some_and(|url| !url.has_extra));
    let name = &setting.name;
    let command = url.and_then(|url| match setting.holder {
        Holder::Environment => Some(format!("export {name}='{url}'")),
        Holder::Dotenv => {
            Some(format!("sed -i 's|^\\(export \\)\\{{0,1\\}}{name} *=.*|\\1{name}={url}|' '{}'", setting.place.source))
        }
        Holder::Other => None,
    });
    finding.fixed_by(fix.says, command)
}

/// Two names of one base URL with different values: which one counts depends on the client.
fn two_names(settings: &Settings, provider: &ProviderSpec) -> Option<Finding> {
    let mut set: Vec<&Setting> = Vec::new();
    for variable in variables(provider) {
        let setting = settings.in_force(&variable.name).filter(|setting| setting.has_text());
        set.extend(setting.filter(|setting| set.iter().all(|other| other.name != setting.name)));
    }
    let (first, others) = set.split_first()?;
    let bare = |setting: &Setting| {
        let url = setting.value.expose().trim().to_owned();
        Url::parse(&url).map(|url| url.host.to_ascii_lowercase())
    };
    let other = others.iter().find(|other| bare(other) != bare(first))?;
    let says = format!(
        "`{}` and `{}` lead to different places; which one counts depends on the client",
        first.name, other.name
    );
    let finding = Finding::warning(Cause::StaleValueOverrides, says);
    let command = (other.holder == Holder::Environment).then(|| format!("unset {}", other.name));
    Some(other.located(finding.fixed_by(format!("Keep `{}` alone.", first.name), command)))
}

/// Base URLs under names that the provider's own SDKs do not read, while the name that they read is not set.
fn under_other_names(settings: &Settings, provider: &ProviderSpec) -> Vec<Finding> {
    let is_official = |variable: &&Variable| variable.standing == VariableStanding::Official;
    let Some(official) = provider.variables_of(VariableRole::BaseUrl).find(is_official) else {
        return Vec::new();
    };
    if settings.in_force(&official.name).is_some_and(Setting::has_text) {
        return Vec::new();
    }
    let mut others: Vec<&Variable> = Vec::new();
    for variable in provider.variables_of(VariableRole::BaseUrl).filter(|variable| !is_official(variable)) {
        if others.iter().all(|other| other.name != variable.name) {
            others.push(variable);
        }
    }
    let set = |variable: &Variable| settings.in_force(&variable.name).filter(|setting| setting.has_text());
    others.into_iter().filter_map(|variable| Some(unread(set(variable)?, variable, &official.name))).collect()
}

fn unread(setting: &Setting, variable: &Variable, official: &str) -> Finding {
    let name = &setting.name;
    let finding = if variable.standing == VariableStanding::Mistaken {
        let says = format!("nothing reads `{name}`; the SDKs read `{official}`, and go to the provider without it");
        Finding::warning(Cause::WrongBaseUrl, says)
    } else {
        let says = format!("`{name}` is read by {}; the provider's SDKs read `{official}`", variable.readers);
        Finding::note(Cause::WrongBaseUrl, says)
    };
    let command = (setting.holder == Holder::Environment).then(|| format!("export {official}=\"${name}\""));
    setting.located(finding.fixed_by("Give the address to the name that is read.", command))
}

/// Whether findings say that requests cannot reach the provider at all.
pub fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Calls that people copy together with the base URL.
const CALLS: &[&str] = &["/chat/completions", "/completions", "/embeddings", "/responses", "/models"];
const AZURE: &str = ".openai.azure.com";
