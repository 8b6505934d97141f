//! The settings of a node: what flags, environment and configuration file amount to.
//!
//! For the binaries: `id-node` runs by them, and `id-cli doctor` looks at what they lead to.

#[path = "cli/args.rs"]
mod args;
#[path = "cli/settings.rs"]
mod in_force;
#[path = "cli/live.rs"]
pub mod live;

use std::path::PathBuf;

pub use args::{Args, Command, Options};
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
    pub fn of(config: Option<PathBuf>, options: Options) -> Result<Self, SettingsError> {
        Self::new(Args { config, options, verbose: 0, command: None }).map_err(SettingsError)
    }
}
