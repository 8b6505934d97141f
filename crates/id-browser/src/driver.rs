//! chromedriver, and through it a Chromium that nobody has used before.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long it may take to start. Origin: wild guess, for a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a script may run in the page. Origin: wild guess; axe takes seconds.
const SCRIPT_LIMIT: Duration = Duration::from_secs(120);

/// What chromedriver says on which port it listens.
const STARTED: &str = "was started successfully on port ";

/// What Chromium does at its start besides what it is asked for, and needn't.
const SWITCHES: &[&str] = &[
    "--headless=new",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    // All that is looked at is on this machine, and nothing else shall be asked for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A browser under our control. It ends with this.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) session: WebDriver,
    chromedriver: Child,
    _profile: TempDir,
}

impl Driver {
    pub(crate) async fn start() -> Result<Self> {
        // Whoever may speak TLS wants to know how, although nobody does here. A second start finds it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let profile = tempfile::Builder::new().prefix("id-browser-").tempdir()?;
        let mut chromedriver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("can't run chromedriver (package chromium-driver)")?;
        let stdout = chromedriver.stdout.take().context("stdout isn't a pipe")?;
        let port = timeout(START_LIMIT, port(stdout)).await.context("chromedriver is silent")??;
        let url = format!("http://127.0.0.1:{port}");
        let session = WebDriver::new(url, capabilities(&profile)?).await?;
        session.set_script_timeout(SCRIPT_LIMIT).await?;
        Ok(Self { session, chromedriver, _profile: profile })
    }

    /// Closes it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.session.quit().await?;
        self.chromedriver.kill().await?;
        Ok(())
    }
}

async fn port(stdout: ChildStdout) -> Result<u16> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, port)) = line.split_once(STARTED) {
            // Somebody must read what else it says, or it stops some day.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return port.trim_end_matches('.').parse().context("chromedriver's port");
        }
    }
    anyhow::bail!("chromedriver ended at once")
}

fn capabilities(profile: &TempDir) -> Result<thirtyfour::ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    SWITCHES.iter().try_for_each(|switch| capabilities.add_arg(switch))?;
    capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
    if is_root()? {
        // Chromium's own walls need a user to hide behind.
        capabilities.set_no_sandbox()?;
    }
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(capabilities)
}

fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}
