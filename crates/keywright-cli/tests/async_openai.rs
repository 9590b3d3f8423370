//! The Rust SDK, unmodified and with its retries off, through `keywright serve` to the emulator.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::ReqwestService;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequest, CreateChatCompletionRequestArgs,
};
use async_openai::types::embeddings::CreateEmbeddingRequestArgs;
use async_openai::types::files::{CreateFileRequest, FileInput, FilePurpose};
use common::{Place, Running, openai_key, upstream};
use futures_util::StreamExt;
use futures_util::future::join_all;
use keywright_core::token;
use keywright_emulator::{Emulator, KeyState};
use rustix::process::Signal;

#[tokio::test]
async fn chat_embeddings_and_a_30_mib_upload_work() {
    let stage = Stage::set();
    assert!(!stage.chat().await.expect("an answer").is_empty());

    let question = CreateEmbeddingRequestArgs::default()
        .model("text-embedding-3-small")
        .input("a sentence")
        .build()
        .expect("a request");
    let vectors = stage.client.embeddings().create(question).await.expect("vectors");
    assert!(vectors.data[0].embedding.len() > 10);

    let file = CreateFileRequest {
        file: FileInput::from_vec_u8("data.jsonl".to_owned(), vec![0; THIRTY_MIB]),
        purpose: FilePurpose::FineTune,
        expires_after: None,
    };
    let uploaded = stage.client.files().create(file).await.expect("a file");
    assert_eq!(uploaded.bytes, u32::try_from(THIRTY_MIB).ok());
}

#[tokio::test]
async fn a_key_revoked_between_calls_is_not_noticed() {
    let stage = Stage::set();
    stage.chat().await.expect("an answer of the first key");
    stage.first_is(KeyState::Revoked);
    for _ in 0..3 {
        stage.chat().await.expect("an answer of the second key");
    }
}

#[tokio::test]
async fn a_key_revoked_during_200_concurrent_calls_is_not_noticed() {
    let stage = Stage::set();
    let answered = AtomicUsize::new(0);
    let caller = async || {
        for _ in 0..3 {
            stage.chat().await.expect("an answer");
            if answered.fetch_add(1, Ordering::Relaxed) == 100 {
                stage.first_is(KeyState::Revoked);
            }
        }
    };
    join_all((0..200).map(|_| caller())).await;
    assert_eq!(answered.load(Ordering::Relaxed), 600);
}

#[tokio::test]
async fn streams_that_flow_when_their_key_is_revoked_finish() {
    let stage = Stage::set();
    stage.first_is(KeyState::Slow { delay: Duration::from_millis(20) });
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = stage.client.chat().create_stream(question()).await.expect("a stream");
        stream.next().await.expect("a first event").expect("no error");
        streams.push(stream);
    }
    stage.first_is(KeyState::Revoked);
    for stream in streams {
        let events: Vec<_> = stream.collect().await;
        let choices = events.into_iter().flat_map(|event| event.expect("no error").choices);
        let last = choices.last().expect("a choice");
        assert!(last.finish_reason.is_some(), "the stream was cut");
    }
}

#[tokio::test]
async fn with_all_keys_revoked_the_error_names_the_cause_and_no_key() {
    let stage = Stage::set();
    for number in [1, 2] {
        stage.emulator.set_key("openai", &openai_key(number), KeyState::Revoked).expect("known");
    }
    let error = stage.chat().await.expect_err("no key is left");
    let text = error.to_string();
    let OpenAIError::ApiError(refusal) = error else { panic!("another error: {text}") };
    assert_eq!(refusal.status_code.as_u16(), 503);
    assert!(text.contains("invalid_key"), "{text}");
    for number in [1, 2] {
        assert!(text.contains(&format!("000{number}")), "each key is named by its mask: {text}");
        assert!(!text.contains(&openai_key(number)), "no key is shown");
    }
}

/// The emulator, a gateway with two keys, and an app's client with a virtual key.
struct Stage {
    emulator: Arc<Emulator>,
    gateway: Running,
    client: Client<OpenAIConfig>,
    _place: Place,
}

impl Stage {
    fn set() -> Self {
        let emulator = upstream();
        let app = token::issue(&[7; 25]);
        let configuration = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n\
             [[provider]]\nid = \"openai\"\nbase_url = \"{}\"\nkeys = [\"env://ONE\", \"env://TWO\"]\n\
             [[virtual_key]]\nname = \"app\"\nsha256 = \"{}\"\n",
            emulator.base_url("openai"),
            token::digest_hex(app.expose()),
        );
        let place =
            Place::new().env("ONE", &openai_key(1)).env("TWO", &openai_key(2)).file("keywright.toml", &configuration);
        let gateway = place.start(&["serve", "--json"], "\n");
        let event: serde_json::Value = serde_json::from_str(&gateway.before).expect("JSON");
        let address = event["listen"].as_str().expect("an address");
        let config =
            OpenAIConfig::new().with_api_base(format!("http://{address}/openai/v1")).with_api_key(app.expose());
        let service = ReqwestService::new(reqwest::Client::new());
        let client = Client::with_config(config).with_http_service(service);
        Self { emulator, gateway, client, _place: place }
    }

    fn first_is(&self, state: KeyState) {
        self.emulator.set_key("openai", &openai_key(1), state).expect("known");
    }

    async fn chat(&self) -> Result<String, OpenAIError> {
        let answer = self.client.chat().create(question()).await?;
        Ok(answer.choices[0].message.content.clone().unwrap_or_default())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.gateway.signal(Signal::KILL);
    }
}

fn question() -> CreateChatCompletionRequest {
    let message = ChatCompletionRequestUserMessageArgs::default().content("Say hello.").build();
    CreateChatCompletionRequestArgs::default()
        .model("gpt-4o-mini")
        .messages([message.expect("a message").into()])
        .build()
        .expect("a request")
}

const THIRTY_MIB: usize = 30 * 1024 * 1024;
