//! Logs: on stderr, never on stdout.

use std::io::{IsTerminal, stderr};

use id_node::config_file::LogFormat;
use tracing_subscriber::EnvFilter;

use super::Settings;

/// Installs the logger of this process. `RUST_LOG` beats `-v`.
pub(crate) fn install(settings: &Settings) {
    let by_flag = match settings.verbose {
        // The stack warns of every peer that goes, and of every question to a local network that
        // isn't there; that is not the operator's trouble. mainline calls it an error, again and
        // again, if no DHT answers: the rendezvous says so itself, once. The relay's transport calls
        // it one when the endpoint closes as it was told to. Whoever sends SIGHUP is told what came of it.
        0 => {
            "warn,id_node=warn,id_node::settings::live=info,distributed_topic_tracker=error,mainline=off,\
              iroh=error,iroh_gossip=error,noq=error,iroh::socket::transports::relay=off,\
              swarm_discovery=off,iroh_mdns_address_lookup=off"
        }
        1 => {
            "warn,id_node=info,mainline=off,iroh=error,iroh_gossip=error,\
              iroh::socket::transports::relay=off,swarm_discovery=off,\
              iroh_mdns_address_lookup=off"
        }
        2 => "info,id_node=debug,id_client=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(by_flag));
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match settings.log_format {
        LogFormat::Json => logger.json().init(),
        LogFormat::Text => logger.with_ansi(false).init(),
        LogFormat::Auto => {
            let coloured = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            logger.with_ansi(coloured).init();
        }
    }
}
