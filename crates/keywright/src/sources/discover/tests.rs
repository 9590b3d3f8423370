use keywright_core::Catalogue;

use super::super::Environment;
use super::*;

fn openai() -> &'static ProviderSpec {
    Catalogue::builtin().provider("openai").expect("built in")
}

fn discover(environment: &[(&str, &str)], dotenv: &str) -> Discovery {
    let environment = Environment::given(environment.iter().copied());
    let file = Dotenv::parse(dotenv.as_bytes()).map_err(SourceError::from);
    Resolver::new(environment, "").discover(openai(), &[(".env".into(), file)])
}

fn found(discovery: &Discovery) -> Vec<(&str, String)> {
    discovery.found.iter().map(|found| (found.secret.expose(), found.reference.to_string())).collect()
}

#[test]
fn the_environment_comes_first_and_the_file_joins_the_ring() {
    let discovery = discover(
        &[("OPENAI_API_KEY_2", "b"), ("OPENAI_API_KEY", "a")],
        "OPENAI_API_KEY=c\nOPENAI_API_KEY_2=b\nOPENAI_API_KEY_BACKUP=d\n",
    );
    let expected = [
        ("a", "env://OPENAI_API_KEY"),
        ("b", "env://OPENAI_API_KEY_2"),
        ("c", "dotenv://.env#OPENAI_API_KEY"),
        ("d", "dotenv://.env#OPENAI_API_KEY_BACKUP"),
    ];
    assert_eq!(found(&discovery), expected.map(|(v, r)| (v, r.to_owned())));
    let causes: Vec<Cause> = discovery.hints.iter().map(|hint| hint.cause).collect();
    assert_eq!(causes, [Cause::StaleValueOverrides]);
    assert!(!format!("{discovery:?}").contains("\"a\""));
}

#[test]
fn a_miss_names_every_place() {
    let discovery = discover(&[], "# nothing\n");
    assert_eq!(
        discovery.asked.to_string(),
        "environment variable OPENAI_API_KEY: not set; OPENAI_API_KEY in .env: not set"
    );
}

#[test]
fn an_empty_key_is_found_for_inspection() {
    let discovery = discover(&[("OPENAI_API_KEY", "")], "");
    assert_eq!(found(&discovery), [("", "env://OPENAI_API_KEY".to_owned())]);
}
