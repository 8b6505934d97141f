//! Logs: on stderr, never on stdout.

use std::{
    io::{IsTerminal, Write, stderr},
    panic::PanicHookInfo,
    time::SystemTime,
};

use anyhow::Result;
use id_node::config_file::{LogFormat, LogLevel};
use serde_json::json;
use tracing_subscriber::{
    EnvFilter, Registry, fmt,
    layer::SubscriberExt,
    reload::{self, Handle},
    util::SubscriberInitExt,
};

/// Whoever wants the logger to log more or less.
#[derive(Debug)]
pub(crate) struct Logger(Handle<EnvFilter, Registry>);

impl Logger {
    /// Installs the logger of this process.
    pub(crate) fn install(format: LogFormat, level: LogLevel) -> Self {
        let (filter, handle) = reload::Layer::new(filter(level));
        let logger = tracing_subscriber::registry().with(filter);
        let lines = fmt::layer().with_writer(stderr);
        match format {
            LogFormat::Json => {
                std::panic::set_hook(Box::new(say_panic));
                logger.with(lines.json()).init();
            }
            LogFormat::Text => logger.with(lines.with_ansi(false)).init(),
            LogFormat::Auto => logger.with(lines.with_ansi(is_coloured())).init(),
        }
        Self(handle)
    }

    /// Logs so much from now on, unless `RUST_LOG` says otherwise.
    pub(crate) fn set_level(&self, level: LogLevel) -> Result<()> {
        Ok(self.0.reload(filter(level))?)
    }
}

fn is_coloured() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// What beats the level, if it is a filter.
pub(crate) fn filter_by_variable() -> Option<EnvFilter> {
    EnvFilter::try_from_default_env().ok()
}

fn filter(level: LogLevel) -> EnvFilter {
    filter_by_variable().unwrap_or_else(|| EnvFilter::new(directives(level)))
}

fn directives(level: LogLevel) -> &'static str {
    match level {
        // The stack warns of every peer that goes, and of every question to a local network that
        // isn't there; that is not the operator's trouble. mainline calls it an error, again and
        // again, if no DHT answers: the rendezvous says so itself, once. The relay's transport calls
        // it one when the endpoint closes as it was told to. Whoever sends SIGHUP is told what came of it.
        LogLevel::Warn => {
            "warn,id_node=warn,id_node::cli::reload=info,distributed_topic_tracker=error,mainline=off,\
              iroh=error,iroh_gossip=error,noq=error,iroh::socket::transports::relay=off,\
              swarm_discovery=off,iroh_mdns_address_lookup=off"
        }
        LogLevel::Info => {
            "warn,id_node=info,mainline=off,iroh=error,iroh_gossip=error,\
              iroh::socket::transports::relay=off,swarm_discovery=off,\
              iroh_mdns_address_lookup=off"
        }
        LogLevel::Debug => "info,id_node=debug,id_client=debug",
        LogLevel::All => "debug",
    }
}

/// Says why the process ends, as `format` wants it, whatever is logged otherwise.
pub(crate) fn say_error(format: LogFormat, error: &anyhow::Error) {
    let line = match format {
        LogFormat::Json => object("failed", &format!("{error:#}")),
        LogFormat::Auto | LogFormat::Text => format!("error: {error:#}"),
    };
    // If nobody listens any more, the exit code still says it.
    let _ = writeln!(stderr().lock(), "{line}");
}

fn say_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line()));
    let message = panic.payload_as_str().unwrap_or("no message");
    let line = object("panic", &format!("panicked{}: {message}", place.unwrap_or_default()));
    let _ = writeln!(stderr().lock(), "{line}");
}

/// A line like those of the logger, made by hand: it must come through whatever the filter is, and
/// whatever state the logger is in.
fn object(event: &str, message: &str) -> String {
    let timestamp = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    let fields = json!({ "event": event, "message": message });
    json!({ "timestamp": timestamp, "level": "ERROR", "fields": fields, "target": "id_node" })
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const CHILD: &str = "ID_NODE_TEST_PANICS";

    /// In a process of its own: the logger and the hook are the whole process'.
    #[test]
    fn with_json_a_panic_and_the_last_error_are_json_too_whatever_is_filtered() {
        if std::env::var_os(CHILD).is_some() {
            Logger::install(LogFormat::Json, LogLevel::Warn);
            tracing::error!("an error");
            let panicked = std::thread::spawn(|| panic!("a \"panic\"\nof two lines")).join();
            assert!(panicked.is_err());
            return say_error(LogFormat::Json, &anyhow::anyhow!("the last").context("why"));
        }
        let test = "cli::logging::tests::with_json_a_panic_and_the_last_error_are_json_too_whatever_is_filtered";
        for (filter, n) in [("off", 2), ("warn", 3)] {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").env("RUST_LOG", filter);
            let output = child.output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            let lines: Vec<serde_json::Value> =
                stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
            assert_eq!(lines.len(), n, "{stderr}");
            let last: Vec<_> = lines[n - 2..].iter().map(|line| &line["fields"]).collect();
            assert_eq!(last[0]["event"], "panic");
            assert!(last[0]["message"].as_str().unwrap().ends_with("a \"panic\"\nof two lines"));
            assert_eq!(last[1], &json!({ "event": "failed", "message": "why: the last" }));
            let keys = |line: &serde_json::Value| {
                line.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(keys(&lines[0]), keys(&lines[n - 1]), "all lines are of one form");
        }
    }
}
