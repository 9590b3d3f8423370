//! Reads as much of an answer as its judgement needs: the status, an error's body, or the first event
//! of a stream, which is the last safe moment to move on.

use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use keywright_core::opening::{Form, Opening, movable};
use keywright_core::{Answer, Classified, Redactor, classify_failure};

use crate::answer::Refusal;
use crate::headers;
use crate::live::Upstream;
use crate::pool::{SendError, Source};
use crate::relay::{Down, Peeked, RelayLimits};
use crate::settle::InFlight;

/// What an answer turned out to be.
pub(crate) enum Judged {
    /// It goes down.
    Good(Good),
    /// It is a failure, read whole.
    Bad(Bad),
    /// It broke off before it could be judged.
    Broken(SendError),
}

/// A failure, read whole.
pub(crate) struct Bad {
    pub(crate) head: http::response::Parts,
    pub(crate) body: Bytes,
    pub(crate) classified: Classified,
}

/// An answer that goes down, with what was peeked at.
pub(crate) struct Good {
    head: http::response::Parts,
    peeked: Peeked,
    source: Source,
    /// Whether what was peeked at is an error that came with a good status.
    is_error: bool,
}

impl Good {
    /// What was read before the decision.
    pub(crate) const fn peeked(&self) -> &Peeked {
        &self.peeked
    }

    /// The same without any key in an error that came with a good status. Everything else stays untouched.
    pub(crate) fn scrubbed(mut self, redactor: &Redactor) -> Self {
        if self.is_error
            && let std::borrow::Cow::Owned(clean) = redactor.redact(&self.peeked.joined())
        {
            self.head.headers.remove(CONTENT_LENGTH);
            self.peeked = Peeked::default();
            self.peeked.push(Bytes::from(clean));
        }
        self
    }

    /// The answer as it goes down: bytes untouched, hop-by-hop headers dropped.
    pub(crate) fn into_response(self, limits: RelayLimits, open: InFlight) -> Response<Down> {
        let Self { mut head, peeked, source, .. } = self;
        headers::downward(&mut head);
        Response::from_parts(head, Down::relayed(peeked, source, limits, open))
    }
}

/// Judges one answer.
pub(crate) async fn judge(
    upstream: &Upstream,
    path: &str,
    head: http::response::Parts,
    mut source: Source,
    idle: Duration,
) -> Judged {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        source.detach();
    }
    if head.status.as_u16() >= 400 {
        return match collect(&mut source, idle, LONGEST_ERROR).await {
            Ok(body) => bad(upstream, path, head, body),
            Err(error) => Judged::Broken(error),
        };
    }
    let form = form(&head);
    let mut peeked = Peeked::default();
    if form == Form::Other {
        return Judged::Good(Good { head, peeked, source, is_error: false });
    }
    match peek(&mut source, &mut peeked, form, idle).await {
        Err(error) => Judged::Broken(error),
        Ok(None) => Judged::Good(Good { head, peeked, source, is_error: false }),
        Ok(Some(event)) => match movable(upstream.spec, &Answer { status: head.status.as_u16(), path, body: &event }) {
            None => Judged::Good(Good { head, peeked, source, is_error: true }),
            Some(classified) => Judged::Bad(Bad { head, body: peeked.joined(), classified }),
        },
    }
}

fn bad(upstream: &Upstream, path: &str, head: http::response::Parts, body: Bytes) -> Judged {
    let plain = decoded(&head.headers, &body);
    let answer = Answer { status: head.status.as_u16(), path, body: plain.as_deref().unwrap_or(&body) };
    let classified = classify_failure(upstream.spec, &answer);
    Judged::Bad(Bad { head, body, classified })
}

/// The form of an answer, as its head tells it.
fn form(head: &http::response::Parts) -> Form {
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    Form::of(head.status.as_u16(), kind, head.headers.contains_key(CONTENT_ENCODING))
}

/// Reads the first event of a stream, or the first piece of JSON; gives it when it may be an error.
async fn peek(
    source: &mut Source,
    peeked: &mut Peeked,
    form: Form,
    idle: Duration,
) -> Result<Option<Vec<u8>>, SendError> {
    loop {
        let piece = piece(source, idle).await?;
        let ended = piece.is_none();
        if let Some(piece) = piece {
            peeked.push(piece);
        }
        match form.read(&peeked.joined(), ended) {
            Opening::Awaited => {}
            Opening::Fine => return Ok(None),
            Opening::Suspicious(data) => return Ok(Some(data)),
        }
    }
}

/// The next piece of a provider's body, within the idle limit.
async fn piece(source: &mut Source, idle: Duration) -> Result<Option<Bytes>, SendError> {
    loop {
        match tokio::time::timeout(idle, std::future::poll_fn(|cx| source.poll_piece(cx))).await {
            Err(_) => return Err(SendError::TimedOut(idle)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(SendError::MayHaveRun(error)),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A whole body up to a limit; what comes after the limit is cut off.
async fn collect(source: &mut Source, idle: Duration, most: usize) -> Result<Bytes, SendError> {
    let mut all = BytesMut::new();
    while let Some(piece) = piece(source, idle).await? {
        let room = most - all.len();
        all.extend_from_slice(&piece[..piece.len().min(room)]);
        if all.len() == most {
            break;
        }
    }
    Ok(all.freeze())
}

/// A copy of a compressed body, decoded for judgement; `None` when it is plain or cannot be decoded.
fn decoded(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let encoding = headers.get(CONTENT_ENCODING)?.as_bytes().to_ascii_lowercase();
    let mut plain = Vec::new();
    let limit = LONGEST_ERROR as u64;
    let read = match encoding.as_slice() {
        b"gzip" | b"x-gzip" => flate2::read::GzDecoder::new(body).take(limit).read_to_end(&mut plain),
        b"deflate" => flate2::read::ZlibDecoder::new(body).take(limit).read_to_end(&mut plain),
        b"br" => brotli_decompressor::Decompressor::new(body, 4_096).take(limit).read_to_end(&mut plain),
        b"zstd" => ruzstd::decoding::StreamingDecoder::new(body).ok()?.take(limit).read_to_end(&mut plain),
        _ => return None,
    };
    read.ok().map(|_| plain)
}

/// A refusal as it goes down: no loaded key in its body or its headers, in any encoding.
///
/// A compressed body that holds no key goes down as it came; one that does is sent decoded and scrubbed.
pub(crate) fn scrubbed(mut head: http::response::Parts, body: &Bytes, redactor: &Redactor) -> Response<Down> {
    headers::downward(&mut head);
    for value in head.headers.values_mut() {
        if let std::borrow::Cow::Owned(clean) = redactor.redact(value.as_bytes()) {
            let ascii = String::from_utf8_lossy(&clean).replace('…', "...");
            *value = HeaderValue::try_from(ascii).unwrap_or_else(|_| HeaderValue::from_static("redacted"));
        }
    }
    let plain = decoded(&head.headers, body);
    let source = plain.as_deref().unwrap_or(body);
    let sent = match redactor.redact(source) {
        std::borrow::Cow::Borrowed(_) => body.clone(),
        std::borrow::Cow::Owned(clean) => {
            head.headers.remove(CONTENT_ENCODING);
            Bytes::from(clean)
        }
    };
    if head.headers.contains_key(CONTENT_LENGTH) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(sent.len()));
    }
    Response::from_parts(head, Down::whole(sent))
}

/// A provider's refusal without a body, with words of ours in its place.
pub(crate) fn worded(mut head: http::response::Parts, words: &Refusal, redactor: &Redactor) -> Response<Down> {
    head.headers.remove(CONTENT_ENCODING);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    scrubbed(head, &Bytes::from(format!("{}\n", words.body())), redactor)
}

/// No provider's error is longer.
const LONGEST_ERROR: usize = 1024 * 1024;
