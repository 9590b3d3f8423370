use std::fs;

use super::*;

fn resolver(directory: &tempfile::TempDir) -> Resolver {
    let environment = Environment::given([("KEY", "from-env"), ("EMPTY", "")]);
    Resolver::new(environment, directory.path())
}

async fn ask(resolver: &Resolver, reference: &str) -> Result<Found, Miss> {
    let reference = reference.parse().expect("a reference");
    resolver.resolve(&reference).await
}

/// The value and the place, or what the places said.
async fn told(resolver: &Resolver, reference: &str) -> String {
    match ask(resolver, reference).await {
        Ok(found) => format!("{} at {}", found.secret.expose(), found.place),
        Err(miss) => miss.to_string(),
    }
}

#[tokio::test]
async fn every_source_tells_value_and_place_or_why_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).expect("written");
    write(".env", b"# keys\nKEY='from-file'\n");
    write("utf16.env", b"\xff\xfeA\0=\0");
    write("secret", b"whole\n");
    write("binary", b"\xff\xff");
    write("keys.json", br#"{"openai": "member", "number": 1}"#);
    write("huge", &vec![b'a'; 65 * 1024]);
    fs::create_dir(directory.path().join("folder")).expect("created");
    let resolver = resolver(&directory);
    for (reference, expected) in [
        ("env://KEY", "from-env at environment variable KEY"),
        ("env://EMPTY", " at environment variable EMPTY"),
        ("env://GONE", "environment variable GONE: not set"),
        ("file://keys.json#gone", "file keys.json, field gone: the secret has no such field"),
        ("dotenv://.env#KEY", "from-file at .env:2"),
        ("dotenv://.env#GONE", "GONE in .env: not set"),
        ("dotenv://no.env#KEY", "KEY in no.env: no such file"),
        ("dotenv://utf16.env#KEY", "KEY in utf16.env: it is UTF-16 text; save it as UTF-8"),
        ("file://secret", "whole at file secret"),
        ("file://keys.json#openai", "member at file keys.json, field openai"),
        ("file://keys.json#number", "file keys.json, field number: the field is not a string"),
        ("file://secret#x", "file secret, field x: not JSON (line 1, column 1)"),
        ("file://folder", "file folder: it is a directory, not a file"),
        ("file:///dev/zero", "file /dev/zero: it is a device or a pipe, not a regular file"),
        ("file://huge", "file huge: larger than 65536 bytes"),
        ("file://binary", "file binary: not UTF-8 text"),
    ] {
        assert_eq!(told(&resolver, reference).await, expected, "{reference}");
    }
}

#[tokio::test]
async fn a_rotated_file_is_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    let resolver = resolver(&directory);
    for value in ["one", "two"] {
        fs::write(&path, value).expect("written");
        let found = ask(&resolver, "file://secret").await.expect("found");
        assert_eq!(found.secret.expose(), value);
    }
}

#[test]
fn a_miss_names_the_most_telling_cause() {
    let mut miss = Miss::of("environment variable A", SourceError::NotSet);
    assert_eq!(miss.cause(), Cause::MissingKey);
    miss.asked.extend(Miss::of(".env", SourceError::Denied).asked);
    assert_eq!(miss.cause(), Cause::EnvNotLoaded);
    assert_eq!(miss.to_string(), "environment variable A: not set; .env: permission denied");
}
