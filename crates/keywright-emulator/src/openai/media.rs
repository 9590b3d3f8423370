//! Audio and images, as small as they can be.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::json::{self, Layout};
use crate::multipart::{self, Form};
use crate::openai::chat::no_model;
use crate::openai::{gate, lost};
use crate::reply::{Content, Reply};
use crate::request::Call;

/// `POST /v1/audio/{speech,transcriptions,translations}`.
pub(crate) async fn audio(call: &mut Call, kind: &str) -> Result<Reply, Failure> {
    match kind {
        "speech" => {
            let request: Value = call.json().await?;
            let model = request.get("model").and_then(Value::as_str).ok_or_else(no_model)?;
            gate::check_model(call, model)?;
            let reply = Reply::new(http::StatusCode::OK, Content::Bytes(SILENCE));
            Ok(reply.content_type("audio/wav"))
        }
        "transcriptions" | "translations" => {
            let form = form(call).await?;
            let model = form.field("model").ok_or_else(no_model)?;
            gate::check_model(call, model)?;
            if form.field("response_format") == Some("text") {
                let reply = Reply::json(Bytes::from_static(b"Hello from the emulator.\n"));
                return Ok(reply.content_type("text/plain; charset=utf-8"));
            }
            let body = json!({"text": "Hello from the emulator.",
                "usage": {"type": "duration", "seconds": 1}});
            Ok(Reply::json(json::bytes(&body, Layout::Compact)))
        }
        _ => Err(lost(call, "O26")),
    }
}

/// `POST /v1/images/{generations,edits,variations}`.
pub(crate) async fn images(call: &mut Call, kind: &str) -> Result<Reply, Failure> {
    let (model, count) = match kind {
        "generations" => {
            let request: Value = call.json().await?;
            let model = request.get("model").and_then(Value::as_str).map(str::to_owned);
            (model, request.get("n").and_then(Value::as_u64))
        }
        "edits" | "variations" => {
            let form = form(call).await?;
            let count = form.field("n").and_then(|n| n.parse().ok());
            (form.field("model").map(str::to_owned), count)
        }
        _ => return Err(lost(call, "O26")),
    };
    if let Some(model) = model {
        gate::check_model(call, &model).map_err(|failure| match failure.id {
            "O18" | "O17" => bad_model(&model),
            _ => failure,
        })?;
    }
    let image = json!({"b64_json": STANDARD.encode(PIXEL), "revised_prompt": null, "url": null});
    let count = usize::try_from(count.unwrap_or(1).clamp(1, 10)).unwrap_or(1);
    let body = json!({"created": call.now(), "data": vec![image; count]});
    Ok(Reply::json(json::bytes(&body, Layout::Two)))
}

/// Images refuse a model in their own words.
pub(crate) fn bad_model(model: &str) -> Failure {
    Failure::new("O18", 400, format!("The model '{model}' does not exist."))
        .kind("image_generation_user_error")
        .param("model")
        .code("invalid_value")
}

/// Reads a multipart body.
pub(crate) async fn form(call: &mut Call) -> Result<Form, Failure> {
    let content_type = call.header("content-type").unwrap_or_default().to_owned();
    let Some(boundary) = multipart::boundary(&content_type) else {
        let message = "Could not parse multipart form: the content type names no boundary.";
        return Err(Failure::new("X400", 400, message));
    };
    match call.body.take() {
        Some(body) => multipart::read(body, boundary).await,
        None => Ok(Form::default()),
    }
}

/// A WAV file with no sample in it.
const SILENCE: Bytes =
    Bytes::from_static(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0");
/// A GIF of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
