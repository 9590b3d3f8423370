//! The checks that make what a person typed a [`Config`].

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;

use keywright::sources::{Helpers, Reference, near};
use keywright::trust::ExtraTrust;
use keywright_core::Catalogue;
use toml::Spanned;

use super::{RawConfig, RawGateway, RawKey, RawProvider, RawRoute, RawVirtualKey};
use crate::config::{
    Config, ConfigProblem, GatewaySettings, IfMissing, KeySettings, ProviderSettings, RouteSettings, VirtualKeySettings,
};
use crate::listen;

/// Collects problems while the checked value is built.
struct Check<'t> {
    text: &'t str,
    files: Files,
    problems: Vec<ConfigProblem>,
    warnings: Vec<ConfigProblem>,
}

/// Whether the files that a configuration names are opened when it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Files {
    /// They are looked at when the gateway starts.
    Unopened,
    /// What is wrong with them is told with the other problems.
    Opened,
}

impl Check<'_> {
    fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, help: Option<String>) {
        self.problems.push(ConfigProblem::at(self.text, Some(at.span().start), message, help));
    }

    fn general(&mut self, message: &str, help: &str) {
        self.problems.push(ConfigProblem::at(self.text, None, message, Some(help.to_owned())));
    }
}

impl RawConfig {
    pub(in crate::config) fn checked(self, text: &str, files: Files) -> Result<Config, Vec<ConfigProblem>> {
        let mut check = Check { text, files, problems: Vec::new(), warnings: Vec::new() };
        check_listen(&self.gateway, self.virtual_key.is_empty(), &mut check);
        let sources = self.sources.settings(helpers(self.helper, &mut check));
        let if_missing = self.sources.if_missing;
        let providers: Vec<_> = self.provider.into_iter().map(|raw| provider(raw, if_missing, &mut check)).collect();
        check_helpers(&providers, &sources.helpers, &mut check);
        check_unique(&providers, &mut check);
        let routes = self.route.into_iter().map(|raw| route(raw, &providers, &mut check)).collect();
        let virtual_keys = self.virtual_key.into_iter().map(|raw| virtual_key(raw, &mut check)).collect();
        let gateway = self.gateway.settings();
        check_tls(&gateway, &mut check);
        if check.problems.is_empty() {
            Ok(Config { gateway, sources, providers, routes, virtual_keys, warnings: check.warnings })
        } else {
            Err(check.problems)
        }
    }
}

fn check_listen(gateway: &RawGateway, open: bool, check: &mut Check<'_>) {
    if gateway.tls_certificate.is_some() != gateway.tls_key.is_some() {
        check.general(
            "TLS needs both a certificate and its key",
            "set both `gateway.tls_certificate` and `gateway.tls_key`",
        );
    }
    if gateway.admin.is_some_and(|admin| !admin.ip().is_loopback()) {
        check.general("the admin listener is beyond loopback", "use 127.0.0.1 in `gateway.admin`");
    }
    if gateway.listen.ip().is_loopback() {
        return;
    }
    if open {
        let help = "add a [[virtual_key]] (`keywright keys issue NAME` makes one), or listen on 127.0.0.1";
        check.general("anyone who reaches this address could use the keys", help);
    }
    if gateway.tls_certificate.is_none() && !gateway.allow_plaintext {
        let help = "set `gateway.tls_certificate` and `gateway.tls_key`, or `gateway.allow_plaintext = true` behind something that encrypts";
        check.general("listening beyond loopback without TLS", help);
    }
}

fn check_tls(gateway: &GatewaySettings, check: &mut Check<'_>) {
    if check.files == Files::Unopened {
        return;
    }
    if let Some(Err(error)) = gateway.tls.as_ref().map(listen::acceptor) {
        check.general(&error.to_string(), FROM_WORKING_DIRECTORY);
    }
}

fn helpers(raw: BTreeMap<String, Spanned<Vec<String>>>, check: &mut Check<'_>) -> Helpers {
    let mut commands = BTreeMap::new();
    for (name, argv) in raw {
        if argv.get_ref().first().is_none_or(String::is_empty) {
            let help = Some(format!("write `{name} = [\"program\", \"argument\"]`"));
            check.problem(&argv, format!("helper `{name}` names no program"), help);
        }
        commands.insert(name, argv.into_inner());
    }
    Helpers { commands, ..Helpers::default() }
}

fn check_helpers(providers: &[ProviderSettings], helpers: &Helpers, check: &mut Check<'_>) {
    for key in providers.iter().flat_map(|provider| &provider.keys) {
        if let Ok(Reference::Helper { name }) = key.reference.parse()
            && !helpers.commands.contains_key(&name)
        {
            let near = near(&name, helpers.commands.keys().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `cmd://{near}`?"),
                None => format!("add `{name} = [\"program\", \"argument\"]` below `[helper]`"),
            };
            check.general(&format!("`cmd://{name}` names no helper"), &help);
        }
    }
}

fn provider(raw: RawProvider, if_missing: IfMissing, check: &mut Check<'_>) -> ProviderSettings {
    let catalogue = Catalogue::builtin();
    if catalogue.provider(raw.id.get_ref()).is_none() {
        let near = near(raw.id.get_ref(), catalogue.providers().iter().map(|known| known.id.as_str()));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        check.problem(&raw.id, format!("unknown provider `{}`", raw.id.get_ref()), help);
    }
    check_weights(&raw, check);
    let keys = raw.keys.into_iter().map(|key| self::key(key, if_missing, check)).collect();
    let settings = ProviderSettings {
        id: raw.id.into_inner(),
        keys,
        base_url: raw.base_url.as_ref().map(|url| url.get_ref().clone()),
        ca_certificate: raw.ca_certificate.as_ref().map(|path| path.get_ref().clone()),
        paths: raw.paths,
        http2: raw.http2,
        allow_double_billing: raw.allow_double_billing,
    };
    if let (Some(url), Err(error)) = (&raw.base_url, settings.origin()) {
        check.problem(url, error.to_string(), Some("write it as `https://host/path`".to_owned()));
    }
    if check.files == Files::Opened
        && let Some(path) = &raw.ca_certificate
        && let Err(error) = ExtraTrust::read(path.get_ref())
    {
        check.problem(path, error.to_string(), Some(FROM_WORKING_DIRECTORY.to_owned()));
    }
    settings
}

/// As soon as one key has a weight, those without one get no share at all. Who wants that writes 0.
fn check_weights(provider: &RawProvider, check: &mut Check<'_>) {
    let weights = || provider.keys.iter().map(|key| key.get_ref().weight());
    let without = weights().filter(Option::is_none).count();
    let Some(first) = provider.keys.iter().find(|key| key.get_ref().weight().is_none()) else {
        return;
    };
    if !weights().any(|weight| weight.is_some_and(|weight| weight > 0)) {
        return;
    }
    let have = if without == 1 { "has" } else { "have" };
    let message = format!(
        "{without} of {} keys of `{}` {have} no weight: keys without a weight serve only when the others cannot",
        provider.keys.len(),
        provider.id.get_ref(),
    );
    let help = "give each of them a `weight` too, or write `weight = 0` where that is meant".to_owned();
    check.warnings.push(ConfigProblem::at(check.text, Some(first.span().start), message, Some(help)));
}

fn key(raw: Spanned<RawKey>, if_missing: IfMissing, check: &mut Check<'_>) -> KeySettings {
    let span = raw.span();
    let settings = raw.into_inner().settings(if_missing);
    if let Err(error) = settings.reference.parse::<Reference>() {
        let help = Some("name the place instead, such as \"env://OPENAI_API_KEY\"".to_owned());
        check.problems.push(ConfigProblem::at(check.text, Some(span.start), error.to_string(), help));
    }
    settings
}

fn check_unique(providers: &[ProviderSettings], check: &mut Check<'_>) {
    let mut seen = HashSet::new();
    for provider in providers {
        if !seen.insert(provider.id.as_str()) {
            check.general(
                &format!("provider `{}` stands twice", provider.id),
                "put all of its keys into one [[provider]]",
            );
        }
    }
}

fn route(raw: RawRoute, providers: &[ProviderSettings], check: &mut Check<'_>) -> RouteSettings {
    let mut to = Vec::new();
    for target in raw.to {
        match target.get_ref().split_once('/') {
            Some((id, model)) if providers.iter().any(|provider| provider.id == id) && !model.is_empty() => {
                to.push((id.to_owned(), model.to_owned()));
            }
            Some((id, _)) => {
                let near = near(id, providers.iter().map(|provider| provider.id.as_str()));
                let help = near.map_or_else(
                    || "add a [[provider]] with this id".to_owned(),
                    |near| format!("did you mean `{near}/…`?"),
                );
                check.problem(
                    &target,
                    format!("route `{}` names `{id}`, which is no configured provider", raw.model),
                    Some(help),
                );
            }
            None => check.problem(&target, "a route's target is `provider/model`", None),
        }
    }
    RouteSettings { model: raw.model, to }
}

fn virtual_key(raw: RawVirtualKey, check: &mut Check<'_>) -> VirtualKeySettings {
    let sha256 = hex32(raw.sha256.get_ref()).unwrap_or_else(|| {
        let help = Some(format!(
            "`keywright keys issue {}` prints it; the token itself never stands here",
            raw.name.get_ref()
        ));
        check.problem(&raw.sha256, "`sha256` is 64 hex digits", help);
        [0; 32]
    });
    for provider in &raw.providers {
        if Catalogue::builtin().provider(provider.get_ref()).is_none() {
            check.problem(provider, format!("unknown provider `{}`", provider.get_ref()), None);
        }
    }
    let expires_at = raw.expires.and_then(|expires| {
        let seconds = unix_seconds(expires.get_ref());
        if seconds.is_none() {
            check.problem(
                &expires,
                "`expires` needs a date, a time and an offset",
                Some("write 2027-01-31T00:00:00Z".to_owned()),
            );
        }
        seconds
    });
    VirtualKeySettings {
        name: raw.name.into_inner(),
        sha256,
        providers: raw.providers.into_iter().map(Spanned::into_inner).collect(),
        models: raw.models,
        expires_at,
        requests_per_minute: raw.requests_per_minute.map(NonZeroU32::get),
    }
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Seconds since 1970 of a full date-time; days by the civil calendar.
fn unix_seconds(datetime: &toml::value::Datetime) -> Option<u64> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let minutes = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    u64::try_from(days * 86_400 + seconds - minutes * 60).ok()
}

const FROM_WORKING_DIRECTORY: &str = "a relative path begins at the directory in which keywright is started";
