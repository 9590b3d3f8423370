//! Reads code, type and message out of an error body, whatever shape it has.

use serde_json::Value;

/// What an error body says. Every field may be empty: bodies are not to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// `error.code`, as text: providers send strings, numbers and null.
    pub code: Option<String>,
    /// `error.type`.
    pub kind: Option<String>,
    /// The human sentence.
    pub message: Option<String>,
    /// Whether the body has the shape of an error at all.
    pub is_error: bool,
}

impl Reading {
    /// Reads a body: JSON of any known shape, or plain text.
    ///
    /// Known shapes: `{"error":{…}}` (OpenAI, Fireworks, Together, Groq, Anthropic), the same in a
    /// one-element list (Gemini), `{"error":"…"}` with `message`, `code` or neither (Fireworks 2024,
    /// xAI, Hugging Face), a flat `{"message":…}` (Cerebras, Cohere), `{"detail":…}` (Mistral),
    /// `{"fault":{"faultstring":…}}` (Fireworks 2023), and an error wrapped in another's message.
    pub fn of(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of_json(&value, 0),
            Err(_) => Self::of_text(body),
        }
    }

    fn of_text(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST_TEXT)]);
        let text = text.trim();
        Self { message: (!text.is_empty()).then(|| text.to_owned()), ..Self::default() }
    }

    fn of_json(value: &Value, depth: u8) -> Self {
        match value {
            Value::Array(items) => items.first().map_or_else(Self::default, |first| Self::of_json(first, depth)),
            Value::Object(_) => Self::of_object(value, depth),
            _ => Self::default(),
        }
    }

    fn of_object(value: &Value, depth: u8) -> Self {
        let reading = match value.get("error") {
            Some(inner @ Value::Object(_)) => Self {
                code: text_at(inner, &["code", "status", "reason"]),
                kind: text_at(inner, &["type", "status"]),
                message: text_at(inner, &["message"]),
                is_error: true,
            },
            Some(Value::String(error)) => Self {
                code: text_at(value, &["code"]),
                kind: text_at(value, &["type"]),
                message: text_at(value, &["message"]).or_else(|| Some(error.clone())),
                is_error: true,
            },
            _ => Self::of_flat(value),
        };
        reading.unwrapped(depth)
    }

    fn of_flat(value: &Value) -> Self {
        if let Some(fault) = value.get("fault") {
            return Self {
                code: value.pointer("/fault/detail/errorcode").and_then(as_text),
                kind: None,
                message: text_at(fault, &["faultstring"]),
                is_error: true,
            };
        }
        let message = text_at(value, &["message", "detail", "title"]);
        let code = text_at(value, &["code"]);
        Self {
            is_error: message.is_some() && value.get("choices").is_none(),
            kind: text_at(value, &["type"]),
            code,
            message,
        }
    }

    /// A message that is itself a JSON error is read instead of its wrapper.
    fn unwrapped(self, depth: u8) -> Self {
        let inner = self
            .message
            .as_deref()
            .filter(|message| depth < DEEPEST && message.trim_start().starts_with('{'))
            .and_then(|message| serde_json::from_str::<Value>(message).ok())
            .map(|value| Self::of_json(&value, depth + 1))
            .filter(|inner| inner.message.is_some());
        inner.unwrap_or(self)
    }
}

fn text_at(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| value.get(name).and_then(as_text))
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How much of a body that is not JSON is kept as its message.
const LONGEST_TEXT: usize = 2_048;
/// How many errors inside errors are followed.
const DEEPEST: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Code, type and message, with `-` for what is not there.
    fn read(body: &str) -> String {
        let reading = Reading::of(body.as_bytes());
        let parts = [reading.code, reading.kind, reading.message];
        parts.map(|part| part.unwrap_or_else(|| "-".to_owned())).join(" | ")
    }

    #[test]
    fn every_known_shape_is_read() {
        let cases = [
            (r#"{"error":{"message":"M","type":"T","param":null,"code":"C"}}"#, "C | T | M"),
            (r#"[{"error":{"message":"M","code":400,"status":"S"}}]"#, "400 | S | M"),
            (r#"{"error":"Too Many Requests","message":"M"}"#, "- | - | M"),
            (r#"{"code":"C","error":"E"}"#, "C | - | E"),
            (r#"{"detail":"Unauthorized"}"#, "- | - | Unauthorized"),
            (r#"{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"C"}}}"#, "C | - | Invalid ApiKey"),
            ("Error listing deployed models", "- | - | Error listing deployed models"),
            ("", "- | - | -"),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body), expected);
        }
    }

    #[test]
    fn an_error_inside_an_error_is_unwrapped() {
        let body = r#"{"error":{"message":"{\n \"error\": {\"code\": 400, \"message\": \"API key not valid.\"}}","code":400}}"#;
        assert!(read(body).ends_with("API key not valid."));
    }

    #[test]
    fn an_answer_is_not_an_error() {
        assert!(!Reading::of(br#"{"id":"chatcmpl-1","choices":[]}"#).is_error);
    }
}
