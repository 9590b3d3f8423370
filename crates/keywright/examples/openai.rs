//! OpenAI: a conversation, then the typed surface of `async-openai`, with the keys of this machine.
//!
//! ```sh
//! OPENAI_API_KEY=… cargo run -p keywright --features client --example openai
//! ```
//!
//! `OPENAI_BASE_URL=http://127.0.0.1:4200/openai/v1` sends it to the emulator that `keywright emulate` starts.

#![expect(clippy::print_stdout, reason = "an example")]

use async_openai::types::embeddings::CreateEmbeddingRequestArgs;
use keywright::client::{Client, Error, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::openai()?;
    let mut conversation = vec![Message::system("You answer in one sentence."), Message::user("Hello")];
    let reply = client.converse(&conversation).await?;
    println!("{reply}");
    conversation.extend([Message::assistant(reply.text), Message::user("And what is a key ring?")]);
    println!("{}", client.converse(&conversation).await?);

    // The same keys, the same failover, every call of `async-openai`.
    let question = CreateEmbeddingRequestArgs::default().model("text-embedding-3-small").input("a key ring").build()?;
    let vectors = client.api().embeddings().create(question).await?;
    println!("a vector of {} numbers", vectors.data[0].embedding.len());
    Ok(())
}
