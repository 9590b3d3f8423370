//! `/v1/realtime` over WebSocket. A bad key is told after the upgrade, as an event and close code 3000.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::Provider;
use crate::body::Script;
use crate::failure::Failure;
use crate::faults;
use crate::ids::Ids;
use crate::openai::gate;
use crate::openai::responses::merged;
use crate::openai::wire::{self, Door};
use crate::request::Call;
use crate::text::pieces;

/// Whether this request asks for a realtime session.
pub(crate) fn wanted(call: &Call) -> bool {
    call.provider == Provider::OpenAi
        && matches!(call.path(), "/v1/realtime" | "/v1/realtime/")
        && call.header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
}

/// Answers the upgrade, and says which answer that was.
pub(crate) fn open(call: &mut Call, stop: watch::Receiver<()>) -> (Response<Script>, &'static str) {
    let refused = gate::check(call, Door::Responses).err();
    if let Some(failure) = refused.as_ref().filter(|failure| failure.id == "O14") {
        let failure = Failure { status: 403, ..failure.clone() };
        let reply = wire::refuse(call, Door::Core, &failure);
        return (faults::respond(reply, None), failure.id);
    }
    let Some(key) = call.parts.headers.get("sec-websocket-key") else {
        let failure = Failure::new("X400", 400, "Sec-WebSocket-Key is missing.");
        let reply = wire::refuse(call, Door::Core, &failure);
        return (faults::respond(reply, None), failure.id);
    };
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(HANDSHAKE).finalize();
    let accept = STANDARD.encode(digest);
    let answer = refused.as_ref().map_or("ok", |failure| failure.id);
    let session = Session {
        ids: std::mem::replace(&mut call.ids, call.shared.ids.request()),
        model: call.query("model").unwrap_or("gpt-realtime").to_owned(),
        now: call.now(),
        refused,
    };
    // The upgrade itself travels in the request's extensions.
    let upgrade = hyper::upgrade::on(http::Request::from_parts(call.parts.clone(), ()));
    tokio::spawn(session.run(upgrade, stop));
    (switching(&accept, chosen_protocol(call)), answer)
}

fn switching(accept: &str, protocol: Option<&'static str>) -> Response<Script> {
    let mut response = Response::new(Script::full(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = protocol {
        let protocol = HeaderValue::from_static(protocol);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

/// Of the offered sub-protocols only `realtime` is one; the others carry data.
fn chosen_protocol(call: &Call) -> Option<&'static str> {
    let offered = call.header("sec-websocket-protocol")?;
    offered.split(',').any(|one| one.trim() == "realtime").then_some("realtime")
}

struct Session {
    ids: Ids,
    model: String,
    now: u64,
    refused: Option<Failure>,
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

impl Session {
    async fn run(mut self, upgrade: hyper::upgrade::OnUpgrade, mut stop: watch::Receiver<()>) {
        let talk = async {
            let Ok(upgraded) = upgrade.await else { return };
            let config =
                WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT));
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            // A peer that leaves ends the session; there is nobody to tell.
            let _ = Box::pin(self.talk(socket)).await;
        };
        tokio::select! {
            () = talk => {}
            _ = stop.changed() => {}
        }
    }

    async fn talk(&mut self, mut socket: Socket) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        if let Some(failure) = self.refused.take() {
            return self.refuse(socket, &failure).await;
        }
        let session = self.session();
        socket.send(self.event("session.created", json!({"session": session}))).await?;
        while let Some(message) = socket.next().await {
            match message? {
                Message::Text(text) => {
                    for answer in self.answers(text.as_str()) {
                        socket.send(answer).await?;
                    }
                }
                Message::Close(_) => break,
                _ => {}
            }
        }
        Ok(())
    }

    async fn refuse(
        &mut self,
        mut socket: Socket,
        failure: &Failure,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let error = json!({"error": {"type": failure.kind, "code": failure.code,
            "message": failure.message, "param": failure.param, "event_id": null}});
        socket.send(self.event("error", error)).await?;
        let reason = match failure.code {
            Some(code) => format!("{}.{code}", failure.kind),
            None => failure.kind.to_owned(),
        };
        let frame = CloseFrame { code: CloseCode::from(3000), reason: reason.into() };
        socket.send(Message::Close(Some(frame))).await?;
        // Reading on lets the peer's own close arrive before the connection goes.
        while let Some(Ok(_)) = socket.next().await {}
        Ok(())
    }

    /// What one client event is answered with.
    fn answers(&mut self, text: &str) -> Vec<Message> {
        let Ok(event) = serde_json::from_str::<Value>(text) else {
            return vec![self.complain("The server could not parse the event as JSON.")];
        };
        match event["type"].as_str() {
            Some("session.update") => {
                let mut session = self.session();
                if let Value::Object(fields) = &event["session"] {
                    session = merged(&session, Value::Object(fields.clone()));
                }
                vec![self.event("session.updated", json!({"session": session}))]
            }
            Some("conversation.item.create") => {
                let item = event["item"].clone();
                let fields = json!({"previous_item_id": null, "item": item});
                vec![self.event("conversation.item.created", fields)]
            }
            Some("response.create") => self.response(),
            Some(known) if known.starts_with("input_audio_buffer.") => Vec::new(),
            _ => vec![self.complain("Invalid value for 'type'.")],
        }
    }

    fn response(&mut self) -> Vec<Message> {
        let (id, item) = (self.ids.object("resp_"), self.ids.object("item_"));
        let words = pieces(None);
        let mut response = json!({"object": "realtime.response", "id": id, "status": "in_progress",
            "status_details": null, "output": [], "usage": null, "metadata": null});
        let mut told = vec![self.event("response.created", json!({"response": response}))];
        for word in &words {
            let delta = json!({"response_id": id, "item_id": item, "output_index": 0,
                "content_index": 0, "delta": word});
            told.push(self.event("response.output_text.delta", delta));
        }
        let text = words.concat();
        let done = json!({"response_id": id, "item_id": item, "output_index": 0,
            "content_index": 0, "text": text});
        told.push(self.event("response.output_text.done", done));
        response["status"] = json!("completed");
        response["output"] = json!([{"id": item, "object": "realtime.item", "type": "message",
            "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text}]}]);
        told.push(self.event("response.done", json!({"response": response})));
        told
    }

    fn session(&mut self) -> Value {
        json!({"type": "realtime", "object": "realtime.session", "id": self.ids.object("sess_"),
            "model": self.model, "output_modalities": ["text"], "instructions": "", "tools": [],
            "tool_choice": "auto", "max_output_tokens": "inf", "expires_at": self.now + 3600})
    }

    fn complain(&mut self, message: &str) -> Message {
        let error = json!({"error": {"type": "invalid_request_error", "code": "invalid_value",
            "message": message, "param": null, "event_id": null}});
        self.event("error", error)
    }

    fn event(&mut self, name: &str, fields: Value) -> Message {
        let head = json!({"type": name, "event_id": self.ids.object("event_")});
        Message::text(merged(&head, fields).to_string())
    }
}

const HANDSHAKE: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
