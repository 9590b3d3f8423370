//! Embeddings and moderations.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::json::{self, Layout};
use crate::openai::chat::{no_model, required};
use crate::openai::gate::check_model;
use crate::reply::Reply;
use crate::request::Call;
use crate::text::tokens;

#[derive(Deserialize)]
struct EmbeddingRequest {
    model: Option<String>,
    input: Option<Value>,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

/// `POST /v1/embeddings`: floats, or base64 of them as the SDKs ask by default.
pub(crate) async fn embeddings(call: &mut Call) -> Result<Reply, Failure> {
    let request: EmbeddingRequest = call.json().await?;
    let model = request.model.ok_or_else(no_model)?;
    check_model(call, &model)?;
    let input = request.input.ok_or_else(|| required("input"))?;
    let size = request.dimensions.unwrap_or(USUAL_DIMENSIONS).clamp(1, MOST_DIMENSIONS);
    if inputs(&input) * size > MOST_NUMBERS {
        return Err(Failure::new("X400", 400, "The emulator does not make that many embeddings at once."));
    }
    let base64 = request.encoding_format.as_deref() == Some("base64");
    let data: Vec<Value> = (0..inputs(&input))
        .map(|index| {
            let vector = vector(call, size);
            let embedding = if base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|one| one.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let used = tokens(input.to_string().len());
    let body = json!({"object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": used, "total_tokens": used}});
    Ok(Reply::json(json::bytes(&body, Layout::TwoLine)))
}

/// How many texts an input holds: one, or the items of a list that is not one list of tokens.
fn inputs(input: &Value) -> usize {
    match input.as_array() {
        Some(items) if !items.first().is_some_and(Value::is_number) => items.len().min(MOST_INPUTS),
        _ => 1,
    }
}

/// Small numbers in place of a meaning.
pub(crate) fn vector(call: &mut Call, size: usize) -> Vec<f32> {
    let small = |number: u64| f32::from(u16::try_from(number % 2001).unwrap_or(0)) / 1000.0 - 1.0;
    (0..size).map(|_| small(call.ids.number())).collect()
}

/// `POST /v1/moderations`.
pub(crate) async fn moderations(call: &mut Call) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let input = request.get("input").ok_or_else(|| required("input"))?;
    let flags: serde_json::Map<String, Value> =
        CATEGORIES.iter().map(|name| ((*name).to_owned(), json!(false))).collect();
    let scores: serde_json::Map<String, Value> =
        CATEGORIES.iter().map(|name| ((*name).to_owned(), json!(0.0001))).collect();
    let kinds: serde_json::Map<String, Value> =
        CATEGORIES.iter().map(|name| ((*name).to_owned(), json!(["text"]))).collect();
    let result = json!({"flagged": false, "categories": flags, "category_scores": scores,
        "category_applied_input_types": kinds});
    let results = vec![result; inputs(input)];
    let id = format!("modr-{}", call.ids.base62(29));
    let model = request.get("model").and_then(Value::as_str).unwrap_or("omni-moderation-latest");
    let body = json!({"id": id, "model": model, "results": results});
    Ok(Reply::json(json::bytes(&body, Layout::TwoLine)))
}

const USUAL_DIMENSIONS: usize = 1536;
const MOST_DIMENSIONS: usize = 4096;
const MOST_INPUTS: usize = 2048;
/// Numbers in one answer, all inputs together.
const MOST_NUMBERS: usize = 1 << 22;
const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];
