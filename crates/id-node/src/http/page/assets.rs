//! What the page is made of besides itself: a stylesheet, scripts, an icon. All of it is in the program.

use std::{fmt, sync::LazyLock};

/// How long browsers may keep a file: for ever, for its name changes with its bytes.
pub(super) const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// How much of a file's hash is in its name. Origin: wild guess; it need only differ from release to release.
const N_HASH_DIGITS: usize = 16;

/// A file that the page loads.
#[derive(Debug)]
pub(super) struct Asset {
    stem: &'static str,
    extension: &'static str,
    hash: String,
    /// How browsers shall read it.
    pub(super) content_type: &'static str,
    /// What is in it.
    pub(super) bytes: &'static [u8],
}

/// How it all looks.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("peers", "css", "text/css; charset=utf-8", include_bytes!("static/peers.css"))
});

/// Copies ids, pauses, says what is new, keeps the focus.
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("peers", "js", JAVASCRIPT, include_bytes!("static/peers.js")));

/// Fetches the table again and again: <https://htmx.org> 2.0.11, 0BSD, `dist/htmx.min.js` of its npm package
/// as it is there.
pub(super) static HTMX: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("htmx", "js", JAVASCRIPT, include_bytes!("static/htmx-2.0.11.min.js"))
});

/// What a tab shows beside its title.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("static/icon.svg")));

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

impl Asset {
    fn new(
        stem: &'static str,
        extension: &'static str,
        content_type: &'static str,
        bytes: &'static [u8],
    ) -> Self {
        let hash = blake3::hash(bytes).to_hex()[..N_HASH_DIGITS].to_owned();
        Self { stem, extension, hash, content_type, bytes }
    }
}

/// The file's name.
impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.stem, self.hash, self.extension)
    }
}

/// The file of this name, if there is one.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    let all: [&'static Asset; 4] = [&STYLE, &SCRIPT, &HTMX, &ICON];
    all.into_iter().find(|asset| asset.to_string() == name)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn htmx_is_the_file_that_its_authors_released() {
        // `sha256sum dist/htmx.min.js` of npm's htmx.org 2.0.11.
        const RELEASED: &str = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717";
        let hash = Sha256::digest(HTMX.bytes);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, RELEASED);
    }

    #[test]
    fn a_file_is_found_by_its_name_alone() {
        let name = STYLE.to_string();
        assert!(name.starts_with("peers-") && name.ends_with(".css"), "{name}");
        assert_eq!(find(&name).unwrap().bytes, STYLE.bytes);
        assert!(find("peers.css").is_none() && find("").is_none());
    }

    #[test]
    fn neither_style_nor_script_loads_anything_from_elsewhere() {
        for asset in [&*STYLE, &*SCRIPT, &*ICON] {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http") && !text.contains("@import"), "{asset}");
        }
    }
}
