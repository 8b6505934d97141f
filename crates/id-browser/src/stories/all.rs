//! All can use it: axe-core finds nothing serious, whether it is light or dark, wide or narrow.

use std::fmt;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::Stage;
use crate::{
    browser::{Browser, Scheme, Window},
    crowd::Crowd,
};

/// A rule that is broken.
#[derive(Debug, Deserialize)]
struct Violation {
    id: String,
    impact: Option<String>,
    help: String,
    /// Where, a few of them.
    places: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let impact = self.impact.as_deref().unwrap_or("of unknown impact");
        write!(f, "{} ({impact}): {}\n  {}", self.id, self.help, self.places.join("\n  "))
    }
}

const ASK: &str = "(await axe.run(document, { resultTypes: ['violations'] })).violations.map(\
    ({ id, impact, help, nodes }) => ({ id, impact, help, places: nodes.slice(0, 3).map(({ html }) => html) }))";

pub(super) async fn tell(stage: &Stage) -> Result<String> {
    let Some(axe) = &stage.axe else {
        return Ok("SKIPPED: axe-core is missing".to_owned());
    };
    let mut n_minor = 0;
    for n_peers in [0, 5, 300] {
        let crowd = Crowd::gather(n_peers).await?;
        stage.browser.open(&crowd.url).await?;
        stage.browser.run(axe).await?;
        for window in Window::ALL {
            stage.browser.resize(window).await?;
            for scheme in Scheme::ALL {
                stage.browser.prefer(scheme).await?;
                n_minor += ask(&stage.browser).await?;
            }
        }
        stage.browser.resize(Window::Wide).await?;
        crowd.close().await;
    }
    Ok(format!("axe-core finds nothing serious, and {n_minor} smaller things"))
}

async fn ask(browser: &Browser) -> Result<usize> {
    let found: Vec<Violation> = browser.ask(ASK).await?;
    let is_serious =
        |one: &&Violation| matches!(one.impact.as_deref(), Some("serious" | "critical") | None);
    let serious: Vec<_> = found.iter().filter(is_serious).collect();
    let said: String = serious.iter().map(|one| format!("\n{one}")).collect();
    ensure!(said.is_empty(), "axe-core finds:{said}");
    Ok(found.len())
}
