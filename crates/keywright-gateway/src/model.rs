//! The model that a request asks for. Few requests are decided by it, so it is read from the body only
//! when somebody needs to know: a prompt of a megabyte is not walked through for nothing.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use keywright_core::peek;

use crate::body::{BodyFailure, RequestBody};

/// The model that a request asks for at one target.
#[derive(Debug)]
pub(crate) struct Model {
    name: OnceLock<Option<String>>,
    /// Where to look for it.
    body: RequestBody,
}

impl Model {
    /// A model whose name is known.
    pub(crate) fn known(name: String) -> Self {
        Self { name: OnceLock::from(Some(name)), body: RequestBody::Empty }
    }

    /// The model that a body names, if it names one.
    pub(crate) fn in_body(parts: &Parts, body: &RequestBody) -> Self {
        let body = if may_name(parts) { body.clone() } else { RequestBody::Empty };
        Self { name: OnceLock::new(), body }
    }

    /// Its name, as far as the body has arrived when this is first asked.
    pub(crate) fn name(&self) -> Option<&str> {
        let read = || match look(&self.body.so_far()) {
            Look::Found(_, name) => Some(name),
            Look::None | Look::Unclear => None,
        };
        self.name.get_or_init(read).as_deref()
    }
}

/// A model's name, and where it stands in a body.
pub(crate) struct Named {
    /// The body as far as it was read.
    pub(crate) head: Bytes,
    /// Where the name stands, quotes included.
    pub(crate) range: Range<usize>,
    pub(crate) model: String,
}

/// Reads the body until it is clear which model it names, if any.
pub(crate) async fn named(parts: &Parts, body: &RequestBody) -> Result<Option<Named>, BodyFailure> {
    if !may_name(parts) {
        return Ok(None);
    }
    loop {
        let head = body.so_far();
        match look(&head) {
            Look::Found(range, model) => return Ok(Some(Named { head, range, model })),
            Look::Unclear if body.read_more().await? => {}
            Look::None | Look::Unclear => return Ok(None),
        }
    }
}

fn may_name(parts: &Parts) -> bool {
    parts.method != Method::GET
}

enum Look {
    Found(Range<usize>, String),
    None,
    /// It may still come.
    Unclear,
}

fn look(head: &[u8]) -> Look {
    if !head.trim_ascii_start().starts_with(b"{") {
        return Look::None;
    }
    let members = peek::members(head, &["model"]);
    match members.found.into_iter().next().flatten() {
        Some(range) => match peek::text(head, &range) {
            Some(name) => Look::Found(range, name),
            None => Look::None,
        },
        None if members.complete => Look::None,
        None => Look::Unclear,
    }
}
