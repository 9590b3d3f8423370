//! Serves the emulator with sample keys until Ctrl-C: `cargo run -p keywright-emulator --example serve`.

use keywright_emulator::{Assistants, Emulator, sample_keys};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 4200));
    let emulator = Emulator::builder().listen(address).assistants(Assistants::Live).with_sample_keys().start().await?;
    for provider in ["openai", "fireworks", "together"] {
        let keys = sample_keys(provider, 1);
        #[expect(clippy::print_stdout, reason = "an example shows what it made")]
        for key in keys {
            println!("{} {key}", emulator.base_url(provider));
        }
    }
    tokio::signal::ctrl_c().await
}
