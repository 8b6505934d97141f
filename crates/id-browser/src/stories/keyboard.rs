//! Who has no mouse can sort, copy and stay where they are while the table is fetched again.

use anyhow::{Result, ensure};

use super::{POLL, Stage};
use crate::{
    browser::{Browser, Key},
    crowd::Crowd,
};

/// What has the focus, in words.
const FOCUSED: &str = "(() => { const at = document.activeElement; \
    return at.getAttribute('aria-label') ?? at.textContent; })()";

pub(super) async fn tell(stage: &Stage) -> Result<String> {
    let (browser, crowd) = (&stage.browser, Crowd::gather(5).await?);
    browser.open(&crowd.url).await?;
    let n_stops = order(browser).await?;
    sorts(browser).await?;
    copies(browser, &crowd.url).await?;
    stays(browser).await?;
    browser.expect_peace().await?;
    crowd.close().await;
    Ok(format!("{n_stops} stops in order; sorted, copied and stayed where it was"))
}

/// From the top: first what leads past the rest, then what is seen from left to right.
async fn order(browser: &Browser) -> Result<usize> {
    const ORDER: [&str; 18] = [
        "skip to the peers",
        "skip to the picture",
        "peers",
        "peers.json",
        "peers.svg",
        "metrics",
        "readyz",
        "livez",
        "copy node id ",
        "pause",
        "node",
        "name",
        "blobs",
        "status",
        "path",
        "rtt",
        "seen",
        "from",
    ];
    for expected in ORDER {
        browser.press(Key::Tab).await?;
        let focused: String = browser.ask(FOCUSED).await?;
        ensure!(focused.starts_with(expected), "the focus is on {focused:?}, not on {expected:?}");
    }
    Ok(ORDER.len())
}

async fn sorts(browser: &Browser) -> Result<()> {
    browser.ask::<bool>("(document.querySelector('#to-blobs').focus(), true)").await?;
    for (direction, url) in [("ascending", "?sort=blobs"), ("descending", "?sort=-blobs")] {
        browser.press(Key::Enter).await?;
        let sorted = format!(
            "document.querySelector('th.blobs').getAttribute('aria-sort') === '{direction}' && \
             location.search === '{url}'"
        );
        browser.until("it is sorted", &sorted).await?;
        browser.until("the focus stayed", "document.activeElement.id === 'to-blobs'").await?;
    }
    let counts: Vec<u64> = browser
        .ask("[...document.querySelectorAll('tbody td:nth-child(3)')].map((cell) => Number(cell.textContent))")
        .await?;
    ensure!(counts.len() == 6 && counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    browser.ask::<bool>("(location.reload(), true)").await?;
    let kept = "document.querySelector('th.blobs')?.getAttribute('aria-sort') === 'descending'";
    browser.until("the same after a reload", kept).await.map(drop)
}

async fn copies(browser: &Browser, url: &str) -> Result<()> {
    browser.let_read_clipboard(url).await?;
    browser.until("scripts run", "document.readyState === 'complete'").await?;
    browser.ask::<bool>("(document.querySelectorAll('tbody .copy')[1].focus(), true)").await?;
    browser.press(Key::Enter).await?;
    browser
        .until(
            "it is said aloud",
            "document.querySelector('#news').textContent.startsWith('copied ')",
        )
        .await?;
    let copied: String = browser.ask("await navigator.clipboard.readText()").await?;
    let shown: String =
        browser.ask("document.querySelectorAll('tbody code')[1].textContent").await?;
    ensure!(copied == shown && copied.len() == 64, "copied {copied:?} of {shown:?}");
    Ok(())
}

/// The row that has the focus keeps it, though it is another element now.
async fn stays(browser: &Browser) -> Result<()> {
    let before: String = browser.ask(FOCUSED).await?;
    browser.ask::<bool>("(window.old = document.activeElement, true)").await?;
    browser.ask::<bool>(POLL).await?;
    browser.until("the table is another", "!window.old.isConnected").await?;
    let after: String = browser.ask(FOCUSED).await?;
    ensure!(before.starts_with("copy node id ") && before == after, "{before:?}, then {after:?}");
    Ok(())
}
