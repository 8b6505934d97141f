//! `repl`: commands line by line, from a terminal or a pipe, in one session: with the endpoint that the
//! first question needed, the next ones cost no bind.

mod completing;
mod editor;
mod known;
mod script;
mod words;

use std::{
    io::{IsTerminal, stdin, stdout},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;

use self::{
    editor::{Editor, Read},
    known::Known,
    script::Script,
};
use super::perform;
use crate::{
    cli::{Command, Line, PeersArgs, ReplArgs, Wish},
    exit::{Exit, Stop},
    host::Host,
    source::LocalNode,
    talk,
};

const UNAVAILABLE: &str = "no node running, peers unavailable";

/// What nodes are called, as the session knows it: its commands learn it, its editor completes it.
type Nodes = Arc<Mutex<Known>>;

pub(crate) async fn run(args: ReplArgs) -> Result<Exit> {
    let nodes = Nodes::default();
    let learned = Arc::clone(&nodes);
    let learn = move |network: &_, found: &_| lock(&learned).learn(network, found);
    let session = Session { host: Host::session(learn)?, nodes, args };
    let ended = match stdin().is_terminal() && stdout().is_terminal() {
        true => session.converse().await,
        false => session.obey().await,
    };
    session.host.close().await;
    ended
}

struct Session {
    args: ReplArgs,
    host: Host,
    nodes: Nodes,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    /// It asked for nothing.
    Nothing,
    Command(Exit),
    /// Nobody reads what we print.
    Unheard,
    Quit,
}

impl Session {
    /// Reads lines from a terminal, until the user has had enough.
    async fn converse(&self) -> Result<Exit> {
        let mut editor = Editor::open(Arc::clone(&self.nodes), !self.args.no_history)?;
        talk::note("`help` lists the commands, `quit` ends");
        if self.args.node.is_none() {
            self.missing()?.iter().for_each(talk::stop);
        }
        let prompt = editor::prompt(self.args.node.as_ref());
        loop {
            // It blocks, on a thread that may; the endpoint's tasks go on meanwhile.
            let done = match tokio::task::block_in_place(|| editor.read(&prompt))? {
                Read::Line(line) => self.perform(&line).await,
                Read::Abandoned => Done::Nothing,
                Read::End => Done::Quit,
            };
            if done == Done::Quit {
                return Ok(Exit::Ok);
            }
        }
    }

    /// Reads lines from a pipe or a file, up to the first that fails, unless that is to be ignored.
    async fn obey(&self) -> Result<Exit> {
        let mut script = Script::new(stdin());
        let mut first_failure = None;
        while let Some(line) = tokio::task::block_in_place(|| script.next_line())? {
            match self.perform(&line).await {
                Done::Nothing | Done::Command(Exit::Ok) => {}
                Done::Command(exit) if self.args.keep_going && exit != Exit::Interrupted => {
                    first_failure.get_or_insert(exit);
                }
                Done::Command(exit) => {
                    talk::note(&format!("the script ends at line {}", script.line_number()));
                    return Ok(exit);
                }
                Done::Unheard | Done::Quit => break,
            }
        }
        Ok(first_failure.unwrap_or(Exit::Ok))
    }

    /// Does what a line says, and says why if it can't.
    async fn perform(&self, line: &str) -> Done {
        match self.understand(line) {
            Ok(None) => Done::Nothing,
            Ok(Some(Wish::Quit)) => Done::Quit,
            Ok(Some(Wish::Command(command))) => self.carry_out(command).await,
            Err(Misunderstood::Clap(usage)) => {
                let exit = crate::explain(&usage);
                if exit == Exit::Ok { Done::Nothing } else { Done::Command(exit) }
            }
            Err(Misunderstood::Words(stop)) => Done::Command(talk::outcome(Err(stop.into()))),
        }
    }

    /// What a line wants; `None` if nothing.
    fn understand(&self, line: &str) -> Result<Option<Wish>, Misunderstood> {
        let words = words::split(line).map_err(Misunderstood::Words)?;
        if words.is_empty() {
            return Ok(None);
        }
        let words = lock(&self.nodes).stand_for(words).map_err(Misunderstood::Words)?;
        Line::parse(&words, &self.args).map(|line| Some(line.wish)).map_err(Misunderstood::Clap)
    }

    async fn carry_out(&self, command: Command) -> Done {
        let outcome = tokio::select! {
            outcome = self.try_to(command) => outcome,
            () = self.host.interrupts.ended() => {
                talk::note("interrupted");
                Ok(Exit::Interrupted)
            }
        };
        self.host.tidy().await;
        let is_unheard = outcome.as_ref().is_err_and(crate::exit::is_closed_pipe);
        match talk::outcome(outcome) {
            _ if is_unheard => Done::Unheard,
            exit => Done::Command(exit),
        }
    }

    async fn try_to(&self, command: Command) -> Result<Exit> {
        if asks_this_machine(&command)
            && let Some(stop) = self.missing()?
        {
            return Err(stop.into());
        }
        perform(command, &self.host).await
    }

    /// Why there is nobody to ask, if this machine's node is meant and doesn't run. Looked at each time:
    /// it may have been started, or stopped.
    fn missing(&self) -> Result<Option<Stop>> {
        let local = LocalNode::find(self.args.network.data_dir.as_deref())?;
        let stop = || Stop { message: UNAVAILABLE.to_owned(), ..local.missing() };
        Ok((!local.runs()).then(stop))
    }
}

/// Why a line can't be carried out.
enum Misunderstood {
    /// It is no line of words.
    Words(Stop),
    /// The words are no command. Or they ask for help.
    Clap(clap::Error),
}

/// Whether it is `peers`, and means this machine's node. In a session it doesn't listen in the topic
/// instead, which would take long and isn't what was asked.
fn asks_this_machine(command: &Command) -> bool {
    matches!(command, Command::Peers(PeersArgs { node: None, gossip: false, crawl, .. }) if crawl.bootstrap.is_empty())
}

fn lock(nodes: &Nodes) -> std::sync::MutexGuard<'_, Known> {
    nodes.lock().unwrap_or_else(PoisonError::into_inner)
}
