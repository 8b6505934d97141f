//! Whoever comes or goes is seen without doing anything; unless the page is paused.

use anyhow::Result;

use super::{N_ROWS, POLL, Stage};
use crate::{browser::Browser, nodes::Nodes};

const NAMES: [&str; 6] = ["ash", "birch", "cedar", "elm", "oak", "rowan"];

pub(super) async fn tell(stage: &Stage) -> Result<String> {
    let (browser, mut nodes) = (&stage.browser, Nodes::new(&stage.node)?);
    let mut url = String::new();
    for name in NAMES {
        let node = nodes.start(name).await?;
        if url.is_empty() {
            url = node.url.clone();
        }
    }
    browser.open(&url).await?;
    browser.until("six are known", &format!("{N_ROWS} === 6")).await?;
    // Until ours has dialled everybody; then the picture is as it stays.
    browser.picture_all("5").await?;
    let came = comes(browser, &mut nodes).await?;
    let went = goes(browser, &mut nodes).await?;
    pauses(browser, &mut nodes).await?;
    browser.expect_peace().await?;
    Ok(format!(
        "a seventh was seen {came:.1} s after its start, its end after {went:.1} s; paused and went on"
    ))
}

async fn comes(browser: &Browser, nodes: &mut Nodes) -> Result<f64> {
    let before: String = browser.ask("document.querySelector('#topology img').src").await?;
    nodes.start("yew").await?;
    let came = browser.until("the seventh is seen", &format!("{N_ROWS} === 7")).await?;
    browser
        .expect(
            "it is said aloud",
            "document.querySelector('#news').textContent.startsWith('7 known')",
        )
        .await?;
    let is_new = "document.querySelector('#topology img').src !== it";
    anyhow::ensure!(
        browser.ask_with::<bool>(is_new, before.into()).await?,
        "the picture is drawn anew"
    );
    Ok(came.as_secs_f64())
}

async fn goes(browser: &Browser, nodes: &mut Nodes) -> Result<f64> {
    nodes.stop_last().await?;
    let went = browser.until("the seventh is gone", &format!("{N_ROWS} === 6")).await?;
    Ok(went.as_secs_f64())
}

async fn pauses(browser: &Browser, nodes: &mut Nodes) -> Result<()> {
    browser.expect("it can be paused", "(document.querySelector('#pause').click(), true)").await?;
    let pressed = "document.querySelector('#pause').getAttribute('aria-pressed')";
    browser.expect("it is paused", &format!("{pressed} === 'true'")).await?;
    nodes.start("zelkova").await?;
    let served = "(await (await fetch('/peers.json')).json()).peers.length === 7";
    browser.until("the node knows it", served).await?;
    browser.expect("it asks again", POLL).await?;
    browser
        .expect(
            "but not the node",
            &format!("{N_ROWS} === 6 && !document.querySelector('.htmx-request')"),
        )
        .await?;
    browser.expect("it can go on", "(document.querySelector('#pause').click(), true)").await?;
    browser.until("it shows all again", &format!("{N_ROWS} === 7")).await?;
    browser.expect("it isn't paused", &format!("{pressed} === 'false'")).await
}
