//! The settings of a node: what flags, variables and the configuration file amount to.
//!
//! For the binaries: `id-node` runs by them, and `id-cli doctor` looks at what they lead to.
#![expect(
    missing_docs,
    reason = "an option's meaning is its help, and a setting's is its option's"
)]

mod args;
mod given;
mod in_force;
pub mod live;

use std::path::PathBuf;

pub use args::{Args, Command, Config, Options, Show};
pub use given::{Given, Layers, Origin};
pub use in_force::Settings;

/// Settings that make no sense together, or name what can't be read; one line for people, without a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct SettingsError(anyhow::Error);

impl Settings {
    /// Those that flags and variables make, with the configuration file as it is now.
    ///
    /// # Errors
    ///
    /// If they make no sense.
    pub fn of_options(config: Option<PathBuf>, options: Options) -> Result<Self, SettingsError> {
        Self::new(&Given::of_options(config, options)).map_err(SettingsError)
    }
}
