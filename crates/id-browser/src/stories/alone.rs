//! A node that knows nobody shows itself, and says what to do.

use anyhow::Result;

use super::{N_ROWS, Stage};
use crate::nodes::Nodes;

pub(super) async fn tell(stage: &Stage) -> Result<String> {
    let (browser, mut nodes) = (&stage.browser, Nodes::new(&stage.node)?);
    let node = nodes.start("hermit").await?;
    browser.open(&node.url).await?;
    browser.expect("it shows itself", &format!("{N_ROWS} === 1")).await?;
    let own = serde_json::json!(node.id);
    let shown: bool =
        browser.ask_with("document.querySelector('tbody code').textContent === it", own).await?;
    anyhow::ensure!(shown, "the whole id is in the row");
    browser.expect("it says what to do", "!!document.querySelector('.hint')").await?;
    browser
        .expect("the tab says how many there are", "document.title === '1 known · hermit'")
        .await?;
    browser.picture_all("0").await?;
    browser.expect_peace().await?;
    Ok("shows itself, and says what to do".to_owned())
}
