use std::path::{Path, PathBuf};

use keywright_core::Catalogue;

use super::seal::Seal;
use super::*;
use crate::sources::Environment;
use crate::sources::age::keys::{IdentityText, identity_beside};

/// A home of its own for each test.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn store(&self, variables: &[(&str, &str)]) -> KeyStore {
        let home = [("HOME", self.0.path().to_str().expect("UTF-8"))];
        let environment = Environment::given(home.into_iter().chain(variables.iter().copied()));
        KeyStore::of(&Resolver::new(environment, self.0.path()))
    }

    fn vault(&self) -> PathBuf {
        self.0.path().join(".local/share/keywright/keys.age")
    }
}

fn openai() -> &'static ProviderSpec {
    Catalogue::builtin().provider("openai").expect("in the catalogue")
}

fn reference(store: &KeyStore, name: &str) -> Reference {
    store.reference(Kind::Age, openai(), &name.parse().expect("a name")).expect("a home")
}

/// Names and values, in the order of use.
async fn held(store: &KeyStore) -> Vec<(String, String)> {
    let shelf = store.shelf(&[openai()]).await;
    let pair = |kept: &Kept| (kept.name.to_string(), kept.found.secret.expose().to_owned());
    shelf.keys.iter().map(pair).collect()
}

async fn why(store: &KeyStore) -> Option<SourceError> {
    let shelf = store.shelf(&[openai()]).await;
    shelf.asked.iter().find(|asked| asked.place == Kind::Age.place()).map(|asked| asked.why)
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

#[tokio::test]
async fn keys_go_in_are_found_in_order_and_go_out() {
    let home = Home::new();
    let store = home.store(&[]);
    for name in ["team-b", "previous", "default"] {
        store.put(&reference(&store, name), &Secret::new(format!("sk-{name}"))).await.expect("stored");
    }
    let pair = |name: &str| (name.to_owned(), format!("sk-{name}"));
    assert_eq!(held(&store).await, ["default", "team-b", "previous"].map(pair));
    assert!(store.remove(&reference(&store, "team-b")).await.expect("removed"));
    assert!(!store.remove(&reference(&store, "team-b")).await.expect("nothing to do"));
    assert_eq!(held(&store).await, ["default", "previous"].map(pair));
    let found = store.resolver.resolve(&reference(&store, "default")).await.expect("a source like any other");
    assert_eq!(found.secret.expose(), "sk-default");
    let text = std::fs::read_to_string(home.vault()).expect("armored");
    assert!(text.starts_with("-----BEGIN AGE") && !text.contains("sk-"), "{text}");
}

#[tokio::test]
async fn looking_makes_nothing_and_a_store_of_others_is_only_read() {
    let home = Home::new();
    let store = home.store(&[]);
    assert_eq!(held(&store).await, []);
    assert!(!store.remove(&reference(&store, "default")).await.expect("nothing to do"));
    assert!(!home.vault().parent().expect("a folder").exists());
    let elsewhere = "vault://secret/llm#openai".parse().expect("a reference");
    let refused = store.put(&elsewhere, &Secret::new("sk-1")).await.expect_err("only read");
    assert!(refused.help().expect("a help").contains("age://"), "{refused}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_it_and_a_wrong_mode_is_refused() {
    let home = Home::new();
    let store = home.store(&[]);
    let put = async || store.put(&reference(&store, "default"), &Secret::new("sk-1")).await;
    put().await.expect("stored");
    let folder = home.vault().parent().expect("a folder").to_owned();
    let identity = identity_beside(&home.vault());
    assert_eq!((mode(&folder), mode(&home.vault()), mode(&identity)), (0o700, 0o600, 0o600));
    for path in [&home.vault(), &identity] {
        set_mode(path, 0o640);
        assert_eq!(why(&store).await, Some(SourceError::OpenToOthers { mode: 0o640 }), "{}", path.display());
        let refused = put().await.expect_err("open to others");
        assert!(refused.to_string().contains("open to other users (mode 640)"), "{refused}");
        set_mode(path, 0o600);
    }
    set_mode(&folder, 0o755);
    assert!(put().await.expect_err("an open folder").help().expect("a help").contains("chmod 700"));
}

#[tokio::test]
async fn writers_at_one_time_lose_nothing() {
    let home = Home::new();
    let mut writers = tokio::task::JoinSet::new();
    for number in 1..=16 {
        // A store of its own, as another process has.
        let store = home.store(&[]);
        let place = reference(&store, &number.to_string());
        writers.spawn(async move { store.put(&place, &Secret::new(format!("sk-{number}"))).await });
    }
    for written in writers.join_all().await {
        written.expect("stored");
    }
    assert_eq!(held(&home.store(&[])).await.len(), 16);
}

#[tokio::test]
async fn what_cannot_be_opened_is_left_as_it_is() {
    let home = Home::new();
    let store = home.store(&[]);
    let place = reference(&store, "default");
    store.put(&place, &Secret::new("sk-1")).await.expect("stored");
    let good = std::fs::read(home.vault()).expect("there");
    let other = Home::new();
    let stranger = other.store(&[]);
    stranger.put(&reference(&stranger, "default"), &Secret::new("sk-2")).await.expect("stored");
    let of_stranger = std::fs::read(other.vault()).expect("there");
    let half = good[..good.len() / 2].to_vec();
    for (content, reason) in [
        (of_stranger, SourceError::WrongAgeKey),
        (half, SourceError::AgeDamaged),
        (b"{\"openai\": \"sk-1\"}".to_vec(), SourceError::NotAge),
        (Vec::new(), SourceError::AgeDamaged),
    ] {
        std::fs::write(home.vault(), &content).expect("written");
        assert_eq!(why(&store).await, Some(reason));
        let refused = store.put(&place, &Secret::new("sk-3")).await.expect_err("cannot be opened");
        assert!(matches!(refused, StoreError::Vault { why, .. } if why == reason), "{refused}");
        let vault = home.vault();
        assert!(refused.to_string().contains(vault.to_str().expect("UTF-8")), "{refused}");
        assert!(refused.help().is_some(), "{refused}");
        assert_eq!(std::fs::read(vault).expect("there"), content);
    }
}

#[tokio::test]
async fn a_passphrase_closes_and_opens_and_a_wrong_one_changes_nothing() {
    let home = Home::new();
    let (right, wrong) = ([("KEYWRIGHT_AGE_PASSPHRASE", "right")], [("KEYWRIGHT_AGE_PASSPHRASE", "wrong")]);
    // Made here with little work; a rewrite keeps the work factor.
    std::fs::create_dir_all(home.vault().parent().expect("a folder")).expect("made");
    #[cfg(unix)]
    set_mode(home.vault().parent().expect("a folder"), 0o700);
    let seal = Seal::passphrase(Secret::new("right")).with_work(2);
    std::fs::write(home.vault(), seal.close(&Secret::new("{\"openai\": \"sk-1\"}")).expect("closed")).expect("written");
    #[cfg(unix)]
    set_mode(&home.vault(), 0o600);
    let (store, stranger, nobody) = (home.store(&right), home.store(&wrong), home.store(&[]));
    let place = reference(&store, "team-b");
    assert!(nobody.put(&place, &Secret::new("sk-2")).await.expect_err("no passphrase").wants_passphrase());
    let refused = stranger.put(&place, &Secret::new("sk-2")).await.expect_err("wrong passphrase");
    assert!(refused.is_wrong_passphrase(), "{refused}");
    assert!(refused.help().expect("a help").contains("another passphrase"), "{refused:?}");
    store.put(&place, &Secret::new("sk-2")).await.expect("stored");
    nobody.resolver.use_passphrase(Secret::new("right"));
    assert_eq!(held(&nobody).await.len(), 2, "a typed passphrase opens it too");
    assert!(!identity_beside(&home.vault()).exists());
}

#[tokio::test]
async fn a_file_for_several_people_is_not_rewritten_for_one() {
    let home = Home::new();
    let path = home.0.path().join("team.age");
    let (mine, theirs) = (seal::new_identity(), seal::new_identity());
    std::fs::write(home.0.path().join("me.txt"), mine.expose()).expect("written");
    let of = |text: &Secret| IdentityText::new(text.clone(), "me".to_owned()).recipients().expect("an identity");
    let both = Seal::recipients(of(&mine).into_iter().chain(of(&theirs)).collect());
    std::fs::write(&path, both.close(&Secret::new("{\"openai\": \"sk-1\"}")).expect("closed")).expect("written");
    let before = std::fs::read(&path).expect("there");
    let identity = home.0.path().join("me.txt");
    let store = home.store(&[("KEYWRIGHT_AGE_IDENTITY", identity.to_str().expect("UTF-8"))]);
    let place: Reference = "age://team.age#openai".parse().expect("a reference");
    let refused = store.put(&place, &Secret::new("sk-2")).await.expect_err("shared");
    assert!(matches!(refused, StoreError::Shared { recipients: 2, .. }), "{refused}");
    assert_eq!(std::fs::read(&path).expect("there"), before);
}

#[tokio::test]
async fn what_a_killed_writer_left_is_cleared_away() {
    let home = Home::new();
    let store = home.store(&[]);
    let place = reference(&store, "default");
    store.put(&place, &Secret::new("sk-1")).await.expect("stored");
    let beside = |end: &str| PathBuf::from(format!("{}{end}", home.vault().display()));
    let (leftover, foreign) = (beside(".0123456789abcdef.new"), beside(".mine.new"));
    for path in [&leftover, &foreign] {
        std::fs::write(path, "half").expect("written");
    }
    store.put(&place, &Secret::new("sk-2")).await.expect("stored");
    assert_eq!((leftover.exists(), foreign.exists()), (false, true));
    assert_eq!(held(&store).await, [("default".to_owned(), "sk-2".to_owned())]);
}

/// What a look at one place and a look at all of them say about a vault that stays closed.
async fn refusals(store: &KeyStore) -> [StoreError; 2] {
    let one = store.look(&reference(store, "default")).await.expect_err("closed");
    let all = store.shelf(&[openai()]).await.unopened.pop().expect("closed").1;
    [one, all]
}

#[tokio::test]
async fn a_vault_without_its_identity_is_no_empty_vault() {
    let home = Home::new();
    let store = home.store(&[]);
    store.put(&reference(&store, "default"), &Secret::new("sk-1")).await.expect("stored");
    let identity = identity_beside(&home.vault());
    std::fs::rename(&identity, identity.with_extension("away")).expect("renamed");
    for refused in refusals(&store).await {
        assert!(!refused.is_absence() && !refused.wants_passphrase(), "{refused:?}");
        let help = refused.help().expect("a help");
        assert!(help.contains(identity.to_str().expect("UTF-8")) && !help.contains("passphrase"), "{help}");
    }
    assert!(Home::new().store(&[]).shelf(&[openai()]).await.unopened.is_empty(), "no vault is no closed one");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_that_others_can_read_is_the_one_to_close() {
    let home = Home::new();
    let store = home.store(&[]);
    store.put(&reference(&store, "default"), &Secret::new("sk-1")).await.expect("stored");
    for path in [identity_beside(&home.vault()), home.vault()] {
        set_mode(&path, 0o644);
        for refused in refusals(&store).await {
            assert_eq!(refused.help(), Some(format!("Close it: `chmod 600 '{}'`.", path.display())));
        }
        set_mode(&path, 0o600);
    }
}
