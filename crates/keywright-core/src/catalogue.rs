//! The catalogue: every provider file, parsed once.

use std::sync::LazyLock;

use crate::provider::ProviderSpec;

/// All providers that Keywright knows.
#[derive(Debug)]
pub struct Catalogue {
    providers: Vec<ProviderSpec>,
}

/// A provider file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("provider file `{file}`: {source}")]
pub struct CatalogueError {
    /// The file's name.
    file: String,
    /// What is wrong, with line and column.
    source: Box<toml::de::Error>,
}

impl Catalogue {
    /// The catalogue that is built in. A test parses every file, so this cannot fail in a release.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> =
            LazyLock::new(|| Catalogue::parse(PROVIDER_FILES).expect("a test parses every built-in file"));
        &BUILTIN
    }

    /// Parses provider files, given as name and text.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, CatalogueError> {
        let parse = |(file, text): &(&str, &str)| {
            toml::from_str(text).map_err(|source| CatalogueError { file: (*file).to_owned(), source: Box::new(source) })
        };
        Ok(Self { providers: files.iter().map(parse).collect::<Result<_, _>>()? })
    }

    /// The provider of this id.
    pub fn provider(&self, id: &str) -> Option<&ProviderSpec> {
        self.providers.iter().find(|provider| provider.id == id)
    }

    /// All providers, in the order of the built-in list.
    pub fn providers(&self) -> &[ProviderSpec] {
        &self.providers
    }

    /// The provider that a host belongs to.
    pub fn provider_of_host(&self, host: &str) -> Option<&ProviderSpec> {
        self.providers.iter().find(|provider| provider.http.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)))
    }
}

macro_rules! provider_files {
    ($($id:literal),* $(,)?) => {
        /// The built-in files; a test compares this list with the folder.
        const PROVIDER_FILES: &[(&str, &str)] =
            &[$((concat!($id, ".toml"), include_str!(concat!("../data/providers/", $id, ".toml")))),*];
    };
}

provider_files![
    "openai",
    "fireworks",
    "together",
    "anthropic",
    "azure-openai",
    "baseten",
    "cerebras",
    "cohere",
    "deepinfra",
    "deepseek",
    "gemini",
    "groq",
    "huggingface",
    "litellm",
    "mistral",
    "nebius",
    "nvidia",
    "ollama",
    "openrouter",
    "perplexity",
    "sambanova",
    "vllm",
    "xai",
];
