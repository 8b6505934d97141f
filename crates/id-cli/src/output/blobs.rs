//! What the commands about blobs print: a line each as text, one document as JSON, as they come.

use std::{
    fmt::Display,
    io::{self, BufWriter, Write},
    time::SystemTime,
};

use id_client::id_proto::{BlobHash, NameChange, NamedBlob};
use id_render::{Tool, model::generated_at, sanitize};
use serde::Serialize;

use crate::output::TOOL;

/// Of the document that docs/blobs.schema.json describes.
const FORMAT_VERSION: &str = "1.0";

/// What is printed of one blob.
pub(crate) trait Item: Serialize {
    /// The line for people; harmless.
    fn line(&self) -> String;
}

/// A blob that a name leads to.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    name: String,
    hash: String,
    size: u64,
}

/// What became of a name.
#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    name: String,
    hash: String,
    size: u64,
    /// How many names lead to the blob now.
    n_names: u64,
    /// What the name led to before.
    replaced: Option<String>,
    /// How much of the file had to be sent; `None` if there was no file.
    sent_bytes: Option<u64>,
}

/// A blob that was fetched.
#[derive(Debug, Serialize)]
pub(crate) struct Fetched {
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) size: u64,
    /// Where it is now.
    pub(crate) path: String,
    /// Who sent it.
    pub(crate) node_id: String,
    /// How much of it had to be fetched.
    pub(crate) fetched_bytes: u64,
}

impl From<&NamedBlob> for Named {
    fn from(blob: &NamedBlob) -> Self {
        let (name, hash) = (blob.name.to_string(), blob.hash.to_string());
        Self { name, hash, size: blob.size }
    }
}

impl Changed {
    pub(crate) fn new(name: impl Display, change: &NameChange, sent_bytes: Option<u64>) -> Self {
        Self {
            name: name.to_string(),
            hash: change.hash.to_string(),
            size: change.size,
            n_names: change.n_names,
            replaced: change.replaced.as_ref().map(BlobHash::to_string),
            sent_bytes,
        }
    }
}

impl Item for Named {
    fn line(&self) -> String {
        line(&self.hash, self.size, &self.name)
    }
}

impl Item for Changed {
    fn line(&self) -> String {
        line(&self.hash, self.size, &self.name)
    }
}

impl Item for Fetched {
    fn line(&self) -> String {
        line(&self.hash, self.size, &self.path)
    }
}

/// The name is last: it may have spaces in it.
fn line(hash: &str, size: u64, name: &str) -> String {
    format!("{hash} {size:>12} {}", sanitize::text(name))
}

/// Prints blobs as they come.
#[derive(Debug)]
pub(crate) struct Listing<W: Write> {
    out: BufWriter<W>,
    /// How many came so far, if it is a document.
    n_items: Option<u64>,
}

#[derive(Serialize)]
struct Header {
    format_version: &'static str,
    generated_at: String,
    tool: Tool,
}

#[derive(Serialize)]
struct Footer<'a> {
    /// Whether these are all that were asked for.
    complete: bool,
    error: Option<&'a str>,
}

impl<W: Write> Listing<W> {
    /// Prints what can be said before the first blob.
    pub(crate) fn start(out: W, json: bool, now: SystemTime) -> io::Result<Self> {
        let mut listing = Self { out: BufWriter::new(out), n_items: json.then_some(0) };
        if json {
            let header = Header {
                format_version: FORMAT_VERSION,
                generated_at: generated_at(now),
                tool: TOOL,
            };
            let header = encode(&header)?;
            let open = header.strip_suffix('}').unwrap_or(&header);
            write!(listing.out, "{open},\"blobs\":[")?;
        }
        Ok(listing)
    }

    /// Prints one.
    pub(crate) fn item(&mut self, item: &impl Item) -> io::Result<()> {
        match &mut self.n_items {
            None => writeln!(self.out, "{}", item.line()),
            Some(n_items) => {
                let separator = if *n_items == 0 { "" } else { "," };
                *n_items += 1;
                write!(self.out, "{separator}\n{}", encode(item)?)
            }
        }
    }

    /// Lets whoever reads have what was printed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Prints the end, and why it comes early if it does.
    pub(crate) fn end(mut self, error: Option<&str>) -> io::Result<()> {
        if self.n_items.is_some() {
            let footer = encode(&Footer { complete: error.is_none(), error })?;
            writeln!(self.out, "\n],{}", footer.strip_prefix('{').unwrap_or(&footer))?;
        }
        self.out.flush()
    }
}

fn encode(value: &impl Serialize) -> io::Result<String> {
    Ok(sanitize::json(&serde_json::to_string(value)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Named {
        Named { name: name.to_owned(), hash: "ab".repeat(32), size: 7 }
    }

    fn printed(json: bool, names: &[&str], error: Option<&str>) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::start(&mut out, json, SystemTime::UNIX_EPOCH).unwrap();
        names.iter().for_each(|name| listing.item(&named(name)).unwrap());
        listing.end(error).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_a_line_a_blob_and_no_name_moves_the_cursor() {
        let lines = printed(false, &["a b", "\u{202e}evil"], None);
        assert_eq!(lines.lines().count(), 2);
        assert!(lines.lines().next().unwrap().ends_with("           7 a b"));
        assert!(!lines.contains('\u{202e}'));
    }

    #[test]
    fn document_is_one_whether_it_holds_none_or_many_or_ends_early() {
        for (names, error) in [(&[][..], None), (&["a"], None), (&["a", "b\""], Some("lost"))] {
            let document: serde_json::Value =
                serde_json::from_str(&printed(true, names, error)).unwrap();
            let listed: Vec<_> = document["blobs"].as_array().unwrap().iter().collect();
            assert_eq!(listed.len(), names.len());
            assert!(listed.iter().zip(names).all(|(it, name)| it["name"] == **name));
            assert_eq!(document["complete"], error.is_none());
            assert_eq!(document["error"].as_str(), error);
        }
    }
}
