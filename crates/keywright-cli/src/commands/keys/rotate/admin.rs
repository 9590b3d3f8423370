//! `keywright keys rotate --via-admin-api`: the provider makes the new key and deletes the old one.

use std::time::Duration;

use keywright::admin::{Admin, AdminError, End, Made, Wanted};
use keywright::http::Origin;
use keywright::sources::{Found, Reference, Resolver};
use keywright::store::KeyStore;
use keywright_core::provider::VariableRole;
use keywright_core::ring::Look;
use keywright_core::{Cause, ProviderSpec, Secret};

use super::super::change::{Change, Writes};
use super::super::live::{self, Candidate};
use super::super::noted::Noted;
use super::super::{entered, place, stored};
use super::Args;
use super::outcome::{Outcome, Work};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// How the provider's admin API is used.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With the provider's admin API")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct AdminArgs {
    /// Have the provider make the new key and delete the old one. The plan is shown first.
    #[arg(long)]
    pub(super) via_admin_api: bool,
    /// Where the key is that may manage keys; by default env://OPENAI_ADMIN_KEY, and at Fireworks the old key itself.
    #[arg(long, value_name = "REF", requires = "via_admin_api")]
    admin_key: Option<String>,
    /// Show the plan and change nothing.
    #[arg(long, requires = "via_admin_api")]
    pub(super) dry_run: bool,
    /// Do what the plan says without a question.
    #[arg(long, requires = "via_admin_api")]
    yes: bool,
    /// Leave the old key working, and keep it as `previous`.
    #[arg(long, requires = "via_admin_api")]
    pub(super) keep_old: bool,
    /// The old key's id at the provider, where what it shows of its keys does not tell which it is.
    #[arg(long, value_name = "ID", requires = "via_admin_api")]
    old_key_id: Option<String>,
    /// OpenAI's project, or the account at Fireworks.
    #[arg(long, value_name = "ID", requires = "via_admin_api")]
    project: Option<String>,
}

/// Who asks: the admin key, and where it is.
struct Credential {
    key: Secret,
    place: String,
}

pub(super) async fn run(args: &Args, provider: &'static ProviderSpec, terminal: &Terminal) -> Result<Exit, CliError> {
    if provider.admin.is_none() {
        return Err(no_api(provider));
    }
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    let old = stored::the_one(&args.place, provider, &store, &resolver, terminal).await?;
    let credential = credential(&args.admin, provider, &old, &resolver).await?;
    terminal.guard(&[&credential.key]);
    // It goes the way of the live check, or not at all.
    let candidate = Candidate { provider, key: &credential.key, known: &[] };
    let question = live::question(&candidate, &resolver).await.map_err(|why| no_way(provider, &why))?;
    let way = question.connector(PATIENCE).map_err(|_| no_way(provider, "there is no way to it"))?;
    let Some(admin) = Admin::of(provider, &way, &question.origin, &credential.key, PATIENCE) else {
        return Err(no_api(provider));
    };
    let wanted = Wanted { project: args.admin.project.clone(), old_key_id: args.admin.old_key_id.clone() };
    let plan = admin.plan(&old.secret, &wanted).await.map_err(|error| unmet("nothing was changed", &error))?;
    let work = Work { args, provider, old: &old, plan: &plan };
    work.show(&asked_where(&question.origin, &credential), terminal)?;
    if args.admin.dry_run {
        return work.tell(&Outcome::default(), terminal);
    }
    agreed(&args.admin, terminal).await?;
    let mut outcome = Outcome::default();
    let made = match admin.make(&plan.make).await {
        Ok(made) => made,
        Err(error) => {
            if error.may_have_happened() {
                outcome.remains(format!("see whether it was made all the same, and delete it: {}", plan.make));
            }
            outcome.failed(format!("the new key was not made: {error}"), error.help());
            return work.tell(&outcome, terminal);
        }
    };
    terminal.guard(&[&made.key]);
    outcome.made(&made);
    let look = proved(&Candidate { provider, key: &made.key, known: &[] }, &resolver, terminal).await;
    if take_over(&work, &made, look, &store, &resolver, &mut outcome).await {
        end(&work, &admin, look, &resolver, &mut outcome).await;
    }
    work.tell(&outcome, terminal)
}

/// Stores the new key in the place of the old one; whether the old one may end now.
pub(super) async fn take_over(
    work: &Work<'_>,
    made: &Made,
    look: Look,
    store: &impl Writes,
    resolver: &Resolver,
    outcome: &mut Outcome,
) -> bool {
    let Work { args, provider, old, .. } = *work;
    if let Look::Refused(cause) = look {
        let why = format!("{} does not accept the new key yet [{}]", provider.name, cause.slug());
        outcome.failed(why, "run it again later: a new key may take a while to become known");
        outcome.remains(format!("delete the new key, which is stored nowhere: {}", named(made)));
        return false;
    }
    let standing = Noted::existing(resolver).standing(provider, &old.secret);
    let (proved, keep_old) = (look == Look::Works, args.admin.keep_old);
    let change = Change { provider, old, standing, new: &made.key, proved, keep_old };
    let replaced = match change.make(store).await {
        Ok(replaced) => replaced,
        Err(error) => {
            outcome.failed(format!("the new key could not be stored: {error}"), "mend the store and run it again");
            outcome.remains(format!("delete the new key, which is stored nowhere: {}", named(made)));
            return false;
        }
    };
    outcome.stored = true;
    if let Some(remains) = replaced.remains(provider) {
        outcome.remains_here(remains);
    }
    Noted::open(resolver).note(provider, &made.key, &old.reference.to_string(), Some(look));
    if look == Look::Unknown {
        outcome.unproved();
        outcome.remains_here(format!("ask again with `keywright keys test {}`", provider.id));
        outcome.remains(format!("then delete the old key: {}", work.plan.end));
    }
    look == Look::Works && !args.admin.keep_old
}

/// Ends the old key.
async fn end(work: &Work<'_>, admin: &Admin<'_>, look: Look, resolver: &Resolver, outcome: &mut Outcome) {
    let Work { provider, old, plan, .. } = *work;
    if let End::ByHand { .. } = plan.end {
        return outcome.remains(format!("delete the old key {} ({})", plan.old.id, plan.old.name));
    }
    debug_assert!(look == Look::Works, "an old key ends only when the new one works");
    match admin.end(&plan.end).await {
        Ok(()) => {
            outcome.ended = true;
            let gone = Look::Refused(Cause::RevokedOrRotated);
            Noted::open(resolver).note(provider, &old.secret, &old.reference.to_string(), Some(gone));
        }
        Err(error) => {
            outcome.failed(format!("the new key serves, and the old one was not deleted: {error}"), error.help());
            outcome.remains(match error {
                AdminError::NotAlone => {
                    format!("delete the old key {} ({}), not its service account", plan.old.id, plan.old.name)
                }
                _ => format!("delete the old key: {}", plan.end),
            });
        }
    }
}

fn named(made: &Made) -> String {
    match &made.id {
        Some(id) => format!("{} ({id})", made.key.masked()),
        None => made.key.masked(),
    }
}

/// Asks about the new key. One that is not known yet is asked about again for a while.
async fn proved(key: &Candidate<'_>, resolver: &Resolver, terminal: &Terminal) -> Look {
    let mut waits = WAITS.iter();
    loop {
        let answered = live::ask(std::slice::from_ref(key), resolver, terminal).await.pop();
        let look = answered.map_or(Look::Unknown, |answered| answered.look);
        match (look, waits.next()) {
            (Look::Refused(_), Some(wait)) => tokio::time::sleep(*wait).await,
            _ => return look,
        }
    }
}

async fn agreed(args: &AdminArgs, terminal: &Terminal) -> Result<(), CliError> {
    if args.yes {
        return Ok(());
    }
    match entered::yes("Do this?").await? {
        Some(true) => Ok(()),
        Some(false) => {
            terminal.tell("keywright: nothing was changed");
            Err(CliError::Unmet { message: "the answer was no".to_owned(), help: None })
        }
        None => {
            let help = Some("`--yes` does it without a question, `--dry-run` only shows the plan".to_owned());
            Err(CliError::Usage { message: "there is no terminal to ask on".to_owned(), help })
        }
    }
}

async fn credential(
    args: &AdminArgs,
    provider: &ProviderSpec,
    old: &Found,
    resolver: &Resolver,
) -> Result<Credential, CliError> {
    let variable = provider.variables_of(VariableRole::AdminKey).next();
    let reference = match (&args.admin_key, variable) {
        (Some(text), _) => place::reference(text)?,
        (None, Some(variable)) => Reference::Env { name: variable.name.clone() },
        // Any key of a user may manage that user's keys.
        (None, None) => return Ok(Credential { key: old.secret.clone(), place: "the old key itself".to_owned() }),
    };
    match resolver.resolve(&reference).await {
        Ok(found) => Ok(Credential { key: found.secret, place: found.place }),
        Err(miss) => Err(CliError::Unmet {
            message: format!("no key that may manage keys: {miss}"),
            help: Some(format!(
                "make one on the admin page of {}, and name where it is with `--admin-key env://NAME`",
                provider.name
            )),
        }),
    }
}

fn asked_where(origin: &Origin, credential: &Credential) -> String {
    let place = format!("{}://{}{}", origin.scheme(), origin.authority(), origin.prefix());
    format!("{place} with {} ({})", credential.key.masked(), credential.place)
}

fn unmet(changed: &str, error: &AdminError) -> CliError {
    CliError::Unmet { message: format!("{error}; {changed}"), help: Some(error.help().to_owned()) }
}

fn no_way(provider: &ProviderSpec, why: &str) -> CliError {
    CliError::Unmet {
        message: format!("{} is not asked: {why}", provider.name),
        help: Some("`keywright doctor --live` looks at the way there".to_owned()),
    }
}

fn no_api(provider: &ProviderSpec) -> CliError {
    let page = provider.keys_url.as_deref().unwrap_or("its dashboard");
    CliError::Unmet {
        message: format!("{} has no API that makes and deletes keys", provider.name),
        help: Some(format!("make a new key at {page}, and put it in with `keywright keys rotate {}`", provider.id)),
    }
}

/// For each question.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between looks at a new key that is not known yet.
const WAITS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
