//! Names that are meant to harm: they are text, stay in their cell, and turn nothing.

use anyhow::{Result, ensure};

use super::{N_ROWS, Stage};
use crate::{crowd::Crowd, nodes::Nodes};

/// What our own program lets somebody call their node; a stranger's may say more.
const SAYABLE: [&str; 4] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u{202e}gpj.exe\u{202c}\" onload=\"alert(1)",
    "z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}\u{30b}\u{30c}\u{30d}\u{30e}\u{30f}\u{310}\u{311}\u{312}\u{313}\u{314}\u{315}\u{316}\u{317}\u{318}\u{319}\u{31a}\u{31b}\u{31c}\u{31d}\u{31e}",
];

/// What no text shall hold that is shown: controls, and what turns the direction.
const HARM: &str =
    r"/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/";

pub(super) async fn tell(stage: &Stage) -> Result<String> {
    real(stage).await?;
    made_up(stage).await?;
    Ok("script, handlers, ANSI escapes, overrides and marks are text in their cell".to_owned())
}

/// Of real nodes.
async fn real(stage: &Stage) -> Result<()> {
    let (browser, mut nodes) = (&stage.browser, Nodes::new(&stage.node)?);
    let mut url = String::new();
    for name in SAYABLE {
        let node = nodes.start(name).await?;
        if url.is_empty() {
            url = node.url.clone();
        }
    }
    browser.open(&url).await?;
    browser.until("all four are known", &format!("{N_ROWS} === 4")).await?;
    looks_harmless(stage).await?;
    let first =
        "[...document.querySelectorAll('tbody bdi')].some((name) => name.textContent === it)";
    ensure!(browser.ask_with::<bool>(first, SAYABLE[0].into()).await?, "a script is shown as text");
    browser.picture_all("hostile").await
}

/// Of strangers, who say whatever they like.
async fn made_up(stage: &Stage) -> Result<()> {
    let crowd = Crowd::called(&[
        "\u{1b}[31mred\u{1b}]0;owned\u{7}",
        "\u{9b}31m\u{7f}",
        "two\nlines\tand a tab",
        "\u{2067}\u{202e}right to left",
        "</bdi></td></tr></table><script>alert(1)</script>",
        "' onfocus='alert(1)' autofocus='",
        "&lt;b&gt; &amp; <b>bold</b>",
    ])
    .await?;
    stage.browser.open(&crowd.url).await?;
    stage.browser.expect("all are there", &format!("{N_ROWS} === 8")).await?;
    looks_harmless(stage).await?;
    crowd.close().await;
    Ok(())
}

async fn looks_harmless(stage: &Stage) -> Result<()> {
    let browser = &stage.browser;
    browser
        .expect("no control and no override", &format!("!{HARM}.test(document.body.textContent)"))
        .await?;
    browser
        .expect("scripts are our own", "document.querySelectorAll('body script').length === 0")
        .await?;
    browser.expect("one picture is here", "document.images.length === 1").await?;
    let attributes = "[...document.querySelectorAll('tbody *')].every((one) => [...one.attributes]\
        .every(({ name }) => ['class', 'role', 'scope', 'type', 'aria-label'].includes(name)))";
    browser.expect("nobody brought an attribute", attributes).await?;
    let inside = "[...document.querySelectorAll('tbody tr')].every((row) => [...row.children].every((cell) => \
        cell.getBoundingClientRect().bottom <= row.getBoundingClientRect().bottom + 1))";
    browser.expect("every cell is in its row", inside).await?;
    browser.expect_peace().await
}
