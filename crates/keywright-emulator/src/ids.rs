//! Ids in the providers' own shapes, the same ones again under the same seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Hands a numbered generator to each request.
pub(crate) struct IdSource {
    seed: u64,
    next: AtomicU64,
}

impl IdSource {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    pub(crate) fn request(&self) -> Ids {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ids { state: mix(self.seed ^ mix(number.wrapping_add(GOLDEN))) }
    }

    pub(crate) fn reset(&self) {
        self.next.store(0, Ordering::Relaxed);
    }
}

/// Makes the ids of one request.
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    fn letters(&mut self, alphabet: &[u8], length: usize) -> String {
        let size = alphabet.len() as u64;
        let mut word = 0;
        (0..length)
            .map(|at| {
                if at % 8 == 0 {
                    word = self.number();
                }
                let pick = usize::try_from(word % size).unwrap_or_default();
                word /= size;
                char::from(alphabet[pick])
            })
            .collect()
    }

    pub(crate) fn hex(&mut self, length: usize) -> String {
        self.letters(&BASE62[..16], length)
    }

    pub(crate) fn base62(&mut self, length: usize) -> String {
        self.letters(BASE62, length)
    }

    /// `prefix` and 24 letters, as OpenAI names its objects.
    pub(crate) fn object(&mut self, prefix: &str) -> String {
        format!("{prefix}{}", self.base62(24))
    }

    pub(crate) fn uuid(&mut self) -> String {
        let hex = self.hex(32);
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }
}

const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const BASE62: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (a, b) = (IdSource::new(7), IdSource::new(7));
        assert_eq!(a.request().hex(32), b.request().hex(32));
        assert_eq!(a.request().uuid(), b.request().uuid());
        assert_ne!(IdSource::new(8).request().hex(32), IdSource::new(7).request().hex(32));
    }

    #[test]
    fn ids_differ_between_and_within_requests() {
        let source = IdSource::new(1);
        let (mut a, mut b) = (source.request(), source.request());
        assert_ne!(a.hex(16), b.hex(16));
        assert_ne!(a.base62(29), a.base62(29));
    }

    #[test]
    fn a_uuid_has_its_shape() {
        let uuid = IdSource::new(1).request().uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
    }
}
