//! What is looked at, one story each.

mod all;
mod alone;
mod comings;
mod crowds;
mod hostile;
mod keyboard;
mod plain;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result, ensure};

use crate::{Cli, browser::Browser};

/// How many rows the table has, ours included.
const N_ROWS: &str = "document.querySelectorAll('tbody tr').length";
/// Has the page ask now what it asks every ten seconds.
const POLL: &str = "(htmx.trigger('#peers', 'refresh'), true)";

/// What the stories are given.
#[derive(Debug)]
struct Stage {
    browser: Browser,
    node: PathBuf,
    axe: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Story {
    Alone,
    Comings,
    Hostile,
    Keyboard,
    Plain,
    All,
    Crowds,
}

impl Story {
    const ALL: [Self; 7] = [
        Self::Alone,
        Self::Comings,
        Self::Hostile,
        Self::Keyboard,
        Self::Plain,
        Self::All,
        Self::Crowds,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Comings => "comings",
            Self::Hostile => "hostile",
            Self::Keyboard => "keyboard",
            Self::Plain => "plain",
            Self::All => "all",
            Self::Crowds => "crowds",
        }
    }

    /// Says what was seen.
    async fn tell(self, stage: &Stage) -> Result<String> {
        match self {
            Self::Alone => alone::tell(stage).await,
            Self::Comings => comings::tell(stage).await,
            Self::Hostile => hostile::tell(stage).await,
            Self::Keyboard => keyboard::tell(stage).await,
            Self::Plain => plain::tell(stage).await,
            Self::All => all::tell(stage).await,
            Self::Crowds => crowds::tell(stage).await,
        }
    }
}

/// Tells them all, or the one that is asked for, up to the first that goes wrong.
pub(crate) async fn tell(cli: &Cli) -> Result<()> {
    let wanted = |story: &Story| cli.only.as_deref().is_none_or(|only| only == story.as_str());
    let wanted: Vec<_> = Story::ALL.into_iter().filter(wanted).collect();
    ensure!(!wanted.is_empty(), "there is no such story");
    let axe = cli.axe.as_ref().map(std::fs::read_to_string).transpose().context("axe")?;
    let browser = Browser::start(&cli.shots).await?;
    let stage = Stage { browser, node: cli.node.clone(), axe };
    for story in wanted {
        let started = Instant::now();
        let seen = story.tell(&stage).await.with_context(|| story.as_str())?;
        let secs = started.elapsed().as_secs_f64();
        println!("{:<10}{secs:>6.1} s  {seen}", story.as_str());
    }
    stage.browser.stop().await
}
