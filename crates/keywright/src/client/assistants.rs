//! OpenAI's Assistants API, which was shut down on **2026-08-26**: thin typed calls for programs that still speak it.
//!
//! Since that day OpenAI answers 404. A call then fails with [`Error::Failed`], whose cause is `assistants_gone` and whose fixes
//! name the migration to Responses; it is no failure of a key, and no other key is tried. The emulator plays it in both modes
//! (`assistants`: `live`, `gone`), so old programs can be tested.

use futures_util::stream::StreamExt;
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Client;
use super::chat::{Outbound, data};
use super::error::Error;
use super::streamed::Streamed;

/// The calls of the Assistants API, shut down on 2026-08-26.
#[derive(Clone, Debug)]
pub struct Assistants(Client);

/// What an assistant is made of. Shut down on 2026-08-26.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewAssistant {
    /// The model that it uses.
    pub model: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is told before each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Its tools, as the API writes them: `{"type": "file_search"}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Value>,
}

/// An assistant. Shut down on 2026-08-26.
#[derive(Clone, Debug, Deserialize)]
pub struct Assistant {
    /// Its id, `asst_…`.
    pub id: String,
    /// The model that it uses.
    pub model: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A conversation that the server keeps. Shut down on 2026-08-26.
#[derive(Clone, Debug, Deserialize)]
pub struct Thread {
    /// Its id, `thread_…`.
    pub id: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A message of a thread. Shut down on 2026-08-26.
#[derive(Clone, Debug, Deserialize)]
pub struct ThreadMessage {
    /// Its id, `msg_…`.
    pub id: String,
    /// `user` or `assistant`.
    pub role: String,
    /// Its parts, as the API writes them.
    pub content: Vec<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl ThreadMessage {
    /// The text of its parts.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(|part| part["text"]["value"].as_str()).collect()
    }
}

/// An assistant at work on a thread. Shut down on 2026-08-26.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// Its id, `run_…`.
    pub id: String,
    /// How far it is: `queued`, `in_progress`, `completed`, `failed` …
    pub status: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Run {
    /// Whether it has ended, or waits for the program.
    pub fn is_over(&self) -> bool {
        !matches!(self.status.as_str(), "queued" | "in_progress" | "cancelling")
    }
}

/// What an assistant did in a run. Shut down on 2026-08-26.
#[derive(Clone, Debug, Deserialize)]
pub struct RunStep {
    /// Its id, `step_…`.
    pub id: String,
    /// `message_creation` or `tool_calls`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is.
    pub status: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One event of a run. Shut down on 2026-08-26.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// Its name: `thread.run.created`, `thread.message.delta` …
    pub name: String,
    /// What it carries.
    pub data: Value,
}

impl RunEvent {
    /// The text that a `thread.message.delta` adds; empty for every other event.
    pub fn text(&self) -> String {
        let parts = self.data["delta"]["content"].as_array();
        parts.into_iter().flatten().filter_map(|part| part["text"]["value"].as_str()).collect()
    }
}

/// The events of a run. Shut down on 2026-08-26.
pub type RunStream = Streamed<RunEvent>;

impl Client {
    /// The Assistants API, which was shut down on 2026-08-26.
    pub fn assistants(&self) -> Assistants {
        Assistants(self.clone())
    }
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

/// Every call fails as [`Client::generate`] does; since 2026-08-26 with the cause `assistants_gone`.
impl Assistants {
    /// Makes an assistant.
    pub async fn create(&self, assistant: &NewAssistant) -> Result<Assistant, Error> {
        let body = serde_json::to_value(assistant).map_err(unreadable)?;
        self.post("/assistants", &body).await
    }

    /// Deletes an assistant.
    pub async fn delete(&self, assistant: &str) -> Result<(), Error> {
        let _: Value = self.ask(Method::DELETE, &["assistants", assistant], None).await?;
        Ok(())
    }

    /// Makes a thread.
    pub async fn create_thread(&self) -> Result<Thread, Error> {
        self.post("/threads", &json!({})).await
    }

    /// Deletes a thread.
    pub async fn delete_thread(&self, thread: &str) -> Result<(), Error> {
        let _: Value = self.ask(Method::DELETE, &["threads", thread], None).await?;
        Ok(())
    }

    /// Adds what a person says to a thread.
    pub async fn add_message(&self, thread: &str, text: &str) -> Result<ThreadMessage, Error> {
        let body = json!({"role": "user", "content": text});
        self.ask(Method::POST, &["threads", thread, "messages"], Some(&body)).await
    }

    /// The messages of a thread, the newest first.
    pub async fn messages(&self, thread: &str) -> Result<Vec<ThreadMessage>, Error> {
        let list: List<ThreadMessage> = self.ask(Method::GET, &["threads", thread, "messages"], None).await?;
        Ok(list.data)
    }

    /// Sets an assistant to work on a thread.
    pub async fn create_run(&self, thread: &str, assistant: &str) -> Result<Run, Error> {
        let body = json!({"assistant_id": assistant});
        self.ask(Method::POST, &["threads", thread, "runs"], Some(&body)).await
    }

    /// A run as it stands.
    pub async fn run(&self, thread: &str, run: &str) -> Result<Run, Error> {
        self.ask(Method::GET, &["threads", thread, "runs", run], None).await
    }

    /// What was done in a run.
    pub async fn steps(&self, thread: &str, run: &str) -> Result<Vec<RunStep>, Error> {
        let list: List<RunStep> = self.ask(Method::GET, &["threads", thread, "runs", run, "steps"], None).await?;
        Ok(list.data)
    }

    /// Sets an assistant to work on a thread, and tells what it does.
    pub async fn stream_run(&self, thread: &str, assistant: &str) -> Result<RunStream, Error> {
        let body = json!({"assistant_id": assistant, "stream": true});
        let call = call(Method::POST, &["threads", thread, "runs"], Some(&body))?;
        let shared = &self.0.0;
        let response = shared.answer(&call).await?;
        let events = data(response.into_body(), shared.ring.provider());
        let named = |(name, data): (Option<String>, Value)| RunEvent { name: name.unwrap_or_default(), data };
        Ok(Streamed::new(events.map(move |event| event.map(named))))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Error> {
        self.ask(Method::POST, &[path.trim_start_matches('/')], Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<T, Error> {
        let raw = self.0.0.json(&call(method, path, body)?).await?;
        serde_json::from_value(raw).map_err(unreadable)
    }
}

/// An id is one segment of the path, and nothing else.
fn call(method: Method, path: &[&str], body: Option<&Value>) -> Result<Outbound, Error> {
    let plain = |segment: &&str| {
        !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    if !path.iter().all(plain) {
        return Err(Error::Unreadable("an id has letters, digits, `_` and `-` only".to_owned()));
    }
    Ok(Outbound::new(method, format!("/{}", path.join("/")), body).beta("assistants=v2"))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unreadable(error: serde_json::Error) -> Error {
    Error::Unreadable(format!("the answer is not what the API promised: {error}"))
}
