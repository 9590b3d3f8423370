//! Drives one request over the ring: does what each step says, and tells what came of it.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use keywright_core::reading::Reading;
use keywright_core::{Diagnosis, Redactor, paths};

use super::Shared;
use super::body::{Arriving, Outgoing};
use super::error::{Error, Failure};
use super::ring::{Attempts, Call, Head, Lease, Step, Verdict, now};
use super::transport::Unanswered;

/// How a journey ended.
pub(super) enum End {
    /// A good answer.
    Good(Response<Arriving>),
    /// The provider's own words about a failure that no other key mends, without any key.
    Bad(Box<Bad>),
}

/// A failure that a provider told.
pub(super) struct Bad {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    pub(super) diagnosis: Box<Diagnosis>,
}

impl Bad {
    /// The failure as an error of this crate.
    pub(super) fn error(self) -> Error {
        let status = self.head.status.as_u16();
        Error::of_failure(Failure {
            diagnosis: *self.diagnosis,
            status: Some(status),
            message: Reading::of(&self.body).message,
            retry_after: Head::of(status, &self.head.headers).retry_after,
        })
    }
}

/// Makes a request anew for each attempt.
pub(super) trait Remake {
    /// The request, whose URI is path and query at the provider.
    fn make(&self) -> impl Future<Output = Result<Request<Outgoing>, Error>> + Send;
}

impl Shared {
    /// One request, over as many attempts as it takes. Dropping it cancels what is under way.
    pub(super) async fn travel(&self, requests: &(impl Remake + Sync)) -> Result<End, Error> {
        let first = requests.make().await?;
        let beginning = first.body().beginning();
        let call = Call { method: first.method().as_str(), path: first.uri().path(), body: &beginning };
        let mut attempts = self.ring.begin(&call);
        let mut made = Some(first);
        loop {
            match attempts.next(now()) {
                Step::Read(errand) => self.ring.read(errand).await,
                Step::Wait(pause) => tokio::time::sleep(pause).await,
                Step::Stop(out) => return Err(Error::of_all_out(*out)),
                Step::Send(lease) => {
                    let request = match made.take() {
                        Some(request) => request,
                        None => requests.make().await?,
                    };
                    if let Some(end) = self.attempt(&mut attempts, request, &lease).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// Sends it once; nothing when the next step is due.
    async fn attempt(
        &self,
        attempts: &mut Attempts,
        request: Request<Outgoing>,
        lease: &Lease,
    ) -> Result<Option<End>, Error> {
        let request = self.prepared(request, lease)?;
        let (head, incoming) = match self.transport.send(request).await {
            Ok(response) => response.into_parts(),
            Err(unanswered) => return failed(attempts, &unanswered),
        };
        let mut body = Arriving::new(incoming, self.transport.limits.silence);
        let told = Head::of(head.status.as_u16(), &head.headers);
        let (mut read, mut ended) = (BytesMut::new(), false);
        loop {
            match attempts.answered(&told, &read, ended, now()) {
                Verdict::Again => return Ok(None),
                Verdict::Deliver => {
                    body.put_back(read.freeze());
                    return Ok(Some(End::Good(Response::from_parts(head, body))));
                }
                Verdict::Fail(diagnosis) => {
                    let (mut head, redactor) = (head, lease.redactor(&self.ring));
                    scrub(&mut head.headers, &redactor);
                    let body = Bytes::from(redactor.redact(&read).into_owned());
                    return Ok(Some(End::Bad(Box::new(Bad { head, body, diagnosis }))));
                }
                Verdict::MoreBody => match body.piece().await {
                    Ok(Some(piece)) => read.extend_from_slice(&piece),
                    Ok(None) => ended = true,
                    Err(error) => {
                        let says = format!("its answer broke off: {error}");
                        let cause = keywright_core::Cause::Network;
                        let sent = keywright_core::ring::Sent::MayHaveRun;
                        return failed(attempts, &Unanswered { cause, sent, says });
                    }
                },
            }
        }
    }

    /// The request as it goes out: to the provider's own address, with this key and no other credential.
    fn prepared(&self, mut request: Request<Outgoing>, lease: &Lease) -> Result<Request<Outgoing>, Error> {
        let provider = self.ring.provider();
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = paths::upstream_path(&provider.paths, request.uri().path());
        let unsendable = |_| Error::Unreadable(format!("the path `{path}` cannot be sent"));
        *request.uri_mut() = self.transport.uri(&format!("{path}{query}")).parse().map_err(unsendable)?;
        let headers = request.headers_mut();
        for name in [AUTHORIZATION, HOST, CONTENT_LENGTH] {
            headers.remove(name);
        }
        for fixed in &provider.http.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(fixed.name.as_str()), fixed.value.parse()) {
                headers.entry(name).or_insert(value);
            }
        }
        headers.insert(lease.name, lease.header.clone());
        Ok(request)
    }
}

fn failed(attempts: &mut Attempts, unanswered: &Unanswered) -> Result<Option<End>, Error> {
    match attempts.failed(unanswered.cause, unanswered.sent, &unanswered.says) {
        Verdict::Fail(diagnosis) => Err(Error::of_diagnosis(*diagnosis)),
        Verdict::Again | Verdict::Deliver | Verdict::MoreBody => Ok(None),
    }
}

/// A provider may say in a header what it was sent.
fn scrub(headers: &mut HeaderMap, redactor: &Redactor) {
    for value in headers.values_mut() {
        if let Cow::Owned(masked) = redactor.redact(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static(""));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::Client;
    use crate::sources::{Environment, Resolver};

    struct Chat;

    impl Remake for Chat {
        async fn make(&self) -> Result<Request<Outgoing>, Error> {
            let body = Outgoing::Whole(Some(Bytes::from_static(b"{}")));
            Ok(Request::post("/v1/chat/completions").body(body).expect("a request"))
        }
    }

    /// A provider that refuses one request and says back what it was sent, in its error and in a header.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (mut text, mut piece) = (Vec::new(), [0; 4096]);
            while !text.ends_with(b"\r\n\r\n{}") {
                let length = stream.read(&mut piece).await.expect("a request");
                text.extend_from_slice(&piece[..length]);
            }
            let text = String::from_utf8(text).expect("text");
            let sent = text.lines().find_map(|line| line.strip_prefix("authorization: ")).expect("a key");
            let body = format!(r#"{{"error":{{"message":"I read {sent}","type":"invalid_request_error"}}}}"#);
            let head = format!("content-type: application/json\r\nx-sent: {sent}\r\ncontent-length: {}", body.len());
            let answer = format!("HTTP/1.1 400 Bad Request\r\n{head}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.expect("written");
        });
        url
    }

    #[tokio::test]
    async fn a_refusal_that_echoes_the_key_comes_without_it() {
        let key = format!("sk-proj-{}T3BlbkFJ{}", "k3Yq8Zt5Wm".repeat(7), "k3Yq8Zt5Wm".repeat(6));
        let nothing = Resolver::new(Environment::given(Vec::<(String, String)>::new()), "/nonexistent");
        let builder = Client::builder("openai").expect("known").resolver(nothing).without_memory().key(&key);
        let client = builder.base_url(echo().await).open().await.expect("a client");
        let Ok(End::Bad(bad)) = client.0.travel(&Chat).await else { panic!("it is refused") };
        let header = String::from_utf8_lossy(bad.head.headers["x-sent"].as_bytes()).into_owned();
        let body = String::from_utf8_lossy(&bad.body).into_owned();
        for said in [header, body] {
            assert!(said.contains("sk-proj-…") && !said.contains(&key[8..]), "{said}");
        }
    }
}
