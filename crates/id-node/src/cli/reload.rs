//! SIGHUP: what may change while a node runs is read again, and taken over as a whole or not at all.

use std::collections::BTreeSet;

use anyhow::Result;
use id_node::{
    AccessList, Node, ReloadEnd,
    data_dir::DataDir,
    settings::{Args, Settings, live},
};
use serde_json::{Map, Value};
use tracing::{error, info, warn};

use super::logging::{self, Logger};

/// What reads settings again, and has a node take them over.
#[derive(Debug)]
pub(crate) struct Reloader<'a> {
    node: &'a Node,
    dir: Option<&'a DataDir>,
    logger: &'a Logger,
    /// What the process was started with, by key.
    started: Values,
    /// Those of the last time that all was well.
    last: Settings,
}

type Values = Map<String, Value>;

impl<'a> Reloader<'a> {
    pub(crate) fn new(
        node: &'a Node,
        dir: Option<&'a DataDir>,
        logger: &'a Logger,
        settings: Settings,
    ) -> Self {
        let started = values(&settings);
        Self { node, dir, logger, started, last: settings }
    }

    /// Reads again what may change, and has the node take it over; what is wrong changes nothing. Cancel
    /// safe, but some of it may have been taken over.
    pub(crate) async fn reload(&mut self) {
        if !has_files(&self.last) {
            return info!("SIGHUP: there is no configuration file and no list to read again");
        }
        match self.read().await {
            Ok((settings, access)) => self.take_over(settings, access).await,
            Err(error) => {
                self.node.note_reload(ReloadEnd::Failed);
                let error = format!("{error:#}");
                error!(event = "reload_failed", error, "SIGHUP: nothing is changed");
            }
        }
    }

    async fn read(&self) -> Result<(Settings, AccessList)> {
        let (given, network) = (self.last.layers.given().clone(), self.last.network.clone());
        // A file may be on a disk that is slow to answer, or a pipe; the node goes on meanwhile.
        let read = tokio::task::spawn_blocking(move || Settings::again(&given, network));
        let settings = read.await??;
        let access = settings.live.access(self.dir)?;
        Ok((settings, access))
    }

    async fn take_over(&mut self, new: Settings, access: AccessList) {
        let (before, after) = (values(&self.last), values(&new));
        let changed = differing(&before, &after, |key| live::KEYS.contains(&key));
        let stale = differing(&self.started, &after, |key| !live::KEYS.contains(&key));
        if !stale.is_empty() {
            let settings = stale.join(", ");
            warn!(
                event = "restart_needed",
                settings, "SIGHUP: what is changed here needs a restart"
            );
        }
        for peer in new.live.bootstrap.iter().filter(|peer| !access.admits(&peer.id)) {
            warn!(peer = %peer.id, "a --bootstrap peer isn't admitted any more; the next start will refuse it");
        }
        let (denied, allowed) = (access.deny.len(), access.allow.as_ref().map(BTreeSet::len));
        let (n_before, whom) = (self.node.view().entries.len(), access.to_string());
        self.node.set_access(access).await;
        let removed = n_before.saturating_sub(self.node.view().entries.len());
        self.change(&new, &changed).await;
        self.node.note_reload(ReloadEnd::Applied);
        let changed = (!changed.is_empty()).then(|| changed.join(", "));
        info!(
            event = "reloaded",
            denied, allowed, removed, changed, "SIGHUP: has to do with {whom}"
        );
        self.last = new;
    }

    /// The lists are in force already.
    async fn change(&self, new: &Settings, changed: &[&str]) {
        if changed.contains(&"name")
            && let Err(error) = self.node.set_name(new.live.name.clone()).await
        {
            warn!(%error, "SIGHUP: the name can't be changed");
        }
        if changed.contains(&"bootstrap") {
            self.node.set_bootstrap(new.live.bootstrap.clone()).await;
        }
        if changed.contains(&"log-level") {
            self.set_log_level(new);
        }
    }

    fn set_log_level(&self, new: &Settings) {
        if logging::filter_by_variable().is_some() {
            return warn!("SIGHUP: RUST_LOG beats the log level");
        }
        if let Err(error) = self.logger.set_level(new.live.log_level) {
            warn!(%error, "SIGHUP: the log level can't be changed");
        }
    }
}

/// Whether a later look may find something else. A configuration file may come to name a list.
fn has_files(settings: &Settings) -> bool {
    let Args { config, options, .. } = &settings.layers.given().args;
    config.is_some() || options.deny_file.is_some() || options.allow_file.is_some()
}

/// The settings in force; but the topic as it is set, because the network is read at the start only.
fn values(settings: &Settings) -> Values {
    let mut values = settings.in_force().values();
    values.insert("topic".to_owned(), settings.layers.options.values()["topic"].clone());
    values
}

fn differing<'a>(one: &'a Values, other: &Values, counts: fn(&str) -> bool) -> Vec<&'a str> {
    let differs = |(key, value): &(&String, &Value)| counts(key) && other.get(*key) != Some(value);
    one.iter().filter(differs).map(|(key, _)| key.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_whichever_side_sets_it() {
        let values = |values: Value| values.as_object().unwrap().clone();
        let one = values(serde_json::json!({ "a": null, "b": 1, "c": "x" }));
        let other = values(serde_json::json!({ "a": 1, "b": null, "c": "x" }));
        assert_eq!(differing(&one, &other, |_| true), ["a", "b"]);
        assert_eq!(differing(&one, &other, |key| key == "b"), ["b"]);
    }
}
