//! Documents to render in tests, and what they look like.

pub(crate) use id_render::samples::*;

use super::{Document, Format, render};

pub(crate) fn rendered(format: Format, document: &Document) -> String {
    let mut out = Vec::new();
    render(format, document, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
