//! Clients: programs that call a provider with the keys of this machine, and survive a key that dies.
//!
//! [`ring`] decides which key serves, and opens no socket. `Client` drives it over this crate's own connections; it comes
//! with the feature `client`.
//!
//! ```no_run
//! # #[cfg(feature = "client")]
//! # async fn example() -> Result<(), keywright::client::Error> {
//! use keywright::client::{Client, Error};
//!
//! let client = Client::fireworks()?; // FIREWORKS_API_KEY: the environment, `.env`, the keyring, the key vault
//! match client.generate("Hello").await {
//!     Ok(text) => println!("{text}"),
//!     Err(Error::Authentication(diagnosis)) => println!("{}: {:?}", diagnosis.title(), diagnosis.fixes),
//!     Err(other) => return Err(other),
//! }
//! # Ok(())
//! # }
//! ```

pub mod ring;

#[cfg(feature = "client")]
mod api;
#[cfg(feature = "client")]
pub mod assistants;
#[cfg(feature = "client")]
mod body;
#[cfg(feature = "client")]
mod builder;
#[cfg(feature = "client")]
mod chat;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod events;
#[cfg(feature = "client")]
mod journey;
#[cfg(feature = "client")]
mod streamed;
#[cfg(feature = "client")]
mod transport;

#[cfg(feature = "client")]
pub use self::{
    api::{Api, Place},
    builder::Builder,
    chat::{Message, Reply, Role, TextStream},
    error::{Error, Failure},
    streamed::Streamed,
};

#[cfg(feature = "client")]
use std::sync::Arc;

#[cfg(feature = "client")]
use self::{ring::Ring, transport::Transport};

/// A client of one provider. Clones share its keys and its connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = keywright_emulator::Emulator::builder().with_sample_keys().start().await?;
/// # let [first, second] = <[String; 2]>::try_from(keywright_emulator::sample_keys("together", 2)).unwrap();
/// # let url = emulator.base_url("together");
/// use keywright::client::{Client, Error};
///
/// let client = Client::builder("together")?.base_url(url).key(&first).key(&second).without_memory().build()?;
/// println!("{}", client.chat("Hello").await?);
///
/// emulator.set_key("together", &first, keywright_emulator::KeyState::Revoked)?;
/// println!("{}", client.chat("Hello").await?); // the second key serves
///
/// emulator.set_key("together", &second, keywright_emulator::KeyState::Revoked)?;
/// let Err(Error::Authentication(diagnosis)) = client.chat("Hello").await else { panic!("no key is left") };
/// assert_eq!(diagnosis.cause.slug(), "revoked_or_rotated"); // they served before
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "client")]
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[cfg(feature = "client")]
#[derive(Debug)]
struct Shared {
    ring: Ring,
    transport: Transport,
    /// What is asked for when nobody names a model.
    model: Option<String>,
}

#[cfg(feature = "client")]
impl Client {
    /// OpenAI, with the keys of this machine.
    ///
    /// # Errors
    /// [`Error::Authentication`] with the diagnosis, when no key can work: none, empty, a placeholder, malformed.
    pub fn openai() -> Result<Self, Error> {
        Self::provider("openai")
    }

    /// Fireworks AI, with the keys of this machine. Errors as [`Client::openai`].
    pub fn fireworks() -> Result<Self, Error> {
        Self::provider("fireworks")
    }

    /// Together AI, with the keys of this machine. Errors as [`Client::openai`].
    pub fn together() -> Result<Self, Error> {
        Self::provider("together")
    }

    /// Any provider of the catalogue, with the keys of this machine.
    ///
    /// # Errors
    /// As [`Client::openai`]; [`Error::UnknownProvider`] when the catalogue has none of this id.
    pub fn provider(id: &str) -> Result<Self, Error> {
        Self::builder(id)?.build()
    }

    /// Begins a client whose keys, address or model are set by hand.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`] when the catalogue has none of this id.
    pub fn builder(id: &str) -> Result<Builder, Error> {
        Builder::new(id)
    }

    /// The keys, as they stand.
    pub fn ring(&self) -> &Ring {
        &self.0.ring
    }
}
