//! The table of refusals, each with where its wording comes from. The marks never go on the wire.

use serde::Serialize;

/// How sure we are that the real provider answers so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mark {
    /// A recorded live exchange.
    R,
    /// Real output that users pasted in public.
    I,
    /// Official documentation.
    D,
    /// The source of a published SDK.
    S,
    /// A third party's test fixture.
    F,
    /// A guess by analogy.
    G,
    /// Looked for and not found; modelled on the nearest known answer. Tests should not rest on it.
    #[serde(rename = "UNKNOWN")]
    Unknown,
}

/// One refusal that the emulator can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerNote {
    /// Its id: the row of the facts, or a letter `X` for plain request faults.
    pub id: &'static str,
    /// Whose it is; `all` for request faults in everyone's own envelope.
    pub provider: &'static str,
    /// When it is given.
    pub cause: &'static str,
    /// Where the wording comes from.
    pub mark: Mark,
}

/// Every refusal, by id.
pub const fn answers() -> &'static [AnswerNote] {
    &ANSWERS
}

/// Where the wording of an answer comes from; `None` for `ok` and unknown ids.
pub fn mark_of(id: &str) -> Option<Mark> {
    ANSWERS.iter().find(|note| note.id == id).map(|note| note.mark)
}

const fn note(id: &'static str, provider: &'static str, cause: &'static str, mark: Mark) -> AnswerNote {
    AnswerNote { id, provider, cause, mark }
}

const ANSWERS: [AnswerNote; 68] = [
    note("A1", "openai", "the Assistants API is gone", Mark::Unknown),
    note("A2", "openai", "the OpenAI-Beta header is missing", Mark::I),
    note("A3", "openai", "the object is not there, or is another project's", Mark::I),
    note("F1", "fireworks", "key not recognised", Mark::I),
    note("F1d", "fireworks", "key expired", Mark::Unknown),
    note("F2", "fireworks", "no key", Mark::Unknown),
    note("F3", "fireworks", "Fire Pass key on a route it may not use", Mark::I),
    note("F4", "fireworks", "account suspended", Mark::I),
    note("F6", "fireworks", "spending limit of the user or project", Mark::Unknown),
    note("F7", "fireworks", "model unknown or not permitted", Mark::I),
    note("F8", "fireworks", "rate limit", Mark::F),
    note("F10", "fireworks", "overload", Mark::Unknown),
    note("F11", "fireworks", "models route broken for the account", Mark::I),
    note("F12", "fireworks", "training key on an inference route", Mark::Unknown),
    note("F15", "fireworks", "key not recognised by the control plane", Mark::Unknown),
    note("F16", "fireworks", "address or region not allowed", Mark::Unknown),
    note("F17", "fireworks", "key lacks a scope, or is another account's", Mark::Unknown),
    note("F18", "fireworks", "unknown path", Mark::Unknown),
    note("F19", "fireworks", "server error", Mark::Unknown),
    note("F20", "fireworks", "passing permission glitch", Mark::Unknown),
    note("F21", "fireworks", "object not found", Mark::Unknown),
    note("O1", "openai", "no key, chat and its age", Mark::I),
    note("O2", "openai", "no key, responses and realtime", Mark::I),
    note("O3", "openai", "empty bearer", Mark::Unknown),
    note("O4", "openai", "key not recognised, revoked or deleted", Mark::R),
    note("O5", "openai", "key expired", Mark::Unknown),
    note("O6", "openai", "account deactivated", Mark::I),
    note("O7", "openai", "organisation header of another organisation", Mark::I),
    note("O8", "openai", "organisation does not exist", Mark::I),
    note("O9", "openai", "project header of another project", Mark::G),
    note("O12", "openai", "address not allowed", Mark::I),
    note("O13", "openai", "country not supported", Mark::I),
    note("O14", "openai", "missing scope", Mark::I),
    note("O15", "openai", "passing permission glitch", Mark::I),
    note("O16", "openai", "project may not use the model", Mark::I),
    note("O17", "openai", "model does not exist or is retired", Mark::I),
    note("O18", "openai", "malformed model id", Mark::R),
    note("O19", "openai", "credit exhausted", Mark::I),
    note("O20", "openai", "spending limit, 2026 codes", Mark::Unknown),
    note("O21", "openai", "billing inactive", Mark::I),
    note("O22", "openai", "rate limit", Mark::I),
    note("O24", "openai", "overload", Mark::D),
    note("O25", "openai", "wrong path", Mark::I),
    note("O26", "openai", "wrong path, other router", Mark::I),
    note("O28", "openai", "server error", Mark::G),
    note("T1", "together", "key not recognised", Mark::R),
    note("T2", "together", "key not recognised, model list", Mark::R),
    note("T2a", "together", "no key, model list", Mark::G),
    note("T3", "together", "no key", Mark::I),
    note("T4", "together", "key revoked or expired", Mark::Unknown),
    note("T5", "together", "model unknown", Mark::R),
    note("T8", "together", "credit exhausted", Mark::I),
    note("T8m", "together", "monthly spending limit", Mark::Unknown),
    note("T9", "together", "rate limit of the free tier", Mark::I),
    note("T11", "together", "overload", Mark::Unknown),
    note("T13", "together", "server error", Mark::I),
    note("T14", "together", "account, project, address or region not allowed", Mark::Unknown),
    note("T15", "together", "unknown path", Mark::Unknown),
    note("T16", "together", "key not recognised by whoami", Mark::Unknown),
    note("T17", "together", "passing permission glitch", Mark::Unknown),
    note("T18", "together", "key lacks a scope", Mark::Unknown),
    note("T19", "together", "object not found", Mark::Unknown),
    note("X400", "all", "request body not understood", Mark::G),
    note("X404", "all", "object not found", Mark::G),
    note("X405", "all", "wrong method", Mark::G),
    note("X413", "all", "request body too large", Mark::G),
    note("closed", "all", "the connection closes without an answer", Mark::G),
    note("lost", "all", "no provider under this path", Mark::G),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<&str> = ANSWERS.iter().map(|note| note.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ANSWERS.len());
    }

    #[test]
    fn a_mark_is_found_by_id() {
        assert_eq!(mark_of("O4"), Some(Mark::R));
        assert_eq!(mark_of("O5"), Some(Mark::Unknown));
        assert_eq!(mark_of("nothing"), None);
    }
}
