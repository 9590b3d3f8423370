//! The models OpenAI lists, with the dates on which they end.

use serde_json::{Value, json};

use crate::clock;
use crate::failure::Failure;
use crate::json::{self, Layout};
use crate::openai::gate;
use crate::reply::Reply;
use crate::request::Call;

/// `GET /v1/models`.
pub(crate) fn list(call: &Call) -> Reply {
    let today = today(call);
    let data: Vec<Value> = MODELS.iter().filter(|model| model.lives(&today)).map(entry).collect();
    Reply::json(json::bytes(&json!({"object": "list", "data": data}), Layout::Two))
}

/// `GET /v1/models/{id}`.
pub(crate) fn one(call: &Call, id: &str) -> Result<Reply, Failure> {
    let today = today(call);
    let model = MODELS.iter().find(|model| model.id == id && model.lives(&today));
    let model = model.ok_or_else(|| gate::no_model(id))?;
    Ok(Reply::json(json::bytes(&entry(model), Layout::Two)))
}

/// Whether a model is listed and not shut down.
pub(crate) fn serves(call: &Call, id: &str) -> bool {
    let today = today(call);
    MODELS.iter().any(|model| model.id == id && model.lives(&today))
}

struct Model {
    id: &'static str,
    created: u64,
    /// The day it ends, `YYYY-MM-DD`.
    ends: Option<&'static str>,
}

impl Model {
    fn lives(&self, today: &str) -> bool {
        self.ends.is_none_or(|end| today < end)
    }
}

fn entry(model: &Model) -> Value {
    json!({"id": model.id, "object": "model", "created": model.created, "owned_by": "system",
        "shutdown_date": model.ends})
}

fn today(call: &Call) -> String {
    let mut date = clock::iso8601(call.now_ms);
    date.truncate(10);
    date
}

const fn model(id: &'static str, created: u64, ends: Option<&'static str>) -> Model {
    Model { id, created, ends }
}

/// From `shutdown_date` and the SDK's notes, read 2026-11-20.
const MODELS: [Model; 24] = [
    model("gpt-5.4", 1_772_000_000, None),
    model("gpt-5.4-nano", 1_772_000_001, Some("2027-04-01")),
    model("gpt-5.1", 1_763_000_000, Some("2027-04-01")),
    model("gpt-5", 1_754_425_777, Some("2026-12-11")),
    model("gpt-5-mini", 1_754_425_928, Some("2026-12-11")),
    model("gpt-5-nano", 1_754_426_384, Some("2026-12-11")),
    model("o3", 1_744_225_308, Some("2026-12-11")),
    model("gpt-4.1", 1_744_316_542, Some("2027-01-14")),
    model("gpt-4.1-mini", 1_744_318_173, Some("2027-01-14")),
    model("gpt-4o", 1_715_367_049, Some("2027-01-14")),
    model("gpt-4o-mini", 1_721_172_741, Some("2027-01-14")),
    model("gpt-audio-mini", 1_759_512_027, Some("2027-01-20")),
    model("gpt-4", 1_687_882_411, Some("2026-10-23")),
    model("gpt-4-turbo", 1_712_361_441, Some("2026-10-23")),
    model("gpt-3.5-turbo", 1_677_610_602, Some("2026-10-23")),
    model("o1", 1_734_375_816, Some("2026-10-23")),
    model("o3-mini", 1_737_146_383, Some("2026-10-23")),
    model("o4-mini", 1_744_225_351, Some("2026-10-23")),
    model("gpt-realtime", 1_756_271_701, None),
    model("gpt-4o-mini-tts", 1_742_403_959, None),
    model("whisper-1", 1_677_532_384, None),
    model("omni-moderation-latest", 1_731_689_265, None),
    model("text-embedding-3-large", 1_705_953_180, None),
    model("text-embedding-3-small", 1_705_948_997, None),
];
