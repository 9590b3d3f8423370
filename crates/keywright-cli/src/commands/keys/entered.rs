//! What a person enters: a key that stays hidden, a passphrase, yes or no.

use std::io::{IsTerminal, Read};

use keywright::sources::Resolver;
use keywright::store::{KeyStore, StoreError};
use keywright_core::Secret;

use crate::asking::{Console, Line, Question};
use crate::error::CliError;
use crate::terminal::Terminal;

/// The key, and where it was entered.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) key: Secret,
    pub(super) place: &'static str,
}

/// Asks for a key on the terminal, or takes it from standard input.
pub(super) async fn key(prompt: &str) -> Result<Entered, CliError> {
    if std::io::stdin().is_terminal() {
        let key = hidden(prompt).await?.ok_or_else(nothing)?;
        return Ok(Entered { key, place: "the terminal" });
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(CliError::Unmet {
            message: "standard input holds far more than a key".to_owned(),
            help: Some("send the key and nothing else; a whole file goes to `keywright keys import FILE`".to_owned()),
        });
    }
    let text = String::from_utf8(bytes).map(Secret::new).map_err(|_| CliError::Unmet {
        message: "standard input is not UTF-8 text".to_owned(),
        help: Some("copy the key again from the provider's page".to_owned()),
    })?;
    // `echo` and files end with one newline; no key does.
    let key = text.expose().strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let key = key.map_or_else(|| text.clone(), Secret::new);
    Ok(Entered { key, place: "standard input" })
}

/// A line that stays hidden; `None` when nothing was entered.
async fn hidden(prompt: &str) -> Result<Option<Secret>, CliError> {
    let Some(console) = Console::open().filter(Console::is_ours) else {
        return Err(nobody());
    };
    match Question::ask(&console, prompt.to_owned())?.answer().await {
        Line::Entered(secret) => Ok(Some(secret)),
        Line::GivenUp => Ok(None),
        Line::TooLong => Err(CliError::Unmet {
            message: "that is far longer than any key".to_owned(),
            help: Some("paste the key and nothing else".to_owned()),
        }),
    }
}

/// Asks yes or no; without a terminal the answer is `None`.
pub(crate) async fn yes(question: &str) -> Result<Option<bool>, CliError> {
    let Some(console) = Console::open().filter(Console::is_ours) else {
        return Ok(None);
    };
    let answer = Question::ask(&console, format!("{question} [y/N] "))?.answer().await;
    Ok(Some(matches!(answer, Line::Entered(word) if matches!(word.expose(), "y" | "Y" | "yes"))))
}

/// Does something with a store. One that wants a passphrase gets the one that a person types, who has three tries.
pub(super) async fn with_passphrase<T>(
    store: &KeyStore,
    resolver: &Resolver,
    terminal: &Terminal,
    work: impl AsyncFn(&KeyStore) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut done = work(store).await;
    for attempt in 0..TRIES {
        let wrong = attempt > 0 && matches!(&done, Err(error) if error.is_wrong_passphrase());
        match &done {
            Err(error) if error.wants_passphrase() || wrong => {}
            _ => break,
        }
        if wrong {
            terminal.tell("keywright: that passphrase does not open it");
        }
        let Ok(Some(passphrase)) = hidden("Passphrase of the key vault (it stays hidden): ").await else {
            break;
        };
        terminal.guard(&[&passphrase]);
        resolver.use_passphrase(passphrase);
        done = work(store).await;
    }
    done
}

/// Opens the vault, if there is one, with a passphrase that a person types where it wants one.
pub(crate) async fn open_vault(store: &KeyStore, resolver: &Resolver, terminal: &Terminal) -> Result<(), StoreError> {
    with_passphrase(store, resolver, terminal, KeyStore::open_vault).await
}

/// A passphrase for a new vault, typed twice.
pub(super) async fn new_passphrase(resolver: &Resolver, terminal: &Terminal) -> Result<(), CliError> {
    let first = hidden("Passphrase for the new key vault (it stays hidden): ").await?.ok_or_else(nothing)?;
    terminal.guard(&[&first]);
    let second = hidden("The same again: ").await?.ok_or_else(nothing)?;
    if !first.matches(&second) {
        let help = Some("nothing was stored; try again".to_owned());
        return Err(CliError::Unmet { message: "the two passphrases differ".to_owned(), help });
    }
    resolver.use_passphrase(first);
    Ok(())
}

fn nothing() -> CliError {
    CliError::Unmet { message: "nothing was entered; nothing was stored".to_owned(), help: None }
}

fn nobody() -> CliError {
    CliError::Usage {
        message: "there is no terminal to ask on".to_owned(),
        help: Some("send the key to standard input: `keywright keys add openai < key.txt`".to_owned()),
    }
}

/// Keys have a few hundred bytes.
const MOST_BYTES: u64 = 64 * 1024;
const TRIES: usize = 3;
