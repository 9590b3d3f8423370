//! The demo's stage: emulated providers, and the gateway in front of them.

use std::net::SocketAddr;

use keywright::sources::{Environment, Resolver};
use keywright_core::{Secret, token};
use keywright_emulator::{Emulator, KeyState, Provider, sample_keys};
use keywright_gateway::{Config, Gateway, GatewaySettings, ProviderSettings, StartOptions};

use crate::error::CliError;

/// What the demo runs on. Everything stops when it is dropped.
pub(super) struct Stage {
    pub(super) emulator: Emulator,
    pub(super) gateway: Gateway,
    /// What the apps hold instead of keys.
    pub(super) token: Secret,
}

/// One emulated provider, as the apps use it.
#[derive(Clone, Copy, Debug)]
pub(super) struct App {
    /// The catalogue id.
    pub(super) provider: &'static str,
    /// Where its SDK would send chat completions, below the gateway's address.
    pub(super) path: &'static str,
    /// The model it asks for.
    pub(super) model: &'static str,
}

/// Each provider in the way its own SDK calls it.
pub(super) const APPS: [App; 3] = [
    App { provider: "openai", path: "/openai/v1/chat/completions", model: "gpt-4o-mini" },
    App {
        provider: "fireworks",
        path: "/fireworks/inference/v1/chat/completions",
        model: "accounts/fireworks/models/llama-v3p3-70b-instruct",
    },
    App {
        provider: "together",
        path: "/together/v1/chat/completions",
        model: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    },
];

/// Keys of each provider.
pub(super) const KEYS: usize = 3;

impl Stage {
    /// Starts everything on free ports.
    pub(super) async fn set(seed: u64) -> Result<Self, CliError> {
        let mut emulator = Emulator::builder().seed(seed);
        let mut variables = Vec::new();
        for provider in Provider::ALL {
            for (number, key) in sample_keys(provider.id(), KEYS).into_iter().enumerate() {
                emulator = emulator.key(provider, &key, KeyState::Valid);
                variables.push((variable(provider.id(), number), key));
            }
        }
        let emulator = emulator.start().await?;
        let mut config = Config::default();
        config.gateway = GatewaySettings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..config.gateway };
        for app in APPS {
            let references = (0..KEYS).map(|number| format!("env://{}", variable(app.provider, number)));
            let mut provider = ProviderSettings::new(app.provider, references);
            provider.base_url = Some(emulator.base_url(app.provider));
            config.providers.push(provider);
        }
        let token = issue()?;
        let resolver = Resolver::new(Environment::given(variables), ".");
        let options = StartOptions { run_token: Some(token.clone()), ..StartOptions::default() };
        let gateway = Gateway::start(config, resolver, options)
            .await
            .map_err(|error| CliError::Gateway { message: error.to_string(), help: None })?;
        Ok(Self { emulator, gateway, token })
    }

    /// Changes what the provider thinks of one of its keys.
    pub(super) fn set_key(&self, provider: &str, number: usize, state: KeyState) -> Result<(), CliError> {
        let key = sample_keys(provider, KEYS).swap_remove(number);
        self.emulator
            .set_key(provider, &key, state)
            .map_err(|error| CliError::Gateway { message: error.to_string(), help: None })
    }
}

fn variable(provider: &str, number: usize) -> String {
    format!("{}_API_KEY_{}", provider.to_uppercase(), number + 1)
}

fn issue() -> Result<Secret, CliError> {
    let mut random = [0; 25];
    getrandom::fill(&mut random).map_err(CliError::Random)?;
    Ok(token::issue(&random))
}
