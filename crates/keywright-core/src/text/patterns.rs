//! The patterns that are looked for. All of them read squeezed text.

use std::sync::LazyLock;

use regex::Regex;

/// A status beside one of the words that clients put there. All on squeezed text.
pub(super) static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)(?i:errorcode|statuscode|status_code|response_code|http_status|http_status_code|httpstatus|http_code|upstreamstatus|error_status|"code"|'code'|code|status)\\*["'`]?\ ?[:=]?\ ?([45][0-9]{2})(?:[^0-9]|$)
        | HTTP/(?:1\.[01]|[23](?:\.0)?)\\*"?\ ?([45][0-9]{2})(?:[^0-9]|$)
        | (?i:error|failed|returned|answered|got|response|http|exception|after)[:(]*([45][0-9]{2})(?:[^0-9]|$)
        | \(([45][0-9]{2})\)
        | ([45][0-9]{2})(?:Unauthorized|Forbidden|TooManyRequests|PaymentRequired|NotFound|PreconditionFailed|BadRequest|InternalServerError|BadGateway|ServiceUnavailable|GatewayTimeout|ProxyAuthentication|ClientError|ServerError|statuscode)
        "#,
    )
    .expect("a fixed pattern compiles")
});

pub(super) static CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i:code|type_?|status|reason|errorcode)\\*["']?[:=]\\*["'`]([A-Za-z][A-Za-z0-9_.-]{2,63})\\*["'`]"#)
        .expect("a fixed pattern compiles")
});

/// A member of an answer in JSON.
pub(super) static MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"["'](?i:error|errors|message|detail|title)\\*["']:"#).expect("a fixed pattern compiles")
});

/// A key behind its scheme, as traces and dumps of requests show it.
pub(super) static BEARER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"Bearer[\\"']*([A-Za-z0-9_-]{3,})"#).expect("a fixed pattern compiles"));

/// What stands right before the sentence of an error in JSON or a Python dictionary.
pub(super) static MESSAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"["']message\\*["']:\\*["']$"#).expect("a fixed pattern compiles"));

pub(super) static MODEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"[Mm]odel\\*[`'"]+([A-Za-z0-9][A-Za-z0-9_./:@-]{1,80})\\*[`'"]"#).expect("a fixed pattern compiles")
});

/// "my key ends in wxyz": what people write beside a trace.
pub(super) static TAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:ends?|ending)(?:in|with)[`'":.…*]*([A-Za-z0-9_-]{4})(?:[^A-Za-z0-9_-]|$)"#)
        .expect("a fixed pattern compiles")
});

pub(super) static URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i:https?|wss?)://([A-Za-z0-9.-]+)(?::[0-9]+)?(/[A-Za-z0-9_./%-]*)?")
        .expect("a fixed pattern compiles")
});
