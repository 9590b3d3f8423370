//! The Rust client against the emulated providers: keys that die between, before and during calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_openai::types::chat::{ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequestArgs};
use async_openai::types::embeddings::CreateEmbeddingRequestArgs;
use async_openai::types::files::{CreateFileRequest, FileInput, FilePurpose};
use async_openai::types::responses::CreateResponseArgs;
use futures_util::StreamExt;
use keywright::client::assistants::NewAssistant;
use keywright::client::ring::Given;
use keywright::client::{Builder, Client, Error};
use keywright::sources::{Environment, Resolver};
use keywright_core::{Cause, Secret};
use keywright_emulator::{Assistants, Emulator, KeyState, Settings, sample_keys};

const PROVIDERS: [&str; 3] = ["openai", "fireworks", "together"];

async fn emulator() -> Emulator {
    Emulator::builder().with_sample_keys().start().await.expect("an emulator")
}

/// Nothing of this machine: no key, no proxy.
fn nothing() -> Resolver {
    Resolver::new(Environment::given(Vec::<(String, String)>::new()), "/nonexistent")
}

fn builder(emulator: &Emulator, id: &str) -> Builder {
    let builder = Client::builder(id).expect("in the catalogue").resolver(nothing()).without_memory();
    builder.base_url(emulator.base_url(id))
}

/// A client with the first sample keys of a provider.
fn client(emulator: &Emulator, id: &str, keys: usize) -> Client {
    let keys = sample_keys(id, keys);
    keys.into_iter().fold(builder(emulator, id), Builder::key).build().expect("a client")
}

fn first_is(emulator: &Emulator, id: &str, state: KeyState) {
    nth_is(emulator, id, 0, state);
}

fn nth_is(emulator: &Emulator, id: &str, nth: usize, state: KeyState) {
    emulator.set_key(id, &sample_keys(id, nth + 1)[nth], state).expect("a key");
}

/// How often a key was used.
fn calls(emulator: &Emulator, id: &str, nth: usize) -> u64 {
    emulator.calls_of(id, &sample_keys(id, nth + 1)[nth]).iter().map(|call| call.calls).sum()
}

#[tokio::test]
async fn text_comes_back_whole_and_as_it_is_written() {
    let emulator = emulator().await;
    for id in PROVIDERS {
        let client = client(&emulator, id, 1);
        assert!(!client.generate("Hello").await.expect("text").is_empty(), "{id}");
        let reply = client.chat("Hello").await.expect("a reply");
        assert_eq!(reply.finish_reason.as_deref(), Some("stop"), "{id}");
        let pieces: Vec<_> = client.chat_stream("Hello").await.expect("a stream").collect().await;
        assert!(pieces.len() > 1 && pieces.iter().all(Result::is_ok), "{id}: {pieces:?}");
        assert!(!client.generate_stream("Hello").await.expect("a stream").text().await.expect("text").is_empty());
        assert!(!client.models().await.expect("models").is_empty(), "{id}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_not_noticed() {
    let emulator = emulator().await;
    for id in PROVIDERS {
        let client = client(&emulator, id, 2);
        client.generate("Hello").await.expect("text of the first key");
        first_is(&emulator, id, KeyState::Revoked);
        for _ in 0..3 {
            client.generate("Hello").await.expect("text of the second key");
            client.generate_stream("Hello").await.expect("a stream").text().await.expect("text");
        }
        assert_eq!((calls(&emulator, id, 0), calls(&emulator, id, 1)), (2, 6), "{id}: one useless call");
    }
}

#[tokio::test]
async fn two_hundred_calls_at_one_time_lose_nothing_when_their_key_dies() {
    let emulator = emulator().await;
    let client = client(&emulator, "openai", 2);
    let calls = (0..200).map(|nth| {
        let (client, emulator) = (client.clone(), &emulator);
        async move {
            if nth == 100 {
                first_is(emulator, "openai", KeyState::Revoked);
            }
            client.generate("Hello").await
        }
    });
    for answer in futures_util::future::join_all(calls).await {
        assert!(!answer.expect("text").is_empty());
    }
}

#[tokio::test]
async fn when_every_key_is_out_the_error_says_why_and_names_each_masked() {
    let emulator = emulator().await;
    for id in PROVIDERS {
        let client = client(&emulator, id, 2);
        first_is(&emulator, id, KeyState::Revoked);
        nth_is(&emulator, id, 1, KeyState::Revoked);
        let error = client.generate("Hello").await.expect_err("no key serves");
        let Error::Authentication(diagnosis) = &error else { panic!("{id}: {error:?}") };
        assert_eq!(diagnosis.cause, Cause::InvalidKey, "{id}");
        let told = error.to_string();
        assert!(told.contains("…0001") && told.contains("…0002"), "{told}");
        for key in sample_keys(id, 2) {
            assert!(!format!("{error} {error:?}").contains(&key), "{id}: the key is shown");
        }
        // The typed surface says the same.
        let raw = client.api().models().list().await.expect_err("no key serves");
        assert!(matches!(Error::of(&raw), Some(Error::Authentication(_))), "{id}: {raw:?}");
    }
}

#[tokio::test]
async fn what_is_not_about_a_key_says_what_it_is() {
    let emulator = emulator().await;
    first_is(&emulator, "openai", KeyState::RateLimited { after: 0, n: None, retry_after: None });
    let one = client(&emulator, "openai", 1);
    let Err(Error::Failed(failure)) = one.generate("Hello").await else { panic!("it is limited") };
    assert_eq!((failure.diagnosis.cause, failure.status), (Cause::RateLimit, Some(429)));
    assert!(failure.message.is_some());
    let nowhere = builder(&emulator, "openai").base_url("http://127.0.0.1:1").key(&sample_keys("openai", 1)[0]);
    let Err(Error::Failed(failure)) = nowhere.build().expect("a client").generate("Hello").await else {
        panic!("nobody answers there")
    };
    assert_eq!((failure.diagnosis.cause, failure.status), (Cause::Network, None));
    assert!(failure.diagnosis.evidence[0].says.ends_with("The request was not sent."), "{failure:?}");
}

#[tokio::test]
async fn a_key_that_cannot_work_is_refused_before_any_request() {
    let emulator = emulator().await;
    let key = &sample_keys("openai", 1)[0];
    let cases = [
        (String::new(), Cause::EmptyKey),
        ("   ".to_owned(), Cause::WhitespaceOrNewline),
        ("your-api-key-here".to_owned(), Cause::PlaceholderKey),
        (format!("{key}\n"), Cause::WhitespaceOrNewline),
        (format!("Bearer {key}"), Cause::HeaderMalformed),
        (format!("\u{201c}{key}\u{201d}"), Cause::QuotesInKey),
    ];
    for (given, cause) in cases {
        let error = builder(&emulator, "openai").key(given.clone()).build().expect_err("it cannot work");
        let Error::Authentication(diagnosis) = &error else { panic!("{given:?}: {error:?}") };
        assert_eq!(diagnosis.cause, cause, "{error}");
        assert!(!format!("{error:?}").contains(key.as_str()), "the key is shown");
    }
    let missing = Client::builder("openai").expect("known").resolver(nothing()).without_memory().build();
    let Err(Error::Authentication(diagnosis)) = missing else { panic!("there is no key") };
    assert_eq!(diagnosis.cause, Cause::MissingKey);
    assert!(emulator.calls().is_empty(), "no request was sent");
    assert!(matches!(Client::provider("acme"), Err(Error::UnknownProvider { .. })));
}

#[tokio::test]
async fn keys_and_address_come_from_the_variables_that_sdks_read() {
    let emulator = emulator().await;
    for (id, variable, base, end) in [
        ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
        ("fireworks", "FIREWORKS_API_KEY", "FIREWORKS_BASE_URL", ""),
        ("together", "TOGETHER_API_KEY", "TOGETHER_BASE_URL", "/v1"),
    ] {
        let url = format!("{}{end}", emulator.base_url(id).trim_end_matches("/v1"));
        let environment = Environment::given([(variable, sample_keys(id, 1).remove(0)), (base, url)]);
        let resolver = Resolver::new(environment, "/nonexistent");
        let client = Client::builder(id).expect("known").resolver(resolver).without_memory().build().expect("a client");
        assert!(!client.generate("Hello").await.expect("text").is_empty(), "{id}");
    }
}

#[tokio::test]
async fn the_typed_surface_uses_the_same_keys() {
    let emulator = emulator().await;
    let client = client(&emulator, "openai", 2);
    first_is(&emulator, "openai", KeyState::Revoked);
    let api = client.api();
    let message = ChatCompletionRequestUserMessageArgs::default().content("Hello").build().expect("a message");
    let chat = CreateChatCompletionRequestArgs::default()
        .model("gpt-4o-mini")
        .messages([message.into()])
        .build()
        .expect("one");
    assert!(!api.chat().create(chat.clone()).await.expect("a reply").choices.is_empty());
    let chunks: Vec<_> = api.chat().create_stream(chat).await.expect("a stream").collect().await;
    assert!(chunks.len() > 1 && chunks.iter().all(Result::is_ok));
    let question =
        CreateEmbeddingRequestArgs::default().model("text-embedding-3-small").input("a sentence").build().expect("one");
    assert!(api.embeddings().create(question).await.expect("vectors").data[0].embedding.len() > 10);
    let response = CreateResponseArgs::default().model("gpt-4o-mini").input("Hello").build().expect("a request");
    assert!(!api.responses().create(response).await.expect("a response").id.is_empty());
    assert_eq!(calls(&emulator, "openai", 0), 1, "one refusal, then it is left alone");
}

#[tokio::test]
async fn a_file_goes_up_again_with_the_next_key() {
    let emulator = emulator().await;
    let client = client(&emulator, "openai", 2);
    first_is(&emulator, "openai", KeyState::Revoked);
    let file = CreateFileRequest {
        file: FileInput::from_vec_u8("data.jsonl".to_owned(), vec![b'x'; 3 * 1024 * 1024]),
        purpose: FilePurpose::FineTune,
        expires_after: None,
    };
    let uploaded = client.api().files().create(file).await.expect("a file");
    assert_eq!(uploaded.bytes, Some(3 * 1024 * 1024));
    assert_eq!((calls(&emulator, "openai", 0), calls(&emulator, "openai", 1)), (1, 1));
}

#[tokio::test]
async fn a_wrong_request_stays_as_the_provider_says_it() {
    let emulator = emulator().await;
    let client = client(&emulator, "openai", 2);
    let error = client.api().models().retrieve("no-such-model").await.expect_err("there is none");
    let async_openai::error::OpenAIError::ApiError(answer) = &error else { panic!("{error:?}") };
    assert_eq!(answer.status_code.as_u16(), 404);
    assert_eq!(calls(&emulator, "openai", 1), 0, "no other key was tried");
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_cancelled_and_the_client_goes_on() {
    let emulator = emulator().await;
    let client = client(&emulator, "openai", 1);
    first_is(&emulator, "openai", KeyState::Slow { delay: Duration::from_millis(50) });
    let mut stream = client.chat_stream("Hello").await.expect("a stream");
    stream.next().await.expect("a piece").expect("text");
    drop(stream);
    // A call that is given up before its answer leaves nothing behind either.
    let given_up = tokio::time::timeout(Duration::from_millis(1), client.generate("Hello")).await;
    assert!(given_up.is_err());
    first_is(&emulator, "openai", KeyState::Valid);
    assert!(!client.generate("Hello").await.expect("text").is_empty());
}

#[tokio::test]
async fn a_client_serves_threads_with_runtimes_of_their_own() {
    let emulator = emulator().await;
    let client = client(&emulator, "openai", 2);
    first_is(&emulator, "openai", KeyState::Revoked);
    let one = move |client: Client| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(client.generate("Hello"))
    };
    let threads: Vec<_> =
        (0..4).map(|_| client.clone()).map(|client| std::thread::spawn(move || one(client))).collect();
    let ended = tokio::task::spawn_blocking(|| {
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    for answer in ended.await.expect("joined") {
        assert!(!answer.expect("text").is_empty());
    }
}

fn assistants(emulator: &Emulator, mode: Assistants) {
    emulator.set_settings(Settings { assistants: mode, ..emulator.settings() });
}

#[tokio::test]
async fn the_assistants_work_while_they_live_and_survive_a_revoked_key() {
    let emulator = emulator().await;
    assistants(&emulator, Assistants::Live);
    let client = client(&emulator, "openai", 2);
    let api = client.assistants();
    let new = NewAssistant { model: "gpt-4o-mini".to_owned(), name: Some("Ada".to_owned()), ..NewAssistant::default() };
    let assistant = api.create(&new).await.expect("an assistant");
    let thread = api.create_thread().await.expect("a thread");
    api.add_message(&thread.id, "Hello").await.expect("a message");
    first_is(&emulator, "openai", KeyState::Revoked);
    let mut run = api.create_run(&thread.id, &assistant.id).await.expect("a run with the other key of the project");
    while !run.is_over() {
        run = api.run(&thread.id, &run.id).await.expect("the run");
    }
    assert_eq!(run.status, "completed");
    assert!(!api.steps(&thread.id, &run.id).await.expect("steps").is_empty());
    let messages = api.messages(&thread.id).await.expect("messages");
    assert!(messages.iter().any(|message| message.role == "assistant" && !message.text().is_empty()), "{messages:?}");
    let events: Vec<_> = api.stream_run(&thread.id, &assistant.id).await.expect("a stream").collect().await;
    let events: Vec<_> = events.into_iter().map(|event| event.expect("an event")).collect();
    assert_eq!(events[0].name, "thread.run.created");
    assert!(
        events.iter().any(|event| !event.text().is_empty()) && events.iter().any(|e| e.name == "thread.run.completed")
    );
    api.delete_thread(&thread.id).await.expect("deleted");
    api.delete(&assistant.id).await.expect("deleted");
    assert!(matches!(api.run(&thread.id, "../../models").await, Err(Error::Unreadable(_))), "an id is no path");
}

#[tokio::test]
async fn a_thread_is_no_business_of_a_key_of_another_project() {
    let emulator = emulator().await;
    assistants(&emulator, Assistants::Live);
    let of = |nth: usize, project: &str| Given {
        project: Some(project.to_owned()),
        ..Given::explicit(Secret::new(sample_keys("openai", 2).remove(nth)), format!("key {nth}"))
    };
    let client = builder(&emulator, "openai").given(of(0, "one")).given(of(1, "two")).build().expect("a client");
    let thread = client.assistants().create_thread().await.expect("a thread");
    first_is(&emulator, "openai", KeyState::Revoked);
    let error = client.assistants().add_message(&thread.id, "Hello").await.expect_err("no key of the project is left");
    let Error::Authentication(_) = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains("belongs to another project"), "{error}");
    assert_eq!(calls(&emulator, "openai", 1), 0);
}

#[tokio::test]
async fn the_assistants_that_are_gone_are_told_as_the_shutdown() {
    let emulator = emulator().await;
    assistants(&emulator, Assistants::Gone);
    let client = client(&emulator, "openai", 2);
    let Err(Error::Failed(failure)) = client.assistants().create_thread().await else { panic!("they are gone") };
    assert_eq!((failure.diagnosis.cause, failure.status), (Cause::AssistantsGone, Some(404)));
    assert!(failure.diagnosis.fixes.iter().any(|fix| fix.says.contains("Responses")), "{failure:?}");
    assert_eq!((calls(&emulator, "openai", 0), calls(&emulator, "openai", 1)), (1, 0), "never failed over");
    client.generate("Hello").await.expect("the key still serves");
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_tells_of_the_key_before_the_first_request_and_never_shows_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let emulator = emulator().await;
            let keys = sample_keys("openai", 2);
            let client = keys.into_iter().fold(builder(&emulator, "openai"), Builder::key);
            let client = client.open().await.expect("a client");
            let text = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
            for word in ["present=true", "format=\"project key\"", "source=", "fingerprint="] {
                assert!(text.contains(word), "{word}: {text}");
            }
            first_is(&emulator, "openai", KeyState::Revoked);
            client.generate("Hello").await.expect("text");
            nth_is(&emulator, "openai", 1, KeyState::Revoked);
            client.api().models().list().await.expect_err("no key serves");
        });
    });
    let text = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
    assert!(text.contains("key is out"), "{text}");
    for key in sample_keys("openai", 2) {
        assert!(!text.contains(&key[20..80]), "a key is in the log");
    }
}
