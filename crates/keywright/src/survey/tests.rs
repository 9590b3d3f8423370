use keywright_core::inspect::Severity;

use super::*;

const KEY: &str = "fw_AAAAAAAAAAAAAAAAAAAA0001";
const OTHER: &str = "fw_AAAAAAAAAAAAAAAAAAAA0002";

/// What is found in a folder with these files, under these variables.
async fn survey(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Survey {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
    let below = folder.path().join("app");
    let directory = if below.is_dir() { below } else { folder.path().to_owned() };
    let resolver = Resolver::new(Environment::given(variables.iter().copied()), directory);
    Survey::take(&resolver, &Scope::default()).await
}

fn causes(survey: &Survey) -> Vec<(&str, Cause)> {
    survey.findings.iter().map(|(provider, finding)| (provider.id.as_str(), finding.cause)).collect()
}

#[tokio::test]
async fn of_one_name_the_environment_is_in_force_and_the_file_is_shadowed() {
    let dotenv = format!("# mine\nFIREWORKS_API_KEY='{KEY}'\n");
    let survey = survey(&[("FIREWORKS_API_KEY", OTHER)], &[(".env", &dotenv)]).await;
    let keys: Vec<_> = survey.keys_of("fireworks").map(|key| (key.place.to_string(), &key.standing)).collect();
    let shell = Place::variable("FIREWORKS_API_KEY");
    assert_eq!(
        keys,
        [
            ("environment variable FIREWORKS_API_KEY".to_owned(), &Standing::InForce),
            (".env:2:20".to_owned(), &Standing::ShadowedBy(shell)),
        ]
    );
    assert_eq!(causes(&survey), [("fireworks", Cause::StaleValueOverrides)]);
}

#[tokio::test]
async fn a_key_under_another_name_is_found_and_named_unread() {
    let survey = survey(&[("FIREWORK_API_KEY", KEY), ("MY_KEY", OTHER)], &[]).await;
    assert!(survey.keys_of("fireworks").all(|key| key.standing == Standing::Unread));
    assert_eq!(survey.keys_of("fireworks").count(), 2);
    assert_eq!(causes(&survey), [("fireworks", Cause::WrongEnvVarName)]);
    assert_eq!(survey.secrets().iter().filter(|secret| [KEY, OTHER].contains(&secret.expose())).count(), 3);
}

#[tokio::test]
async fn a_file_that_nothing_loads_is_named_when_it_has_the_key() {
    let dotenv = format!("FIREWORKS_API_KEY={KEY}\n");
    for (file, name) in [(".env.local", ".env.local"), ("env", "env")] {
        let survey = survey(&[], &[(file, &dotenv)]).await;
        let finding = &survey.findings.first().expect("a finding").1;
        assert_eq!(finding.cause, Cause::EnvNotLoaded);
        assert_eq!(finding.place.as_ref().map(ToString::to_string), Some(format!("{name}:1")));
    }
    let above = survey(&[], &[(".env", &dotenv), ("app/app.py", "")]).await;
    let finding = &above.findings.first().expect("a finding").1;
    assert_eq!(finding.place.as_ref().map(ToString::to_string), Some("../.env:1".to_owned()));
    let example = survey(&[], &[(".env.example", "FIREWORKS_API_KEY=your_api_key\n")]).await;
    assert_eq!(causes(&example), []);
}

#[tokio::test]
async fn a_key_that_goes_to_another_provider_is_judged_as_that_providers() {
    let there = ("OPENAI_BASE_URL", "https://api.fireworks.ai/inference/v1");
    let good = survey(&[("OPENAI_API_KEY", KEY), there], &[]).await;
    let key = good.keys_of("openai").next().expect("it was found");
    assert_eq!((key.leads_to.id.as_str(), key.findings.len()), ("fireworks", 0));
    let openai = format!("sk-proj-{}T3BlbkFJ{}", "a".repeat(74), "b".repeat(74));
    let bad = survey(&[("OPENAI_API_KEY", &openai), there], &[]).await;
    let key = bad.keys_of("openai").next().expect("it was found");
    let found: Vec<_> = key.findings.iter().map(|finding| (finding.cause, finding.severity)).collect();
    assert_eq!(found, [(Cause::WrongBaseUrl, Severity::Warning)]);
}

#[tokio::test]
async fn a_base_url_under_a_name_that_the_sdks_do_not_read_is_named() {
    let url = "https://models.example/v1";
    let cases = [
        (vec!["OPENAI_API_HOST"], vec![Severity::Warning]),
        (vec!["OPENAI_API_BASE"], vec![Severity::Note]),
        (vec!["OPENAI_API_HOST", "OPENAI_BASE_URL"], vec![]),
        (vec!["OPENAI_BASE_URL"], vec![]),
    ];
    for (names, expected) in cases {
        let variables: Vec<_> = names.iter().map(|name| (*name, url)).collect();
        let survey = survey(&variables, &[]).await;
        let found = survey.findings.iter().filter(|(_, finding)| finding.cause == Cause::WrongBaseUrl);
        assert_eq!(found.map(|(_, finding)| finding.severity).collect::<Vec<_>>(), expected, "{names:?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join(".env")).expect("a folder");
    let resolver = Resolver::new(Environment::given([("HOME", "")]), folder.path());
    let survey = Survey::take(&resolver, &Scope::default()).await;
    assert_eq!(survey.files[0].findings[0].cause, Cause::EnvNotLoaded);
    assert!(survey.files[0].findings[0].says.contains("it is a directory"));
}

#[test]
fn a_path_below_the_home_folder_names_no_user() {
    let environment = Environment::given([("HOME", "/home/someone")]);
    assert_eq!(shortened(Path::new("/home/someone/app/.env"), &environment), "~/app/.env");
    assert_eq!(shortened(Path::new(".env"), &environment), ".env");
}
