//! The search by sentences, its shell, and many searches on one bad board.

mod fixture;
mod sentences;
mod shell;
mod simulation;
