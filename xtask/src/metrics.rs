//! What a node says at `/metrics`, read by the tools that others read it with, and the rules made for it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    process::Watchdog,
    project::{Project, pass, succeeds},
};

const RULES: &str = "docs/alerts.yml";
/// How long an answer may take. Origin: a guess; it takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Reads OpenMetrics as strictly as its specification is.
const PARSE: &str = "import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
families = list(parse(sys.stdin.read()))
assert len(families) > 20, families";

/// Checks both; the tools that are missing, if any is.
pub(crate) fn check(project: &Project) -> Result<Option<&'static str>> {
    let metrics = scrape(project)?;
    let has_promtool = succeeds(Command::new("promtool").arg("--version"));
    let has_parser = succeeds(Command::new("python3").args(["-c", "import prometheus_client"]));
    if has_promtool {
        pass(Command::new("promtool").args(["check", "rules"]).arg(project.root.join(RULES)))?;
    }
    if has_parser {
        read_by(Command::new("python3").args(["-c", PARSE]), &metrics)?;
    }
    Ok(match (has_promtool, has_parser) {
        (true, true) => None,
        (false, true) => Some("promtool is missing (apt-get install prometheus)"),
        (true, false) => Some("prometheus_client is missing (pip install prometheus_client)"),
        (false, false) => Some(
            "promtool and prometheus_client are missing (apt-get install prometheus; \
             pip install prometheus_client)",
        ),
    })
}

/// What a node that has just started says.
fn scrape(project: &Project) -> Result<String> {
    let dir = project.target_dir().join("metrics");
    fs::create_dir_all(&dir)?;
    let watchdog = Watchdog::start(&dir)?;
    let mut node = Command::new(project.built_binaries()?.node);
    node.args(["--ephemeral", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    node.args(["--no-dht", "--no-relay", "--no-mdns"]).stdout(Stdio::piped());
    let mut node = watchdog.spawn(&mut node)?;
    let stdout = BufReader::new(node.take_stdout().context("stdout isn't a pipe")?);
    let mut lines = stdout.lines().map_while(Result::ok);
    let host = lines.find_map(|line| {
        Some(line.strip_prefix("http: http://")?.strip_suffix("/peers")?.to_owned())
    });
    get(&host.context("id-node said nothing of HTTP")?, "/metrics")
}

fn get(host: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
    Ok(body.to_owned())
}

fn read_by(command: &mut Command, text: &str) -> Result<()> {
    let mut reader = command.stdin(Stdio::piped()).spawn()?;
    reader.stdin.take().context("stdin isn't a pipe")?.write_all(text.as_bytes())?;
    let status = reader.wait()?;
    ensure!(status.success(), "/metrics is no OpenMetrics ({status})");
    Ok(())
}
