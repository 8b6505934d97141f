//! todo
pub mod membership;
