//! 1Password: through a Connect server where one is configured, else through its command `op`.

use std::process::Stdio;
use std::time::Duration;

use http::{HeaderValue, Method};
use keywright_core::Secret;
use serde_json::Value;
use tokio::process::Command;

use super::process::{one_line, run};
use super::remote::{Server, Store, bearer};
use super::{BoxFuture, Environment, SourceError};
use crate::trust::ExtraTrust;

/// An item's field.
#[derive(Debug)]
pub(super) struct OnePassword {
    /// What follows `op://`.
    pub(super) path: String,
    pub(super) environment: Environment,
}

impl Store for OnePassword {
    fn place(&self) -> String {
        format!("1Password op://{}", self.path)
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>> {
        Box::pin(async move {
            let setting = |name: &str| self.environment.setting(name);
            match (setting("OP_CONNECT_HOST"), setting("OP_CONNECT_TOKEN")) {
                (Some(host), Some(token)) => Connect::new(&host, &token)?.field(&self.path).await,
                _ => command(&self.path, &self.environment).await.map(Some),
            }
        })
    }
}

/// Asks `op read`. What it needs to sign in stands in the environment, or in its app.
async fn command(path: &str, environment: &Environment) -> Result<Secret, SourceError> {
    let mut command = Command::new("op");
    command.args(["read", "--no-newline", &format!("op://{path}")]).env_clear().envs(environment.all());
    command.stderr(Stdio::piped());
    let ended = run(command, LIMIT, |error| match error.kind() {
        std::io::ErrorKind::NotFound => SourceError::NoOnePassword,
        kind => SourceError::Unreadable(kind),
    });
    let ended = ended.await?;
    if ended.status.success() {
        return one_line(&ended.printed);
    }
    Err(refusal(ended.complained.expose()))
}

/// What `op` means by its words on standard error; they name vault and item, never a value.
fn refusal(words: &str) -> SourceError {
    let words = words.to_lowercase();
    let says = |part: &str| words.contains(part);
    if says("isn't an item") || says("isn't a vault") || says("does not have a field") || says("could not find item") {
        SourceError::NotSet
    } else if says("not currently signed in") || says("no accounts configured") || says("session expired") {
        SourceError::OnePasswordSignedOut
    } else {
        tracing::debug!("op refused for another reason");
        SourceError::OnePasswordRefused
    }
}

/// A Connect server.
struct Connect {
    server: Server,
    bearer: HeaderValue,
}

impl Connect {
    fn new(host: &str, token: &str) -> Result<Self, SourceError> {
        let server = Server::at(host, &ExtraTrust::default(), SourceError::BadConnectHost)?;
        Ok(Self { server, bearer: bearer(&Secret::new(token))? })
    }

    /// A field by vault, item, section where there is one, and field: each by its name or its id.
    async fn field(&self, path: &str) -> Result<Option<Secret>, SourceError> {
        let (vault, item, section, field) = parts(path).ok_or(SourceError::NotSet)?;
        let Some(vault) = named(&self.ask("/v1/vaults").await?, "name", vault) else {
            return Ok(None);
        };
        let Some(item) = named(&self.ask(&format!("/v1/vaults/{vault}/items")).await?, "title", item) else {
            return Ok(None);
        };
        let item = self.ask(&format!("/v1/vaults/{vault}/items/{item}")).await?;
        Ok(field_of(&item, section, field))
    }

    async fn ask(&self, path: &str) -> Result<Value, SourceError> {
        let request = self.server.request(Method::GET, path).header(http::header::AUTHORIZATION, &self.bearer);
        let (status, answer) = self.server.ask_json(request, "").await?;
        match status {
            200 => Ok(answer),
            401 | 403 => Err(SourceError::OnePasswordSignedOut),
            404 => Ok(Value::Null),
            _ => Err(SourceError::OnePasswordRefused),
        }
    }
}

/// Vault, item, section and field of `vault/item[/section]/field`.
fn parts(path: &str) -> Option<(&str, &str, Option<&str>, &str)> {
    let path = path.split('?').next().unwrap_or(path);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [vault, item, field] => Some((vault, item, None, field)),
        [vault, item, section, field] => Some((vault, item, Some(section), field)),
        _ => None,
    }
}

/// The id of the entry that has this name or this id. Ids are letters and digits: nothing else gets into a path.
fn named(list: &Value, label: &str, wanted: &str) -> Option<String> {
    let text = |entry: &Value, member: &str| entry.get(member).and_then(Value::as_str).map(str::to_owned);
    let matches =
        |entry: &&Value| text(entry, label).as_deref() == Some(wanted) || text(entry, "id").as_deref() == Some(wanted);
    let id = text(list.as_array()?.iter().find(matches)?, "id")?;
    id.chars().all(|c| c.is_ascii_alphanumeric()).then_some(id)
}

fn field_of(item: &Value, section: Option<&str>, wanted: &str) -> Option<Secret> {
    let is = |value: Option<&Value>, wanted: &str| value.and_then(Value::as_str) == Some(wanted);
    let sections = item.get("sections").and_then(Value::as_array);
    let section_id = section.and_then(|wanted| {
        let found = sections?.iter().find(|section| is(section.get("label"), wanted) || is(section.get("id"), wanted));
        found?.get("id")?.as_str()
    });
    let matches = |field: &&Value| {
        let named = is(field.get("label"), wanted) || is(field.get("id"), wanted);
        named && (section.is_none() || is(field.pointer("/section/id"), section_id.unwrap_or_default()))
    };
    item.get("fields")?.as_array()?.iter().find(matches)?.get("value")?.as_str().map(Secret::new)
}

/// `op` may wait for a person at its app, and nobody may be there.
const LIMIT: Duration = Duration::from_secs(10);
