//! OpenAI, Fireworks AI and Together AI on this machine, with keys that can be revoked, expired, limited or
//! broken while a program uses them.
//!
//! Each provider lives under a prefix of one port: `/openai`, `/fireworks`, `/together`. Error bodies and
//! headers are byte for byte what the providers send, route by route, where that is known; [`answers`] says
//! for each one how it is known. Keys change through [`Emulator::set_key`] or over HTTP:
//!
//! ```text
//! PUT  /_control/keys/{provider}/{key}    {"state": "revoked"}
//! GET  /_control/calls                    counts by provider, masked key, status and answer
//! POST /_control/reset                    back to the start
//! PUT  /_control/settings                 {"assistants": "live"}
//! ```
//!
//! It is for tests and demos: it checks no key against anything but its own table, and stores nothing on disk.

mod answers;
mod body;
mod calls;
mod clock;
mod control;
mod emulator;
mod error;
mod failure;
mod faults;
mod fireworks;
mod ids;
mod json;
mod key_request;
mod key_state;
mod key_table;
mod mask;
mod multipart;
mod openai;
mod provider;
mod reply;
mod request;
mod sample;
mod server;
mod settings;
mod shared;
mod store;
mod text;
mod together;

pub use answers::{AnswerNote, Mark, answers, mark_of};
pub use calls::CallCount;
pub use clock::Clock;
pub use emulator::{Emulator, EmulatorBuilder};
pub use error::ControlError;
pub use key_state::{KeySpec, KeyState, Owner, SuspendReason};
pub use provider::Provider;
pub use sample::{sample_admin_key, sample_keys};
pub use settings::{Assistants, FireworksModels, Models, Settings, UnknownKeys};
