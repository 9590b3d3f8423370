use super::*;

fn problem(text: &str) -> ConfigProblem {
    Config::parse(text).expect_err("a problem").remove(0)
}

#[test]
fn the_sample_is_a_valid_configuration() {
    let config = Config::parse(Config::sample()).expect("valid");
    assert_eq!(config.providers[0].keys[0].reference, "env://OPENAI_API_KEY");
    let all: String = Config::sample()
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| !rest.contains(". ") && !rest.starts_with('`'))
                .unwrap_or(line)
                .to_owned()
                + "\n"
        })
        .collect();
    assert!(all.contains("[[route]]"));
}

#[test]
fn a_misspelt_field_is_named_with_its_place_and_its_neighbour() {
    let found = problem("[gateway]\nlisen = \"127.0.0.1:1\"\n");
    assert_eq!((found.line, found.column), (Some(2), Some(1)));
    assert_eq!(found.help.as_deref(), Some("did you mean `listen`?"));
}

#[test]
fn a_wrong_type_is_named_with_its_place() {
    let found = problem("[gateway]\nworkers = \"two\"\n");
    assert_eq!((found.line, found.column), (Some(2), Some(11)));
    assert!(found.message.contains("invalid type"), "{found}");
}

#[test]
fn a_literal_key_is_refused_and_not_shown() {
    let key = format!("sk-proj-{}", "a".repeat(30));
    let found = problem(&format!("[[provider]]\nid = \"openai\"\nkeys = [\"{key}\"]\n"));
    assert_eq!(found.line, Some(3));
    assert!(!found.to_string().contains(&key) && !found.help.unwrap_or_default().contains(&key));
}

#[test]
fn an_unknown_provider_gets_its_neighbour() {
    let found = problem("[[provider]]\nid = \"opnai\"\n");
    assert_eq!(found.help.as_deref(), Some("did you mean `openai`?"));
}

#[test]
fn listening_beyond_loopback_is_asked_about() {
    let problems = Config::parse("[gateway]\nlisten = \"0.0.0.0:4100\"\n").expect_err("two problems");
    assert_eq!(problems.len(), 2);
}

#[test]
fn every_problem_is_told_at_once() {
    let text =
        "[[provider]]\nid = \"opnai\"\nbase_url = \"nowhere\"\n\n[[virtual_key]]\nname = \"a\"\nsha256 = \"12\"\n";
    let lines: Vec<_> = Config::parse(text).expect_err("problems").iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 3, 7]);
}

#[test]
fn an_expiry_is_a_moment() {
    let text =
        format!("[[virtual_key]]\nname = \"a\"\nsha256 = \"{}\"\nexpires = 2027-01-31T00:00:00Z\n", "0".repeat(64));
    let config = Config::parse(&text).expect("valid");
    assert_eq!(config.virtual_keys[0].expires_at, Some(1_801_353_600));
}
