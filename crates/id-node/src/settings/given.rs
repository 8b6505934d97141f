//! What is set, and where: by a flag, a variable or a key of the configuration file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{ArgMatches, Args as _, parser::ValueSource};

use crate::config_file::{ConfigFile, KeyLines};

use super::args::{Args, Options};

/// The command line and the variables: what doesn't change while the process lives.
#[derive(Debug, Clone)]
pub struct Given {
    pub args: Args,
    origins: BTreeMap<String, Origin>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag,
    /// A variable of ours, by its name.
    Variable(String),
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// What systemd or the like hands over: a variable, and what it names.
    Manager(&'static str),
    /// A ticket to join through, which invites.
    Ticket,
    Default,
}

impl Given {
    /// Reads the command line and the variables; explains itself and ends the process if asked to,
    /// or if they make no sense.
    pub fn read() -> Self {
        Self::of(&Args::command_line().get_matches())
    }

    /// What another program was given in the node's stead; where, isn't known.
    pub fn of_options(config: Option<PathBuf>, options: Options) -> Self {
        let args = Args { config, options, verbose: 0, command: None };
        Self { args, origins: BTreeMap::new() }
    }

    fn of(matches: &ArgMatches) -> Self {
        let args = Args::of(matches);
        let mut origins: BTreeMap<_, _> =
            options().filter_map(|arg| origin(&arg, matches)).collect();
        if args.verbose > 0 {
            origins.insert("log-level".to_owned(), Origin::Flag);
        }
        Self { args, origins }
    }

    /// With the configuration file, as it is now.
    pub fn with_file(&self) -> Result<Layers> {
        let file = self.args.config.as_deref().map(File::read).transpose()?;
        let below = file.as_ref().map(|file| file.options.clone()).unwrap_or_default();
        let options = self.args.options.clone().or(below);
        Ok(Layers { given: self.clone(), options, file })
    }
}

/// Every option, as clap knows it. Its long flag is its key.
fn options() -> impl Iterator<Item = clap::Arg> {
    let command = Options::augment_args(clap::Command::new(""));
    command.get_arguments().cloned().collect::<Vec<_>>().into_iter()
}

fn origin(arg: &clap::Arg, matches: &ArgMatches) -> Option<(String, Origin)> {
    let variable = || arg.get_env().map(|name| name.to_string_lossy().into_owned());
    let origin = match matches.value_source(arg.get_id().as_str())? {
        ValueSource::CommandLine => Origin::Flag,
        _ => Origin::Variable(variable()?),
    };
    Some((arg.get_long()?.to_owned(), origin))
}

/// All that is set.
#[derive(Debug, Clone)]
pub struct Layers {
    given: Given,
    /// What is set at all, by whatever beats the others.
    pub options: Options,
    file: Option<File>,
}

#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    options: Options,
    lines: KeyLines,
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let read = ConfigFile::read_with_lines(path);
        let (file, lines) = read.with_context(|| format!("--config {}", path.display()))?;
        Ok(Self { path: path.to_owned(), options: file.into(), lines })
    }
}

impl Layers {
    /// The flags and variables among it.
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// The configuration file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Where the value of an option comes from that is set.
    pub fn origin(&self, key: &str) -> Origin {
        if !self.given.args.options.values()[key].is_null() {
            return self.given.origins.get(key).cloned().unwrap_or(Origin::Flag);
        }
        let line = |file: &File| Some(Origin::File(file.path.clone(), *file.lines.get(key)?));
        self.file.as_ref().and_then(line).unwrap_or(Origin::Default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(args: &[&str]) -> Given {
        let args = std::iter::once(&"id-node").chain(args);
        Given::of(&Args::command_line().try_get_matches_from(args).unwrap())
    }

    #[test]
    fn every_option_has_a_key_of_its_flags_name_and_a_variable() {
        let keys = Options::default().values();
        let mut flags: Vec<_> = options().map(|arg| arg.get_long().unwrap().to_owned()).collect();
        flags.sort();
        let mut keys: Vec<_> = keys.keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, flags);
        for arg in options() {
            let variable = format!("ID_NODE_{}", arg.get_id().as_str().to_uppercase());
            assert_eq!(arg.get_env().unwrap().to_str(), Some(variable.as_str()));
        }
    }

    #[test]
    fn flags_behind_a_subcommand_are_as_good_as_those_before_it() {
        let before = given(&["--name", "n", "config", "show"]);
        let behind = given(&["config", "show", "--name", "n", "-vv"]);
        for given in [before, behind] {
            assert_eq!(given.args.options.name.as_deref(), Some("n"));
            assert_eq!(given.origins["name"], Origin::Flag);
            assert!(given.args.command.is_some());
        }
    }
}
