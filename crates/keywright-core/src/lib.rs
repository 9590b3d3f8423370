//! The nouns and the rules of Keywright.
//!
//! Everything here is pure: no sockets, files, clock or environment. Facts are
//! data files (`data/`), rules are functions over values, and every surface of
//! Keywright (gateway, probe, command line, Python) speaks through this crate.

pub mod all_out;
pub mod catalogue;
pub mod cause;
pub mod classify;
pub mod diagnosis;
pub mod dotenv;
pub mod inspect;
pub mod near;
pub mod opening;
pub mod page;
pub mod paths;
pub mod peek;
pub mod pins;
pub mod provider;
pub mod reading;
pub mod redact;
pub mod ring;
pub mod secret;
pub mod text;
pub mod token;

pub use catalogue::Catalogue;
pub use cause::{Bench, Cause, Failover, Owner, Verdict};
pub use classify::{Answer, Classified, classify, classify_failure};
pub use diagnosis::{Alternative, Confidence, Diagnosis, Evidence, Fix, Witness};
pub use dotenv::{Dotenv, DotenvError};
pub use provider::ProviderSpec;
pub use redact::Redactor;
pub use secret::{Fingerprint, Fingerprinter, Secret, mask};
