//! The literals that are looked for, and what each means: made once from the data files.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::plain::squeezed;
use super::rules::{Rules, Tier, automaton};
use crate::catalogue::Catalogue;
use crate::provider::VariableRole;

/// The fragments of all providers' rules, and who says them.
pub(super) struct Fragments {
    pub(super) automaton: AhoCorasick,
    /// Whether the words alone tell of a provider's answer. Shorter ones occur by chance.
    pub(super) telling: Vec<bool>,
    /// The providers whose rules hold them, with the words as the rule has them.
    pub(super) owners: Vec<Vec<(&'static str, &'static str)>>,
}

impl Fragments {
    pub(super) fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Fragments> = LazyLock::new(|| {
            let mut patterns: Vec<String> = Vec::new();
            let mut owners: Vec<Vec<(&'static str, &'static str)>> = Vec::new();
            for provider in Catalogue::builtin().providers() {
                for fragment in provider.rules.iter().flat_map(|rule| rule.message.iter().chain(&rule.or_message)) {
                    let pattern = squeezed(fragment);
                    let same = patterns.iter().position(|known| known.eq_ignore_ascii_case(&pattern));
                    let index = same.unwrap_or_else(|| {
                        patterns.push(pattern);
                        owners.push(Vec::new());
                        patterns.len() - 1
                    });
                    if !owners[index].iter().any(|(owner, _)| *owner == provider.id) {
                        owners[index].push((&provider.id, fragment));
                    }
                }
            }
            let status = |pattern: &str| STATUS_WORDS.iter().any(|words| squeezed(words).eq_ignore_ascii_case(pattern));
            let telling = patterns.iter().map(|pattern| pattern.len() >= SHORTEST_TELLING && !status(pattern));
            Fragments { automaton: automaton(&patterns), telling: telling.collect(), owners }
        });
        &BUILTIN
    }
}

/// Codes that no sentence holds by chance.
pub(super) struct KnownCodes {
    pub(super) automaton: AhoCorasick,
    pub(super) words: Vec<String>,
}

impl KnownCodes {
    pub(super) fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<KnownCodes> = LazyLock::new(|| {
            let rules = Catalogue::builtin().providers().iter().flat_map(|provider| &provider.rules);
            let mut words: Vec<String> = rules
                .flat_map(|rule| rule.code.iter().chain(&rule.kind))
                .filter(|code| code.len() >= SHORTEST_CODE && code.contains(['_', '.']))
                .cloned()
                .collect();
            words.sort_unstable();
            words.dedup();
            KnownCodes { automaton: automaton(&words), words }
        });
        &BUILTIN
    }
}

/// The provider, and how strongly it is named.
type MentionMeaning = (Option<&'static str>, Tier);

/// Signs of clients and providers.
pub(super) struct Mentions {
    pub(super) automaton: AhoCorasick,
    pub(super) meaning: Vec<MentionMeaning>,
    /// The path that a client's words stand for; shorter than `meaning`, whose rest are no clients.
    pub(super) paths: Vec<Option<&'static str>>,
}

impl Mentions {
    pub(super) fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Mentions> = LazyLock::new(|| {
            let mut patterns = Vec::new();
            let mut meaning: Vec<MentionMeaning> = Vec::new();
            let mut paths = Vec::new();
            for client in &Rules::builtin().clients {
                let provider = client.provider.as_deref();
                for words in &client.mention {
                    let words = squeezed(words);
                    let windows = words.contains('/').then(|| [words.replace('/', "\\"), words.replace('/', "\\\\")]);
                    for spelling in windows.into_iter().flatten().chain([words]) {
                        patterns.push(spelling);
                        meaning.push((provider, client.tier));
                        paths.push(client.path.as_deref());
                    }
                }
            }
            for provider in Catalogue::builtin().providers() {
                for variable in provider.variables_of(VariableRole::Key) {
                    patterns.push(variable.name.clone());
                    meaning.push((Some(&provider.id), Tier::Variable));
                }
                for host in &provider.http.hosts {
                    patterns.push(host.clone());
                    meaning.push((Some(&provider.id), Tier::Host));
                }
            }
            let automaton = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .ascii_case_insensitive(true)
                .build(&patterns)
                .expect("a few hundred patterns fit an automaton");
            Mentions { automaton, meaning, paths }
        });
        &BUILTIN
    }
}

/// Words of other services.
pub(super) struct ServiceWords {
    pub(super) automaton: AhoCorasick,
    /// The service of each.
    pub(super) of: Vec<usize>,
}

impl ServiceWords {
    pub(super) fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<ServiceWords> = LazyLock::new(|| {
            let services = Rules::builtin().services.iter().enumerate();
            let (patterns, of): (Vec<String>, Vec<usize>) = services
                .flat_map(|(index, service)| service.says.iter().map(move |words| (squeezed(words), index)))
                .unzip();
            ServiceWords { automaton: automaton(&patterns), of }
        });
        &BUILTIN
    }
}

const SHORTEST_CODE: usize = 10;
const SHORTEST_TELLING: usize = 14;
/// Names of statuses, which classes bear too.
const STATUS_WORDS: &[&str] = &["Internal server error", "Too Many Requests"];
