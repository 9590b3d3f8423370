//! Being written.
/// Placeholder.
#[derive(Debug)]
pub struct Redactor;
