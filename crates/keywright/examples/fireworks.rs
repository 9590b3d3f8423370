//! Fireworks AI: a prompt, and what to do when no key serves, with the keys of this machine.
//!
//! ```sh
//! FIREWORKS_API_KEY=… cargo run -p keywright --features client --example fireworks
//! ```
//!
//! `FIREWORKS_BASE_URL=http://127.0.0.1:4200/fireworks` sends it to the emulator that `keywright emulate` starts.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::process::ExitCode;

use keywright::client::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match generate().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Authentication(diagnosis)) => {
            eprintln!("{} [{}]", diagnosis.title(), diagnosis.cause.slug());
            for seen in &diagnosis.evidence {
                eprintln!("  seen: {}", seen.says);
            }
            for fix in &diagnosis.fixes {
                eprintln!("  help: {}", fix.says);
            }
            ExitCode::FAILURE
        }
        Err(other) => {
            eprintln!("{other}");
            ExitCode::FAILURE
        }
    }
}

async fn generate() -> Result<(), Error> {
    // A key that is missing, empty, a placeholder or malformed is refused here, before any request.
    let client = Client::fireworks()?;
    println!("{}", client.generate("Hello").await?);
    for key in client.ring().keys() {
        println!("{} of {}: {}", key.masked, key.place, key.health.name());
    }
    Ok(())
}
