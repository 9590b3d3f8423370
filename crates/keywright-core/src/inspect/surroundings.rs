//! What all providers share: proxies, keys in browser bundles, variables that send requests elsewhere.

use super::setting::Settings;
use super::{Finding, Holder, Setting};
use crate::catalogue::Catalogue;
use crate::cause::Cause;

/// What is strange about the variables that belong to no provider.
pub fn inspect(settings: &Settings) -> Vec<Finding> {
    let set = || settings.iter().filter(|setting| setting.has_text());
    let elsewhere = set().filter_map(|setting| Some(setting.located(interference(setting)?)));
    let browser = set().filter_map(|setting| Some(setting.located(public_name(setting)?)));
    elsewhere.chain(browser).chain(proxies(settings)).collect()
}

/// What is strange about the proxies of this environment.
pub fn proxies(settings: &Settings) -> Vec<Finding> {
    let set = settings.iter().filter(|setting| setting.has_text() && setting.holder == Holder::Environment);
    set.filter(|setting| PROXIES.contains(&setting.name.to_ascii_uppercase().as_str()))
        .map(|setting| setting.located(super::proxy::inspect(setting)))
        .collect()
}

fn interference(setting: &Setting) -> Option<Finding> {
    let variables = Catalogue::builtin().providers().iter().flat_map(|provider| &provider.variables);
    let variable = variables.clone().find(|variable| variable.name == setting.name && variable.interferes.is_some())?;
    let says = format!("`{}` is set; {}", setting.name, variable.readers);
    let remove = (setting.holder == Holder::Environment).then(|| format!("unset {}", setting.name));
    Some(Finding::warning(variable.interferes?, says).fixed_by("Remove it, unless that is what you want.", remove))
}

/// Build tools copy variables of these names into what every visitor of a site downloads.
fn public_name(setting: &Setting) -> Option<Finding> {
    let prefix = PUBLIC.iter().find(|prefix| setting.name.starts_with(*prefix))?;
    let value = setting.value.expose();
    let shapes = Catalogue::builtin().providers().iter().flat_map(|provider| &provider.keys);
    let is_key = shapes.filter(|shape| !shape.weak).any(|shape| shape.fits(value));
    let says = format!("names that begin with `{prefix}` are copied into the browser's files: this key becomes public");
    is_key.then(|| {
        Finding::error(Cause::LeakedAndAutoDisabled, says)
            .fixed_by("Rename it, call the provider from a server, and revoke this key if it was ever published.", None)
    })
}

/// What HTTP clients read, compared without case.
pub const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
const PUBLIC: &[&str] = &["NEXT_PUBLIC_", "VITE_", "REACT_APP_", "EXPO_PUBLIC_"];
