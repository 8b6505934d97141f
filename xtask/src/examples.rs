//! Runs the examples as their readers would: each must do what it says.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use nix::sys::signal::Signal;

use crate::{
    process::{Process, poll, signal, terminate},
    project::{Project, capture, pass},
    swarm::{REST, Swarm, forget_settings, read_lines},
    tables,
};

/// How long nodes may take to know each other, and a script to end.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs the examples of operators, scripts and programs, and checks that they do what they say.
#[derive(Debug, Args)]
pub(crate) struct Examples {}

impl Examples {
    /// Builds everything and runs them.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        pass(project.workspace("build").args(["--bins", "--examples"]))?;
        check(project, &project.target_dir().join("debug"))
    }
}

/// Runs all of them; `programs` is where the built programs are.
pub(crate) fn check(project: &Project, programs: &Path) -> Result<()> {
    let examples = Readers { scripts: project.root.join("examples"), programs };
    examples.operator().context("examples/operator")?;
    let mut swarm = Swarm::with_flags(&programs.join("id-node"), &["--no-mdns"])?;
    for name in ["ash", "birch", "cedar"] {
        swarm.start(name)?;
    }
    tables::await_logs(&mut swarm, Instant::now() + LIMIT)?
        .context("the nodes never knew each other")?;
    examples.library(&swarm).context("the library's examples")?;
    examples.embedded(&swarm).context("the example of an embedded node")?;
    examples.script(&mut swarm).context("examples/script")?;
    swarm.stop()
}

struct Readers<'a> {
    scripts: PathBuf,
    programs: &'a Path,
}

impl Readers<'_> {
    /// A network of three stands, and is left without a trace.
    fn operator(&self) -> Result<()> {
        let mut command = self.script_of("operator/private-network.sh")?;
        let shown = capture(command.arg("--check"))?;
        for name in ["cellar", "attic", "shed"] {
            ensure!(shown.contains(name), "{name} isn't there:\n{shown}");
        }
        Ok(())
    }

    fn library(&self, swarm: &Swarm) -> Result<()> {
        let run = |name: &str, args: &[String]| {
            let mut command = Command::new(self.programs.join("examples").join(name));
            forget_settings(&mut command);
            capture(command.args(args))
        };
        let seed = [swarm.nodes()[0].reference()];
        for name in ["list_peers", "crawl"] {
            let shown = run(name, &seed)?;
            let missing = swarm.nodes().iter().skip(1).find(|node| !shown.contains(&node.id));
            ensure!(missing.is_none(), "{name} doesn't show {:?}:\n{shown}", missing);
        }
        run("offline_test", &[])?;
        Ok(())
    }

    /// Two programs that embed a node meet, and end as they are told.
    fn embedded(&self, swarm: &Swarm) -> Result<()> {
        let program = self.programs.join("examples").join("embed");
        let mut first = Embedded::start(swarm, &program, None)?;
        let mut second = Embedded::start(swarm, &program, Some(&first.ticket))?;
        for (here, there) in [(&first, &second), (&second, &first)] {
            let met = here.line("met ")?;
            ensure!(met.starts_with(&there.id), "{} met {met}, not {}", here.id, there.id);
        }
        second.end()?;
        first.end()
    }

    /// Somebody goes, and the command is run.
    fn script(&self, swarm: &mut Swarm) -> Result<()> {
        let last = swarm.nodes().len() - 1;
        let mut command = self.script_of("script/peer-alarm.sh")?;
        command.args([&swarm.nodes()[last].id, "echo", "gone:"]);
        command.env("ID_CLI_DATA_DIR", swarm.dir().join("ash")).env("ID_CLI_RELAY", "disabled");
        command.env("EVERY", "0.2").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut alarm = Alarm::start(swarm, &mut command)?;
        alarm.await_watch()?;
        let gone = swarm.stop_one(last)?;
        let said = alarm.line()?;
        ensure!(said.starts_with("gone: ") && said.contains(&gone.name), "it said: {said}");
        alarm.end()
    }

    /// With the built programs found first, and no settings of whoever runs us.
    fn script_of(&self, name: &str) -> Result<Command> {
        let path = env::var_os("PATH").unwrap_or_default();
        let dirs = [self.programs.to_owned()].into_iter().chain(env::split_paths(&path));
        let mut command = Command::new(self.scripts.join(name));
        forget_settings(&mut command);
        command.env("PATH", env::join_paths(dirs)?);
        Ok(command)
    }
}

/// A program with a node in it.
struct Embedded {
    process: Process,
    lines: Receiver<String>,
    id: String,
    ticket: String,
}

impl Embedded {
    fn start(swarm: &Swarm, program: &Path, ticket: Option<&str>) -> Result<Self> {
        let mut command = Command::new(program);
        let mut process = swarm.spawn(command.args(ticket).stdout(Stdio::piped()))?;
        let lines = read_lines(process.take_stdout().context("stdout isn't a pipe")?);
        let id = line_after(&lines, "this is ")?;
        let ticket = line_after(&lines, "run this again with: ")?;
        Ok(Self { process, lines, id, ticket })
    }

    fn line(&self, begin: &str) -> Result<String> {
        line_after(&self.lines, begin)
    }

    fn end(&mut self) -> Result<()> {
        signal(Signal::SIGINT, &[self.process.id()])?;
        let ended = poll(Instant::now() + LIMIT, REST, || self.process.ended())?;
        let status = ended.context("it didn't end at Ctrl-C")?;
        ensure!(status.success(), "it ended badly ({status})");
        Ok(())
    }
}

/// What follows `begin` in the next line, which has to begin so.
fn line_after(lines: &Receiver<String>, begin: &str) -> Result<String> {
    let line = lines.recv_timeout(LIMIT).with_context(|| format!("it never said `{begin}`"))?;
    let rest = line.strip_prefix(begin).with_context(|| format!("it said {line}"))?;
    Ok(rest.to_owned())
}

/// The script that waits for somebody to go. A child that hangs is ended by the caller's own deadline: its
/// output is read as long as it lives.
struct Alarm {
    process: Process,
    said: BufReader<std::process::ChildStdout>,
    talk: Option<Box<dyn Read + Send>>,
}

impl Alarm {
    fn start(swarm: &Swarm, command: &mut Command) -> Result<Self> {
        let mut process = swarm.spawn(command)?;
        let said = process.take_stdout().context("stdout isn't a pipe")?;
        let talk = process.take_stderr().context("stderr isn't a pipe")?;
        Ok(Self { process, said: BufReader::new(said), talk: Some(Box::new(talk)) })
    }

    /// Until it has looked once: what it knows then is no news.
    fn await_watch(&mut self) -> Result<()> {
        let mut talk = BufReader::new(self.talk.take().context("it is awaited once")?);
        let mut line = String::new();
        while !line.contains("what changes is printed") {
            line.clear();
            ensure!(talk.read_line(&mut line)? > 0, "it ended before it watched");
        }
        self.talk = Some(Box::new(talk));
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line)
    }

    fn end(mut self) -> Result<()> {
        terminate(&[self.process.id()])?;
        let ended = poll(Instant::now() + LIMIT, REST, || self.process.ended())?;
        ended.context("it didn't end at SIGTERM").map(drop)
    }
}
