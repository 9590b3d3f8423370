//! Find, check and use LLM API keys.
//!
//! The edges of Keywright's rules: where keys are read from, how a provider is reached, and the one
//! free question that proves a key; and the survey of what is set on this machine.

pub mod admin;
#[cfg(any(feature = "clouds", feature = "state"))]
mod calendar;
#[cfg(feature = "state")]
pub mod client;
pub mod credential;
pub mod exchange;
#[cfg(any(feature = "clouds", feature = "state"))]
mod hex;
pub mod http;
pub mod mending;
pub mod probe;
pub mod reach;
pub mod sources;
#[cfg(feature = "state")]
pub mod state;
#[cfg(all(feature = "state", feature = "keyring"))]
pub mod store;
pub mod survey;
pub mod trust;
pub mod tunnel;

#[cfg(feature = "client")]
pub use client::Client;
