//! Asks the person at the terminal; what is typed stays hidden.

mod editor;
mod hidden;

pub(crate) use self::editor::Line;
pub(crate) use self::hidden::{Console, Question};
