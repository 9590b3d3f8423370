//! The whole typed surface of `async-openai`, on this client's keys.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_openai::config::Config;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use http::header::CONTENT_LENGTH;
use keywright_core::Verdict;
use reqwest::header::HeaderMap;
use secrecy::SecretString;

use super::Client;
use super::body::Outgoing;
use super::error::Error;
use super::journey::{End, Remake};

/// `async-openai` over a client's keys.
pub type Api = async_openai::Client<Place>;

/// Where `async-openai` takes the provider to be. It holds no key: each attempt gets its own.
#[derive(Clone, Debug)]
pub struct Place {
    base: String,
    no_key: SecretString,
}

impl Config for Place {
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.no_key
    }
}

impl Client {
    /// Chat, responses, embeddings, files, audio, images, vector stores, batches and the rest, typed by `async-openai`, with
    /// this client's keys, failover and diagnosis. Its own retries are off: those of the ring follow the provider's rules.
    ///
    /// A failure about a key comes as `OpenAIError::Boxed`; [`Error::of`] gives it back. A path that begins a call for
    /// WebSockets does not pass here.
    pub fn api(&self) -> Api {
        // The path is all that counts: each attempt goes to the provider's own address.
        let base = format!("http://provider.invalid{}", self.0.ring.provider().http.sdk_base);
        async_openai::Client::with_config(Place { base, no_key: SecretString::from(String::new()) })
            .with_http_service(Service(self.clone()))
    }
}

/// Takes each request of `async-openai` on a journey over the keys.
#[derive(Clone)]
struct Service(Client);

impl tower_service::Service<HttpRequestFactory> for Service {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<reqwest::Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, requests: HttpRequestFactory) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            match client.0.travel(&requests).await? {
                End::Good(response) => Ok(response.map(reqwest::Body::wrap).into()),
                End::Bad(bad) if bad.diagnosis.verdict == Verdict::Auth => Err(bad.error().into()),
                // What is not about a key stays as the provider says it, which is what `async-openai` types.
                End::Bad(bad) => {
                    let mut head = bad.head;
                    head.headers.remove(CONTENT_LENGTH);
                    Ok(http::Response::from_parts(head, bad.body).into())
                }
            }
        })
    }
}

impl Remake for HttpRequestFactory {
    async fn make(&self) -> Result<http::Request<Outgoing>, Error> {
        let request = self.build().await?;
        let request: http::Request<reqwest::Body> =
            request.try_into().map_err(|error| Error::Api(OpenAIError::Reqwest(error)))?;
        Ok(request.map(Outgoing::from))
    }
}
