//! A reader under test, and the memory that it may use.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Most bytes that one input may make a reader hold at the same time, and so the longest single
/// allocation too. Origin: our decision; what a stranger sends has 64 KiB at most.
pub const MAX_HELD: u64 = 1 << 20;

/// A reader of bytes, with what has to hold of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of the cargo-fuzz target and of the directory in `fuzz/corpus`.
    pub name: &'static str,
    /// Longest input that is worth feeding, in bytes: a little more than is read.
    pub max_len: usize,
    max_held: u64,
    read: fn(&[u8]) -> Outcome,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was what it had to be, and every check of it held.
    Understood,
    /// It was refused.
    Refused,
}

/// What an input made a reader allocate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// The most that was held at the same time, in bytes.
    pub held: u64,
    /// All allocations together, in bytes.
    pub allocated: u64,
}

impl Outcome {
    pub(crate) fn understood_if(understood: bool) -> Self {
        if understood { Self::Understood } else { Self::Refused }
    }
}

impl Target {
    pub(crate) const fn new(
        name: &'static str,
        max_read: usize,
        read: fn(&[u8]) -> Outcome,
    ) -> Self {
        Self { name, max_len: max_read + 16, max_held: MAX_HELD, read }
    }

    /// The same, but that more may be held.
    pub(crate) const fn holding(self, max_held: u64) -> Self {
        Self { max_held, ..self }
    }

    /// Feeds `input`.
    ///
    /// # Panics
    ///
    /// If a check fails, or more bytes are held than may be: [`MAX_HELD`], but for [`crate::CONFIG`].
    pub fn feed(&self, input: &[u8]) -> (Outcome, Memory) {
        let mut outcome = Outcome::Refused;
        let counted = allocation_counter::measure(|| outcome = (self.read)(input));
        let memory = Memory { held: counted.bytes_max, allocated: counted.bytes_total };
        assert!(memory.held <= self.max_held, "{} held {} bytes", self.name, memory.held);
        (outcome, memory)
    }

    /// Feeds `input` and says on stderr, for whoever counts, when it needed more memory than any
    /// before.
    pub fn feed_and_tell(&self, input: &[u8]) {
        static HELD: AtomicU64 = AtomicU64::new(0);
        static ALLOCATED: AtomicU64 = AtomicU64::new(0);
        let (_, memory) = self.feed(input);
        let before = Memory {
            held: HELD.fetch_max(memory.held, Relaxed),
            allocated: ALLOCATED.fetch_max(memory.allocated, Relaxed),
        };
        if memory.held > before.held || memory.allocated > before.allocated {
            let held = memory.held.max(before.held);
            let allocated = memory.allocated.max(before.allocated);
            eprintln!("{}: held {held} bytes, allocated {allocated}", self.name);
        }
    }
}
