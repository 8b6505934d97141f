//! Many peers: how soon they are seen, and what it costs to fetch them again.

use anyhow::Result;

use super::{N_ROWS, Stage};
use crate::{crowd::Crowd, figures};

pub(super) async fn tell(stage: &Stage) -> Result<String> {
    let mut said = Vec::new();
    for n_peers in [300, 5000] {
        let (browser, crowd) = (&stage.browser, Crowd::gather(n_peers).await?);
        // One more: the node itself.
        let n_rows = n_peers + 1;
        browser.open(&crowd.url).await?;
        browser.expect("all are there", &format!("{N_ROWS} === {n_rows}")).await?;
        browser.picture_all(&n_peers.to_string()).await?;
        browser.expect_peace().await?;
        let figures = figures::take(browser, &crowd.url).await?;
        browser.expect_peace().await?;
        crowd.close().await;
        said.push(format!("{n_peers}: {figures}"));
    }
    Ok(said.join("\n                    "))
}
