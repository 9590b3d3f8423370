//! Together AI: a prompt, a conversation and a stream, with the keys of this machine.
//!
//! ```sh
//! TOGETHER_API_KEY=… cargo run -p keywright --features client --example together
//! TOGETHER_BASE_URL=http://127.0.0.1:4200/together/v1 …        # the emulator, as `keywright emulate` prints it
//! ```

use std::process::ExitCode;

use keywright::client::{Client, Error};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stderr, reason = "an example")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The calls themselves.
#[expect(clippy::print_stdout, reason = "an example")]
async fn run() -> Result<(), Error> {
    let client = Client::together()?;
    println!("{}", client.generate("Hello").await?);
    println!("{}", client.chat("And what is a key ring?").await?);
    let mut stream = client.chat_stream("Say it again, slowly.").await?;
    while let Some(piece) = stream.next().await {
        print!("{}", piece?);
    }
    println!();
    Ok(())
}
