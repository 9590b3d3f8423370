//! Files: uploads are counted as they stream, and only small ones can be read back in full.

use http::StatusCode;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::openai::{lost, media, objects};
use crate::reply::{Content, Reply};
use crate::request::Call;
use crate::store::Place;

/// `/v1/files` and below.
pub(crate) async fn handle(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let project = call.project();
    let here = place(&project);
    match (method.as_str(), path) {
        ("POST", [] | ["upload"]) => upload(call).await,
        ("GET", []) => Ok(objects::list(call, here)),
        ("GET", [id]) => match call.shared.store.value(here, id) {
            Some(value) => Ok(objects::ok(&value)),
            None => Err(no_file(id)),
        },
        ("DELETE", [id]) => {
            call.shared.store.remove(here, id).ok_or_else(|| no_file(id))?;
            Ok(objects::ok(&json!({"id": id, "object": "file", "deleted": true})))
        }
        ("GET", [id, "content"]) => content(call, here, id),
        _ => Err(lost(call, "O26")),
    }
}

async fn upload(call: &mut Call) -> Result<Reply, Failure> {
    let form = media::form(call).await?;
    let purpose = form.field("purpose").unwrap_or("user_data").to_owned();
    let Some(file) = form.file else {
        return Err(Failure::new("X400", 400, "'file' is a required property"));
    };
    let id = call.ids.object("file-");
    let value = json!({"id": id, "object": "file", "bytes": file.bytes, "created_at": call.now(),
        "expires_at": null, "filename": file.name, "purpose": purpose, "status": "processed",
        "status_details": null});
    let project = call.project();
    call.shared.store.insert_hiding(place(&project), &id, value.clone(), file.content);
    Ok(objects::ok(&value))
}

/// The bytes of a small file; as many filler bytes for a large one.
fn content(call: &Call, here: Place<'_>, id: &str) -> Result<Reply, Failure> {
    let found = call.shared.store.with(here, id, |object| {
        let bytes = object.value.get("bytes").and_then(Value::as_u64).unwrap_or_default();
        (bytes, object.hidden.clone())
    });
    let (bytes, kept) = found.ok_or_else(|| no_file(id))?;
    let content = if kept.len() as u64 == bytes { Content::Bytes(kept.into()) } else { Content::Fill(bytes) };
    Ok(Reply::new(StatusCode::OK, content).content_type("application/octet-stream"))
}

fn no_file(id: &str) -> Failure {
    Failure::new("X404", 404, format!("No such File object: {id}")).param("id")
}

/// Where a project's files are.
pub(crate) const fn place(project: &str) -> Place<'_> {
    Place { kind: "file", parent: "", project }
}
