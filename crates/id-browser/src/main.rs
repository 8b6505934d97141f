//! `id-browser`: looks at the peers page of real nodes in a real browser, as an operator would.
//!
//! Each of the [`stories`] starts what it needs, looks, and says what it saw; the browser is Chromium, without
//! a window. After each of them nothing may be in its console, and nothing may have been stopped by the
//! page's content security policy. `cargo xtask page` starts it.

mod browser;
mod crowd;
mod driver;
mod figures;
mod nodes;
mod stories;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Looks at the peers page in Chromium. Needs `chromium` and `chromedriver`.
#[derive(Debug, Parser)]
#[command(name = "id-browser")]
struct Cli {
    /// The node to look at
    #[arg(long)]
    node: PathBuf,
    /// Where pictures of what was seen are left
    #[arg(long)]
    shots: PathBuf,
    /// axe-core's `axe.min.js`; without it, nobody asks whether all can use the page
    #[arg(long)]
    axe: Option<PathBuf>,
    /// Tell this story only
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match stories::tell(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
