//! The short calls: a prompt or a conversation in, text out.

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Response};
use keywright_core::ring::Sent;
use keywright_core::{Answer, Cause, Confidence, Diagnosis, ProviderSpec, Witness, classify};
use serde_json::{Value, json};

use super::body::{Arriving, Outgoing};
use super::error::Error;
use super::events::Events;
use super::journey::{End, Remake};
use super::streamed::Streamed;
use super::{Client, Shared};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Message {
    /// What a person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }

    fn json(&self) -> Value {
        let role = match self.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({"role": role, "content": self.content})
    }
}

impl From<&str> for Message {
    fn from(content: &str) -> Self {
        Self::user(content)
    }
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// The model that wrote it.
    pub model: String,
    /// Why it ended: `stop`, `length` …
    pub finish_reason: Option<String>,
    /// The whole answer, as the provider sent it.
    pub raw: Value,
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Text as it is written.
pub type TextStream = Streamed<String>;

impl Client {
    /// Sends one prompt and gives the text that comes back.
    ///
    /// # Errors
    /// [`Error::Authentication`] when no key serves; [`Error::Failed`] for every other cause, with its diagnosis.
    pub async fn generate(&self, prompt: impl Into<String>) -> Result<String, Error> {
        Ok(self.converse(&[Message::user(prompt)]).await?.text)
    }

    /// The same, as it is written.
    ///
    /// # Errors
    /// As [`Client::generate`], until the first text; later ones come in the stream.
    pub async fn generate_stream(&self, prompt: impl Into<String>) -> Result<TextStream, Error> {
        self.converse_stream(&[Message::user(prompt)]).await
    }

    /// Says something, and gives the whole reply. For the typed surface see [`Client::api`].
    ///
    /// # Errors
    /// As [`Client::generate`].
    pub async fn chat(&self, message: impl Into<Message>) -> Result<Reply, Error> {
        self.converse(&[message.into()]).await
    }

    /// The same, as it is written.
    ///
    /// # Errors
    /// As [`Client::generate_stream`].
    pub async fn chat_stream(&self, message: impl Into<Message>) -> Result<TextStream, Error> {
        self.converse_stream(&[message.into()]).await
    }

    /// Goes on with a conversation.
    ///
    /// # Errors
    /// As [`Client::generate`].
    pub async fn converse(&self, messages: &[Message]) -> Result<Reply, Error> {
        let raw = self.0.json(&self.0.conversation(messages, false)?).await?;
        let choice = &raw["choices"][0];
        let Some(text) = choice["message"]["content"].as_str() else {
            return Err(Error::Unreadable("the answer has no `choices[0].message.content`".to_owned()));
        };
        let owned = |value: &Value| value.as_str().map(str::to_owned);
        let (text, model) = (text.to_owned(), owned(&raw["model"]).unwrap_or_default());
        Ok(Reply { text, model, finish_reason: owned(&choice["finish_reason"]), raw })
    }

    /// The same, as it is written.
    ///
    /// # Errors
    /// As [`Client::generate_stream`].
    pub async fn converse_stream(&self, messages: &[Message]) -> Result<TextStream, Error> {
        let call = self.0.conversation(messages, true)?;
        let response = self.0.answer(&call).await?;
        Ok(Streamed::new(texts(response.into_body(), self.0.ring.provider())))
    }

    /// The names of the models that the provider offers.
    ///
    /// # Errors
    /// As [`Client::generate`].
    pub async fn models(&self) -> Result<Vec<String>, Error> {
        let raw = self.0.json(&Outbound::new(Method::GET, "/models", None)).await?;
        // Together gives a plain list.
        let list = raw.as_array().or_else(|| raw["data"].as_array());
        let list = list.ok_or_else(|| Error::Unreadable("the answer is no list of models".to_owned()))?;
        Ok(list.iter().filter_map(|model| model["id"].as_str()).map(str::to_owned).collect())
    }
}

/// A call of this client, which can be made anew.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    method: Method,
    path: String,
    body: Option<Bytes>,
    beta: Option<&'static str>,
}

impl Outbound {
    /// A call to a path below the version, such as `/models`.
    pub(super) fn new(method: Method, path: impl Into<String>, body: Option<&Value>) -> Self {
        let body = body.map(|body| Bytes::from(body.to_string()));
        Self { method, path: path.into(), body, beta: None }
    }

    /// Opts into a part of the API.
    pub(super) const fn beta(mut self, name: &'static str) -> Self {
        self.beta = Some(name);
        self
    }
}

impl Remake for (&Outbound, &'static ProviderSpec) {
    async fn make(&self) -> Result<Request<Outgoing>, Error> {
        let (call, provider) = self;
        let unsendable = |_| Error::Unreadable(format!("the path `{}` cannot be sent", call.path));
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", provider.http.sdk_base, call.path))
            .header(ACCEPT, "application/json, text/event-stream")
            .header(USER_AGENT, concat!("keywright/", env!("CARGO_PKG_VERSION")))
            .body(Outgoing::Whole(call.body.clone()))
            .map_err(unsendable)?;
        if call.body.is_some() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(beta) = call.beta {
            request.headers_mut().insert(OPENAI_BETA, HeaderValue::from_static(beta));
        }
        Ok(request)
    }
}

impl Shared {
    fn conversation(&self, messages: &[Message], stream: bool) -> Result<Outbound, Error> {
        let Some(model) = &self.model else {
            let name = &self.ring.provider().name;
            return Err(Error::Unreadable(format!("no model is known for {name}; name one with `Builder::model`")));
        };
        let messages: Vec<Value> = messages.iter().map(Message::json).collect();
        let mut body = json!({"model": model, "messages": messages});
        if stream {
            body["stream"] = Value::Bool(true);
        }
        Ok(Outbound::new(Method::POST, "/chat/completions", Some(&body)))
    }

    /// A good answer, or the failure as an error.
    pub(super) async fn answer(&self, call: &Outbound) -> Result<Response<Arriving>, Error> {
        match self.travel(&(call, self.ring.provider())).await? {
            End::Good(response) => Ok(response),
            End::Bad(bad) => Err(bad.error()),
        }
    }

    /// The same, read whole as JSON.
    pub(super) async fn json(&self, call: &Outbound) -> Result<Value, Error> {
        let mut body = self.answer(call).await?.into_body();
        let mut all = BytesMut::new();
        while let Some(piece) = body.piece().await.map_err(|error| broke_off(self.ring.provider(), &error))? {
            all.extend_from_slice(&piece);
        }
        serde_json::from_slice(&all).map_err(|error| Error::Unreadable(format!("the answer is no JSON: {error}")))
    }
}

/// The texts of a chat's events.
fn texts(body: Arriving, provider: &'static ProviderSpec) -> impl Stream<Item = Result<String, Error>> + Send {
    let events = data(body, provider);
    let text = |event: Result<(Option<String>, Value), Error>| match event {
        Err(error) => Some(Err(error)),
        Ok((_, chunk)) => {
            let text = chunk["choices"][0]["delta"]["content"].as_str();
            text.filter(|text| !text.is_empty()).map(|text| Ok(text.to_owned()))
        }
    };
    events.filter_map(move |event| std::future::ready(text(event)))
}

/// The events of a stream as JSON, up to `[DONE]`. A stream that ends before it was cut.
pub(super) fn data(
    body: Arriving,
    provider: &'static ProviderSpec,
) -> impl Stream<Item = Result<(Option<String>, Value), Error>> + Send {
    let state = Some((body, Events::default()));
    stream::unfold(state, move |state| async move {
        let (mut body, mut events) = state?;
        loop {
            if let Some(event) = events.next() {
                if event.data == "[DONE]" {
                    return None;
                }
                return Some(match read(&event.data, provider) {
                    Ok(value) => (Ok((event.name, value)), Some((body, events))),
                    Err(error) => (Err(error), None),
                });
            }
            let error = match body.piece().await {
                Ok(Some(piece)) if events.len() + piece.len() <= LONGEST_EVENT => {
                    events.push(&piece);
                    continue;
                }
                Ok(Some(_)) => Error::Unreadable("an event of the stream is too long".to_owned()),
                Ok(None) => broke_off(provider, "it ended before `[DONE]`"),
                Err(error) => broke_off(provider, &error),
            };
            return Some((Err(error), None));
        }
    })
}

/// One event; an error in the middle of a stream is one.
fn read(data: &str, provider: &'static ProviderSpec) -> Result<Value, Error> {
    let value: Value =
        serde_json::from_str(data).map_err(|error| Error::Unreadable(format!("an event is no JSON: {error}")))?;
    let answer = Answer { status: 200, path: "", body: data.as_bytes() };
    match value.get("error").filter(|error| !error.is_null()).and_then(|_| classify(provider, &answer)) {
        Some(failed) => Err(Error::of_diagnosis(failed.diagnosis(provider, 200))),
        None => Ok(value),
    }
}

fn broke_off(provider: &ProviderSpec, why: impl std::fmt::Display) -> Error {
    let says = format!("the answer of {} broke off: {why}. {}", provider.name, Sent::MayHaveRun.says());
    let diagnosis = Diagnosis::new(&provider.id, Cause::Network, Confidence::Likely).with_evidence(Witness::Text, says);
    Error::of_diagnosis(diagnosis)
}

const OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");
/// No provider's event is longer.
const LONGEST_EVENT: usize = 8 * 1024 * 1024;
