//! The configuration file of the binary: a TOML table whose keys are the flags' names.
//!
//! What comes out is what is written, each value on its own; what the settings amount to together is
//! decided by the binary, which has flags and variables besides.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{AnnounceAddrs, endpoint::Relay, http::Listen};

/// Longest configuration file, in bytes. Origin: a hundred and fifty bootstrap peers fit, and no
/// allocation of the parser's, which takes up to 88 bytes for an item of two, is above a mebibyte.
pub const MAX_CONFIG_LEN: usize = 16 * 1024;

/// The settings that a file gives; `None` for those that it doesn't.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ConfigFile {
    /// Where identity and known peers are kept.
    pub data_dir: Option<PathBuf>,
    /// Whether nothing is kept on disk.
    pub ephemeral: Option<bool>,
    /// What others shall call the node.
    pub name: Option<String>,
    /// The network's topic.
    pub topic: Option<String>,
    /// The network's secret.
    #[serde(deserialize_with = "unquoted")]
    pub topic_secret: Option<String>,
    /// The file that holds the network's secret.
    pub topic_secret_file: Option<PathBuf>,
    /// Peers to join through, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub bootstrap: Option<String>,
    /// Nodes to have nothing to do with, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub deny: Option<String>,
    /// The file that lists more of them.
    pub deny_file: Option<PathBuf>,
    /// The only nodes to have to do with, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub allow: Option<String>,
    /// The file that lists more of them.
    pub allow_file: Option<PathBuf>,
    /// Who may hand peers over, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub operator: Option<String>,
    /// Who may change the names of blobs, and send blobs, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub allow_write: Option<String>,
    /// Whether the node holds no blobs.
    pub no_blobs: Option<bool>,
    /// Whether the gossip topic is not joined.
    pub no_gossip: Option<bool>,
    /// Whether no peers are looked for in the DHT.
    pub no_dht: Option<bool>,
    /// Through which nodes a private DHT is entered, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub dht_bootstrap: Option<String>,
    /// Whether no peers are looked for on the local network.
    pub no_mdns: Option<bool>,
    /// Names to ask the DNS for, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub bootstrap_dns: Option<String>,
    /// Which relays to use.
    #[serde(deserialize_with = "parsed")]
    pub relay: Option<Relay>,
    /// Whether no relay is used.
    pub no_relay: Option<bool>,
    /// Where to listen.
    pub bind: Option<SocketAddr>,
    /// Which addresses to announce.
    #[serde(deserialize_with = "parsed")]
    pub announce_addrs: Option<AnnounceAddrs>,
    /// How often to announce, in seconds.
    pub announce_interval: Option<u32>,
    /// Where to serve HTTP, if anywhere.
    #[serde(deserialize_with = "parsed")]
    pub http: Option<Listen>,
    /// By which names the HTTP server may be called, separated by commas.
    #[serde(deserialize_with = "text_or_list")]
    pub http_host: Option<String>,
    /// How to log.
    #[serde(deserialize_with = "parsed")]
    pub log_format: Option<LogFormat>,
    /// How much to log.
    #[serde(deserialize_with = "parsed")]
    pub log_level: Option<LogLevel>,
}

/// How logs look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text, coloured on a terminal.
    #[default]
    Auto,
    /// Text without colours.
    Text,
    /// A JSON object a line.
    Json,
}

impl LogFormat {
    /// Every name.
    pub const NAMES: [&str; 3] = ["auto", "text", "json"];
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}`: auto, text or json is expected")),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES[*self as usize])
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What an operator should look at.
    #[default]
    Warn,
    /// What happens to the table, too.
    Info,
    /// Why, too.
    Debug,
    /// What the network stack does, too.
    All,
}

impl LogLevel {
    /// Every name, in the order of the levels.
    pub const NAMES: [&str; 4] = ["warn", "info", "debug", "all"];

    const ALL: [Self; 4] = [Self::Warn, Self::Info, Self::Debug, Self::All];

    /// What `-v` means that is given so often.
    pub fn of_verbosity(n: u8) -> Self {
        Self::ALL[usize::from(n).min(Self::ALL.len() - 1)]
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|level| level.to_string() == s);
        named.ok_or_else(|| format!("`{s}`: warn, info, debug or all is expected"))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES[*self as usize])
    }
}

/// On which line of a file each of its keys is, counted from 1.
pub type KeyLines = BTreeMap<String, usize>;

/// What is wrong with a configuration file. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// It can't be read, or isn't UTF-8.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is longer than [`MAX_CONFIG_LEN`]; nothing of it was parsed.
    #[error("more than {MAX_CONFIG_LEN} bytes")]
    TooLong,
    /// It is no TOML, or sets something that doesn't exist, or sets it to what it can't be. Quotes
    /// no line of the file, for one of them may hold the secret.
    #[error("line {line}: {}{message}", Key(.key))]
    Wrong {
        /// The line, counted from 1.
        line: usize,
        /// The key, where it is the value that is wrong.
        key: Option<String>,
        /// What is wrong.
        message: String,
    },
}

struct Key<'a>(&'a Option<String>);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |key| write!(f, "{key}: "))
    }
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it can't be read, is too long, or is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigFileError> {
        Self::read_with_lines(path).map(|(file, _)| file)
    }

    /// Reads a file, and notes where its keys are.
    ///
    /// # Errors
    ///
    /// As [`ConfigFile::read`].
    pub fn read_with_lines(path: &Path) -> Result<(Self, KeyLines), ConfigFileError> {
        let mut text = String::new();
        // One byte more shows that the file is too long.
        File::open(path)?.take(MAX_CONFIG_LEN as u64 + 1).read_to_string(&mut text)?;
        Ok((Self::parse(&text)?, key_lines(&text)))
    }

    /// Reads the text of a file, of at most [`MAX_CONFIG_LEN`] bytes.
    ///
    /// # Errors
    ///
    /// If it is too long or wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigFileError> {
        if text.len() > MAX_CONFIG_LEN {
            return Err(ConfigFileError::TooLong);
        }
        toml::from_str(text).map_err(|error| wrong(text, &error))
    }
}

fn wrong(text: &str, error: &toml::de::Error) -> ConfigFileError {
    let at = error.span().map_or(0, |span| span.start);
    ConfigFileError::Wrong {
        line: line_at(text, at),
        key: key_at(text, at),
        message: error.message().to_owned(),
    }
}

fn line_at(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn key_lines(text: &str) -> KeyLines {
    let Ok(table) = toml::de::DeTable::parse(text) else {
        return KeyLines::new();
    };
    let line = |key: &toml::Spanned<toml::de::DeString<'_>>| line_at(text, key.span().start);
    table.get_ref().keys().map(|key| (key.get_ref().to_string(), line(key))).collect()
}

/// The key whose value is at this place.
fn key_at(text: &str, at: usize) -> Option<String> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let (key, _) = table.get_ref().iter().find(|(_, value)| value.span().contains(&at))?;
    Some(key.get_ref().to_string())
}

/// Shows no secret.
impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigFile")
            .field("name", &self.name)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

fn parsed<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

/// Errors of serde quote what they find; this is for what mustn't be quoted.
fn unquoted<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from);
    text.map(Some).map_err(|_| D::Error::custom("a string is expected"))
}

/// In a file, a list is nicer than commas.
fn text_or_list<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrList {
        Text(String),
        List(Vec<String>),
    }
    Ok(Some(match TextOrList::deserialize(from)? {
        TextOrList::Text(text) => text,
        TextOrList::List(list) => list.join(","),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        ConfigFile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_list_is_as_good_as_commas() {
        let list = ConfigFile::parse("bootstrap = [\"a\", \"b\"]").unwrap();
        let text = ConfigFile::parse("bootstrap = \"a,b\"").unwrap();
        assert_eq!(list.bootstrap, text.bootstrap);
        assert_eq!(list.bootstrap.as_deref(), Some("a,b"));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (n, name) in LogLevel::NAMES.into_iter().enumerate() {
            assert_eq!(name.parse(), Ok(LogLevel::of_verbosity(n as u8)));
            assert_eq!(LogLevel::of_verbosity(n as u8).to_string(), name);
        }
        assert_eq!(LogLevel::of_verbosity(9), LogLevel::All);
        for name in LogFormat::NAMES {
            assert_eq!(name.parse::<LogFormat>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn every_key_is_found_on_its_line() {
        let lines = key_lines("# a\nname = \"n\"\n\ndeny = [\n  \"x\",\n]\ntopic = \"t\"\n");
        let expected = [("deny", 4), ("name", 2), ("topic", 7)];
        assert_eq!(lines, expected.map(|(key, line)| (key.to_owned(), line)).into());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_key() {
        assert!(error("name = \"n\"\n\nnmae = 1").starts_with("line 3: unknown field `nmae`"));
        let expected = "line 2: announce-addrs: `most`: auto, all, relay or none is expected";
        assert_eq!(error("name = \"n\"\nannounce-addrs = \"most\""), expected);
        assert!(error("bind = \"nowhere\"").starts_with("line 1: bind: "), "{}", error("bind = 1"));
        assert!(error("log-format = \"xml\"").contains("log-format: `xml`"));
    }

    #[test]
    fn neither_error_nor_debug_shows_the_secret() {
        for wrong in ["topic-secret = 8675309", "topic-secret = [\"8675309\"]"] {
            assert_eq!(error(wrong), "line 1: topic-secret: a string is expected");
        }
        let config = ConfigFile::parse("topic-secret = \"8675309\"").unwrap();
        assert!(!format!("{config:?}").contains("8675309"));
    }

    #[test]
    fn a_file_that_is_too_long_is_refused_unparsed() {
        let longest = "#".repeat(MAX_CONFIG_LEN);
        assert!(ConfigFile::parse(&longest).is_ok());
        let error = ConfigFile::parse(&(longest + "#")).unwrap_err();
        assert!(matches!(error, ConfigFileError::TooLong));
    }
}
