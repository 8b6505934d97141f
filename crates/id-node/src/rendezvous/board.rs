//! What a rendezvous needs of the place where records are left.

use futures::{future::BoxFuture, stream::BoxStream};

use super::record::Slot;

/// A place where anyone can leave a value in a slot, and read what others left.
///
/// It may lose values, keep only the last, and return what nobody of the network has left.
pub(crate) trait Board: Send + Sync + 'static {
    /// The values of `slot`, each as soon as it arrives. Ends when there are no more.
    fn look(&self, slot: &Slot) -> BoxStream<'static, Vec<u8>>;

    /// Leaves `value` in `slot`. An error is for people to read.
    fn leave(&self, slot: &Slot, value: Vec<u8>) -> BoxFuture<'static, Result<(), String>>;
}
