//! A body that holds its document's place until it is read.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// What is handed to the connection at once. Origin: a guess; it takes the next piece when this one is on its way.
const PIECE_LEN: usize = 64 * 1024;

/// A document that is being read.
pub(super) struct Held {
    rest: Bytes,
    _place: OwnedSemaphorePermit,
}

impl Held {
    pub(super) fn new(whole: Bytes, place: OwnedSemaphorePermit) -> Self {
        Self { rest: whole, _place: place }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.rest.len().min(PIECE_LEN);
        let piece = (len > 0).then(|| Ok(Frame::data(self.rest.split_to(len))));
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
