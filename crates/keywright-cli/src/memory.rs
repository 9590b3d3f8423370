//! The state of this installation, as the commands open it.

use keywright::sources::{Found, Resolver};
use keywright::state::{Directory, Entry, History, Keeps, Memory, Remembered, StateError, Timestamp, told};
use keywright::survey::{Standing, Survey};
use keywright_core::diagnosis::spoken;
use keywright_core::inspect::{Finding, Severity};
use keywright_core::{Catalogue, Cause, ProviderSpec};
use keywright_gateway::GatewaySettings;

use crate::key_report::KeySeen;
use crate::live_check::Word;
use crate::terminal::{Role, Terminal, paint};

/// What is not to be remembered this time.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Forget {
    /// Note nothing in the history of keys, and do not look at it.
    #[arg(long)]
    no_history: bool,
    /// Neither keep nor use the last value of a key that served.
    #[arg(long)]
    no_last_known_good: bool,
}

impl Forget {
    /// Opens the state for a program that runs. A state that cannot be used is told, and stops nothing.
    pub(crate) fn open(self, settings: &GatewaySettings, resolver: &Resolver, terminal: &Terminal) -> Option<Memory> {
        let keeps = Keeps {
            history: settings.history && !self.no_history,
            last_known_good: settings.last_known_good.filter(|_| !self.no_last_known_good),
            scope: resolver.scope(),
        };
        if !keeps.history && keeps.last_known_good.is_none() {
            return None;
        }
        let opened = Directory::of(resolver.environment()).and_then(|directory| Memory::start(&directory, keeps));
        opened.inspect_err(|error| tell(error, terminal)).ok()
    }
}

/// A key that cannot work, or was refused when it was tried last, and the value that served in its place before: if there
/// is one, the gateway uses it.
pub(crate) fn recall(memory: Option<&Memory>, provider: &str, found: &Found, seen: &mut KeySeen) {
    let Some(memory) = memory else {
        return;
    };
    let works = seen.live.as_ref().is_some_and(|live| live.outcome == Word::Works);
    let known = (seen.usable() && !works).then(|| memory.known(provider, &found.secret)).flatten();
    let refused = known.and_then(|known| refusal(&known, Catalogue::builtin().provider(provider)?));
    if seen.usable() && refused.is_none() {
        return;
    }
    let good = memory.last_known_good(provider, &found.reference.to_string());
    if let Some(good) = good.filter(|good| !good.secret.matches(&found.secret)) {
        // What serves in its place makes it less than an error.
        seen.findings.splice(0..0, refused.map(|refused| Finding { severity: Severity::Warning, ..refused }));
        seen.recalled(&told(&found.reference, good.last_good));
    }
}

/// What the history holds against a key: its provider refused it, and nobody saw it work since.
pub(crate) fn refusal(entry: &Entry, provider: &ProviderSpec) -> Option<Finding> {
    let since = spoken(entry.first_bad?.until(Timestamp::now()));
    let cause = entry.diagnosed().unwrap_or(Cause::Other);
    let says = format!("{} refused it {since} ago, and it was not seen to work since", provider.name);
    let fix = keywright_core::page::fixes(cause, &provider.id).into_iter().next();
    Some(Finding { fix, ..Finding::error(cause, says) })
}

/// The same for every key that programs see here, with the provider whose name it has.
pub(crate) fn refusals(survey: &Survey, resolver: &Resolver) -> Vec<(&'static str, Finding)> {
    let opened = Directory::of(resolver.environment()).and_then(|directory| History::open_existing(&directory));
    // A history that cannot be opened is told by the check of the state.
    let Ok(Some(mut history)) = opened else {
        return Vec::new();
    };
    let in_force = survey.credentials.iter().filter(|key| key.standing == Standing::InForce);
    let refused = in_force.filter_map(|key| {
        let entry = history.known(&key.leads_to.id, &key.secret).ok().flatten()?;
        Some((key.names_of.id.as_str(), refusal(&entry, key.leads_to)?.in_place(&key.place)))
    });
    refused.collect()
}

/// Keys that stand in for what their sources give, as far as that is known.
pub(crate) fn stand_ins(resolver: &Resolver) -> Vec<Remembered> {
    let opened = Directory::of(resolver.environment()).and_then(|directory| History::open_existing(&directory));
    let remembered =
        opened.and_then(|history| history.map_or_else(|| Ok(Vec::new()), |mut history| history.remembered()));
    let remembered = remembered.inspect_err(|error| tracing::debug!(%error, "nothing is known of stand-ins"));
    remembered.unwrap_or_default().into_iter().filter(|key| key.stands_in.is_some()).collect()
}

fn tell(error: &StateError, terminal: &Terminal) {
    // A service without a home has none by intent.
    if matches!(error, StateError::NoHome) {
        tracing::debug!(%error, "nothing is remembered");
        return;
    }
    let head = paint(Role::Warning, "warning:");
    terminal.tell(format_args!("{head} nothing is remembered of the keys: {error}"));
    if let Some(help) = error.help() {
        terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
    }
}
