//! Together AI: text as it is written, with the keys of this machine.
//!
//! ```sh
//! TOGETHER_API_KEY=… cargo run -p keywright --features client --example together
//! ```
//!
//! `TOGETHER_BASE_URL=http://127.0.0.1:4200/together/v1` sends it to the emulator that `keywright emulate` starts.

#![expect(clippy::print_stdout, reason = "an example")]

use keywright::client::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::together()?;
    println!("{} models", client.models().await?.len());
    let mut stream = client.chat_stream("Hello").await?;
    while let Some(piece) = stream.next().await {
        print!("{}", piece?);
    }
    println!();
    Ok(())
}
