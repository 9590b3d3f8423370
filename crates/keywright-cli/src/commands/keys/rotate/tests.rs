//! What a rotation says when a store fails at one of its steps.

use std::cell::Cell;

use clap::Parser;
use keywright::admin::{End, Listed, Made, Make, Plan};
use keywright::sources::{Environment, Reference, SourceError};
use keywright::store::{KeyName, Kind, StoreError};
use keywright_core::Catalogue;

use super::super::change::Writes;
use super::outcome::{Outcome, Work};
use super::*;

/// A store that does so many steps and no more.
struct Tiring {
    store: KeyStore,
    steps: Cell<u32>,
}

impl Tiring {
    fn step(&self, reference: &Reference) -> Result<(), StoreError> {
        let Some(left) = self.steps.get().checked_sub(1) else {
            return Err(StoreError::Source { place: reference.to_string(), why: SourceError::KeyringLocked });
        };
        self.steps.set(left);
        Ok(())
    }

    async fn holds(&self, reference: &Reference) -> Option<Secret> {
        self.store.look(reference).await.expect("it can be read").map(|found| found.secret)
    }
}

impl Writes for Tiring {
    fn place_of_previous(&self, provider: &ProviderSpec, reference: &Reference) -> Result<Reference, StoreError> {
        self.store.place_of_previous(provider, reference)
    }

    async fn look(&self, reference: &Reference) -> Result<Option<Found>, StoreError> {
        self.store.look(reference).await
    }

    async fn put(&self, reference: &Reference, key: &Secret) -> Result<(), StoreError> {
        self.step(reference)?;
        self.store.put(reference, key).await
    }

    async fn remove(&self, reference: &Reference) -> Result<bool, StoreError> {
        self.step(reference)?;
        self.store.remove(reference).await
    }
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

#[tokio::test]
async fn a_key_that_is_stored_is_never_to_be_deleted() {
    let provider = Catalogue::builtin().provider("openai").expect("in the catalogue");
    let line = Line::try_parse_from(["rotate", "openai", "--via-admin-api", "--yes"]).expect("a command line");
    let end = End::Key { project: "proj_x".to_owned(), id: "key_old".to_owned() };
    let account = Make::ServiceAccount { project: "proj_x".to_owned(), name: "ci".to_owned(), lifetime_seconds: None };
    let old = Listed { id: "key_old".to_owned(), name: "ci".to_owned(), owner: "a user".to_owned() };
    let plan = Plan { old, make: account, end };
    for (steps, stored, previous, by_hand) in [
        (0, false, false, Some("delete the new key, which is stored nowhere")),
        (1, false, true, Some("delete the new key, which is stored nowhere")),
        (2, true, true, Some("`keywright keys test openai` drops it")),
        (3, true, false, None),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let environment = Environment::given([("HOME", home.path().to_str().expect("UTF-8"))]);
        let resolver = Resolver::new(environment, home.path());
        let store = Tiring { store: KeyStore::of(&resolver), steps: Cell::new(steps) };
        let reference = store.store.reference(Kind::Age, provider, &KeyName::default()).expect("a place");
        let old = Found { secret: Secret::new("sk-old"), reference: reference.clone(), place: "the vault".to_owned() };
        store.store.put(&reference, &old.secret).await.expect("stored");

        let work = Work { args: &line.args, provider, old: &old, plan: &plan };
        let made = Made { key: Secret::new("sk-new"), id: Some("key_new".to_owned()) };
        let mut outcome = Outcome::default();
        let may_end = admin::take_over(&work, &made, Look::Works, &store, &resolver, &mut outcome).await;

        let told = work.json(&outcome);
        assert_eq!((may_end, &told["stored"]), (stored, &json!(stored)), "{steps}: {told}");
        assert_eq!(told["error"].is_null(), stored, "{steps}: {told}");
        let says: Vec<&str> = told["by_hand"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(says.len(), usize::from(by_hand.is_some()), "{steps}: {told}");
        assert!(by_hand.is_none_or(|text| says[0].contains(text)), "{steps}: {told}");
        let serves = store.holds(&reference).await.expect("one is always stored");
        assert!(serves.matches(if stored { &made.key } else { &old.secret }), "{steps}");
        let copy = store.place_of_previous(provider, &reference).expect("a place");
        assert_eq!(store.holds(&copy).await.is_some(), previous, "{steps}");
    }
}
