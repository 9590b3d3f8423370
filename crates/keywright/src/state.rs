//! What this installation remembers: one SQLite file that only its owner can read.
//!
//! `$XDG_DATA_HOME/keywright/state.db`; `KEYWRIGHT_STATE_DIR` names another folder. Several processes may use it at one time, and
//! one that is killed loses nothing that was acknowledged. No key is in it in a form that could be used without this folder or the
//! keyring.
//!
//! To keep another kind of thing here: add a file to `state/migrations` with the next number and the tables it needs, list it in
//! `migrations.rs`, and write a module beside `history` whose functions take a [`Store`] and use `Store::read` and `Store::write`.
//! A migration that was released is never changed.

mod allowed;
mod chronicle;
mod directory;
mod error;
mod history;
mod identity;
#[cfg(test)]
mod killed;
mod memory;
mod migrations;
pub mod notes;
pub(crate) mod private;
mod recall;
mod seal;
mod store;
mod timestamp;

pub use allowed::Allowed;
pub use chronicle::Chronicle;
pub use directory::Directory;
pub use error::StateError;
pub use history::{Entry, Event, Happening, History, Subject};
pub use memory::{Keeps, Memory, told};
pub use recall::{LONGEST as LONGEST_RECALL, LastKnownGood, Remembered, USUAL as USUAL_RECALL};
pub use store::Store;
pub use timestamp::Timestamp;
