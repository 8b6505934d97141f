//! The line that a user edits: completed, and remembered from one session to the next.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::CommandFactory;
use id_client::id_proto::PeerRef;
use rustyline::{
    CompletionType, Config, Context, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::FileHistory,
    validate::Validator,
};

use super::{Nodes, completing, lock, words};
use crate::{cli::Line, output::short_id, talk};

/// Most lines that are remembered. Origin: bash takes half as many by default.
const MAX_HISTORY: usize = 1000;

/// Most bytes of a history that is read. Origin: room for a ticket in each line.
const MAX_HISTORY_BYTES: u64 = 1024 * 1024;

/// Reads lines from a terminal.
pub(super) struct Editor {
    editor: rustyline::Editor<Completing, FileHistory>,
    /// Where lines are remembered, if they are.
    history: Option<PathBuf>,
}

/// What was read.
pub(super) enum Read {
    Line(String),
    /// Ctrl-C.
    Abandoned,
    /// Ctrl-D.
    End,
}

impl Editor {
    /// Reads what earlier sessions remember, if this one is to. If it can't, that is said.
    pub(super) fn open(nodes: Nodes, remembers: bool) -> Result<Self> {
        let config = Config::builder()
            .max_history_size(MAX_HISTORY)
            .context("can't keep a history")?
            .completion_type(CompletionType::List)
            .auto_add_history(false)
            .build();
        let mut editor = rustyline::Editor::with_config(config).context("can't edit lines")?;
        editor.set_helper(Some(Completing { line_is: Line::command(), nodes }));
        let history = history_file().filter(|_| remembers);
        let mut editor = Self { editor, history };
        editor.recall();
        Ok(editor)
    }

    /// Waits for the user. Blocks.
    pub(super) fn read(&mut self, prompt: &str) -> Result<Read> {
        match self.editor.readline(prompt) {
            Ok(line) => {
                self.remember(&line);
                Ok(Read::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Read::Abandoned),
            Err(ReadlineError::Eof) => Ok(Read::End),
            Err(error) => Err(error).context("can't read from the terminal"),
        }
    }

    fn recall(&mut self) {
        let Some(file) = &self.history else { return };
        let read = prepare(file).and_then(|()| match file.exists() {
            true => self.editor.load_history(file).map_err(io::Error::other),
            false => Ok(()),
        });
        if let Err(error) = read {
            let file = file.display();
            talk::warning(&format!("{file}: {error}: this session keeps no history"));
            self.history = None;
        }
    }

    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() || words::may_be_secret(line) {
            return;
        }
        // Neither is worth a word while somebody types.
        let _ = self.editor.add_history_entry(line.trim());
        if let Some(file) = &self.history {
            let _ = self.editor.append_history(file);
        }
    }
}

/// `id> `, with the node that is asked, if one was named.
pub(super) fn prompt(node: Option<&PeerRef>) -> String {
    match node.map(PeerRef::addrs) {
        Some([first, ..]) => format!("{}> ", short_id(&first.id.to_string())),
        Some([]) | None => "id> ".to_owned(),
    }
}

/// In the user's directory for what programs remember; `None` for somebody without a home.
fn history_file() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "id-cli")?;
    let dir = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
    Some(dir.join("history"))
}

/// Makes the directory; refuses what was never written by us, and keeps it from others' eyes.
fn prepare(file: &Path) -> io::Result<()> {
    if let Some(dir) = file.parent() {
        private_dir(dir)?;
    }
    match file.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(it) if !it.is_file() => Err(io::Error::other("it is no file")),
        Ok(it) if it.len() > MAX_HISTORY_BYTES => Err(io::Error::other("it is longer than 1 MiB")),
        Ok(it) => close_to_others(file, it.permissions()),
    }
}

#[cfg(unix)]
fn private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(unix)]
fn close_to_others(file: &Path, mut permissions: std::fs::Permissions) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    permissions.set_mode(0o600);
    std::fs::set_permissions(file, permissions)
}

#[cfg(not(unix))]
fn private_dir(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)
}

#[cfg(not(unix))]
fn close_to_others(_: &Path, _: std::fs::Permissions) -> io::Result<()> {
    Ok(())
}

/// Completes commands, flags, and the nodes that are known.
struct Completing {
    line_is: clap::Command,
    nodes: Nodes,
}

impl Completer for Completing {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = completing::complete(&line[..pos], &self.line_is, &lock(&self.nodes));
        let pair =
            |it: completing::Candidate| Pair { display: it.shown, replacement: it.typed + " " };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

impl Helper for Completing {}
impl Highlighter for Completing {}
impl Validator for Completing {}
impl Hinter for Completing {
    type Hint = String;
}
