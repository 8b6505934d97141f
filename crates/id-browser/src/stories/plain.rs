//! Who runs no scripts sees as much, sorts by links, and reads whole node ids.

use anyhow::Result;

use super::{N_ROWS, Stage};
use crate::{
    browser::{Browser, Scripts, Window},
    crowd::Crowd,
};

pub(super) async fn tell(stage: &Stage) -> Result<String> {
    let (browser, crowd) = (&stage.browser, Crowd::gather(5).await?);
    browser.set_scripts(Scripts::Off).await?;
    let seen = look(browser, &crowd.url).await;
    browser.set_scripts(Scripts::Run).await?;
    crowd.close().await;
    seen?;
    Ok("all rows with whole ids, sorted by a link".to_owned())
}

async fn look(browser: &Browser, url: &str) -> Result<()> {
    browser.open(url).await?;
    browser.expect("no script has run", "typeof htmx === 'undefined'").await?;
    browser.expect("all are there", &format!("{N_ROWS} === 6")).await?;
    browser
        .expect(
            "what needs a script is hidden",
            "!document.querySelector('#pause').checkVisibility()",
        )
        .await?;
    let whole = "document.querySelector('tbody code').innerText.length === 64";
    browser.expect("ids are whole", whole).await?;
    for window in Window::ALL {
        browser.resize(window).await?;
        browser.picture(&format!("plain-{}", window.as_str())).await?;
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        browser.expect("nothing is beyond the edge", fits).await?;
    }
    browser.resize(Window::Wide).await?;
    let link: String = browser.ask("document.querySelector('#to-name').href").await?;
    browser.open(&link).await?;
    let sorted = "document.querySelector('th.name').getAttribute('aria-sort') === 'ascending'";
    browser.expect("a link sorts", sorted).await
}
