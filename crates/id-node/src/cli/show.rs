//! `config show`: the settings in force, each with where it comes from.

use std::fmt::{self, Write as _};

use id_node::settings::{Options, Origin, Settings};
use id_proto::{PeerRef, Ticket};
use serde::Serialize;
use serde_json::{Map, Value};

/// Of the form of the JSON: a minor change adds, a major one means that readers must change.
const FORMAT_VERSION: &str = "1.0";
/// The column at which origins begin, unless a value is longer.
const COLUMN: usize = 40;

/// The settings as a table of keys, in the order of the flags.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    format_version: &'static str,
    config: Option<String>,
    settings: Map<String, Value>,
    #[serde(skip)]
    lines: Vec<Line>,
}

/// One setting.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(skip)]
    key: String,
    /// `null` if there is none, or if it is hidden.
    value: Value,
    hidden: bool,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

impl Shown {
    pub(crate) fn new(settings: &Settings) -> Self {
        let values = without_secrets(settings.in_force()).values();
        let line = |(key, value): (&String, &Value)| Line::new(key, value.clone(), settings);
        let lines: Vec<_> = values.iter().map(line).collect();
        let json = |line: &Line| serde_json::to_value(line).expect("a line is an object");
        Self {
            format_version: FORMAT_VERSION,
            config: settings.layers.file().map(|path| path.display().to_string()),
            settings: lines.iter().map(|line| (line.key.clone(), json(line))).collect(),
            lines,
        }
    }

    /// One object, on several lines.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("it is an object") + "\n"
    }

    /// A configuration file.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = "# The settings in force, and where each comes from.\n".to_owned();
        if std::env::var_os("RUST_LOG").is_some() {
            text += "# RUST_LOG is set, and beats log-level.\n";
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

impl Line {
    fn new(key: &str, value: Value, settings: &Settings) -> Self {
        let origin = settings.origin(key);
        let is_set = !value.is_null() || is_secret(key) && origin != Origin::Default;
        let hidden = is_secret(key) && is_set;
        let (variable, file, line) = match &origin {
            Origin::Variable(name) => (Some(name.clone()), None, None),
            Origin::Manager(name) => (Some((*name).to_owned()), None, None),
            Origin::File(path, line) => (None, Some(path.display().to_string()), Some(*line)),
            Origin::Flag | Origin::Ticket | Origin::Default => (None, None, None),
        };
        let value = if hidden { Value::Null } else { value };
        Self { key: key.to_owned(), value, hidden, origin: name(&origin), variable, file, line }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = match (self.hidden, toml_value(&self.value)) {
            (true, _) => format!("# {} is hidden", self.key),
            (false, None) => format!("# {} is not set", self.key),
            (false, Some(value)) => format!("{} = {value}", self.key),
        };
        write!(f, "{setting:<COLUMN$}  # ")?;
        match (&self.variable, &self.file, self.line) {
            (Some(variable), ..) => write!(f, "${variable}"),
            (_, Some(file), Some(line)) => write!(f, "{file}, line {line}"),
            _ => f.write_str(self.origin),
        }
    }
}

fn name(origin: &Origin) -> &'static str {
    match origin {
        Origin::Flag => "flag",
        Origin::Variable(_) => "variable",
        Origin::File(..) => "file",
        Origin::Manager(_) => "service manager",
        Origin::Ticket => "ticket",
        Origin::Default => "default",
    }
}

fn toml_value(value: &Value) -> Option<String> {
    toml::Value::try_from(value).ok().map(|value| value.to_string())
}

fn is_secret(key: &str) -> bool {
    key == "topic-secret"
}

/// A ticket may hold a secret as well.
fn without_secrets(options: Options) -> Options {
    let shown = |item: &str| match item.trim().parse() {
        Ok(PeerRef::Ticket(ticket)) => Ticket { invitation: None, ..ticket }.to_string(),
        _ => item.to_owned(),
    };
    let shown = |list: String| list.split(',').map(shown).collect::<Vec<_>>().join(",");
    Options { bootstrap: options.bootstrap.map(shown), ..options }
}
