//! A browser as the stories need it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::driver::Driver;

/// How long what must happen may take. Origin: two polls of the page, and a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at the page.
const REST: Duration = Duration::from_millis(50);

/// Notes what the content security policy stopped, before anything on the page can be stopped.
const WATCH: &str = "window.stopped = []; addEventListener('securitypolicyviolation', \
    (event) => window.stopped.push(`${event.violatedDirective} ${event.blockedURI}`));";

/// What the reader has set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

/// How large the window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    Wide,
    Narrow,
}

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    Run,
    Off,
}

/// A key of the keyboard.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Tab,
    Enter,
}

#[derive(Debug)]
pub(crate) struct Browser {
    driver: Driver,
    shots: PathBuf,
}

impl Scheme {
    pub(crate) const ALL: [Self; 2] = [Self::Light, Self::Dark];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Window {
    pub(crate) const ALL: [Self; 2] = [Self::Wide, Self::Narrow];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }

    /// In CSS pixels.
    fn size(self) -> (u32, u32) {
        match self {
            Self::Wide => (1440, 900),
            Self::Narrow => (400, 800),
        }
    }
}

impl Browser {
    /// Starts one that leaves its pictures in `shots`.
    pub(crate) async fn start(shots: &Path) -> Result<Self> {
        std::fs::create_dir_all(shots)?;
        let browser = Self { driver: Driver::start().await?, shots: shots.to_owned() };
        browser
            .command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }))
            .await?;
        browser.resize(Window::Wide).await?;
        Ok(browser)
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.driver.stop().await
    }

    pub(crate) async fn open(&self, url: &str) -> Result<()> {
        Ok(self.driver.session.goto(url).await?)
    }

    pub(crate) async fn resize(&self, window: Window) -> Result<()> {
        let (width, height) = window.size();
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await
    }

    pub(crate) async fn prefer(&self, scheme: Scheme) -> Result<()> {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme.as_str() });
        self.command("Emulation.setEmulatedMedia", json!({ "features": [feature] })).await
    }

    pub(crate) async fn set_scripts(&self, scripts: Scripts) -> Result<()> {
        let off = json!({ "value": scripts == Scripts::Off });
        self.command("Emulation.setScriptExecutionDisabled", off).await
    }

    /// Lets the page at `url` read what was copied, so that we can.
    pub(crate) async fn let_read_clipboard(&self, url: &str) -> Result<()> {
        let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        let grant = json!({ "origin": origin, "permissions": permissions });
        self.command("Browser.grantPermissions", grant).await
    }

    /// Presses a key, as a keyboard would.
    pub(crate) async fn press(&self, key: Key) -> Result<()> {
        let (name, code, text) = match key {
            Key::Tab => ("Tab", 9, None),
            Key::Enter => ("Enter", 13, Some("\r")),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code });
            if let Some(text) = text.filter(|_| kind == "keyDown") {
                event["text"] = text.into();
            }
            self.command("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// What `expression` is in the page; promises are awaited.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        self.ask_with(expression, json!(null)).await
    }

    /// The same, of an expression in which `it` stands for `value`.
    pub(crate) async fn ask_with<T: DeserializeOwned>(
        &self,
        expression: &str,
        value: Value,
    ) -> Result<T> {
        let script = format!("const it = arguments[0]; return (async () => ({expression}))();");
        let answer = self.driver.session.execute(script, vec![value]).await;
        let answer = answer.with_context(|| format!("in the page: {expression}"))?;
        serde_json::from_value(answer.json().clone())
            .with_context(|| format!("{expression} is {}", answer.json()))
    }

    /// Runs a script in the page, past its policy.
    pub(crate) async fn run(&self, script: &str) -> Result<()> {
        self.driver.session.execute(script, Vec::new()).await?;
        Ok(())
    }

    /// Fails unless `expression` is true now.
    pub(crate) async fn expect(&self, what: &str, expression: &str) -> Result<()> {
        ensure!(self.ask::<bool>(expression).await?, "not so: {what} ({expression})");
        Ok(())
    }

    /// Waits until `expression` is true.
    pub(crate) async fn until(&self, what: &str, expression: &str) -> Result<Duration> {
        let started = Instant::now();
        while !self.ask::<bool>(expression).await? {
            if started.elapsed() > LIMIT {
                bail!("within {LIMIT:?} it didn't come to this: {what} ({expression})");
            }
            tokio::time::sleep(REST).await;
        }
        Ok(started.elapsed())
    }

    /// Takes pictures of what is open, in every scheme and window.
    pub(crate) async fn picture_all(&self, name: &str) -> Result<()> {
        for window in Window::ALL {
            self.resize(window).await?;
            for scheme in Scheme::ALL {
                self.prefer(scheme).await?;
                self.picture(&format!("{name}-{}-{}", window.as_str(), scheme.as_str())).await?;
            }
        }
        self.resize(Window::Wide).await
    }

    /// Takes a picture of what is seen, once it was drawn with all its pictures.
    pub(crate) async fn picture(&self, name: &str) -> Result<()> {
        self.until("pictures are there", "[...document.images].every((one) => one.complete)")
            .await?;
        let path = self.shots.join(format!("{name}.png"));
        Ok(self.driver.session.screenshot(&path).await?)
    }

    /// Fails if there is anything in the console, or the policy stopped anything, since this was asked last.
    pub(crate) async fn expect_peace(&self) -> Result<()> {
        let logged = self.driver.session.browser_log().await?;
        let logged: Vec<_> =
            logged.iter().map(|entry| format!("{}: {}", entry.level, entry.message)).collect();
        ensure!(logged.is_empty(), "in the console: {logged:#?}");
        let stopped: Vec<String> = self.ask("window.stopped ?? ['nobody watched']").await?;
        ensure!(stopped.is_empty(), "stopped by the policy: {stopped:#?}");
        Ok(())
    }

    async fn command(&self, name: &str, params: Value) -> Result<()> {
        self.driver.session.cdp().send_raw(name, params).await.with_context(|| name.to_owned())?;
        Ok(())
    }
}
