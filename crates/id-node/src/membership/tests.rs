//! The membership core by sentences: no I/O, and time is an argument.

mod expiry;
mod fixture;
mod gate;
mod leave;
mod lost;
mod random;
mod schedule;
mod seq;
mod simulation;
mod sync;
mod table;

use super::Membership;

impl Membership {
    /// What must hold after every event that came at `now`.
    fn check_invariants(&self, now: super::Now) {
        self.table.check_invariants();
        self.departed.check_invariants();
        self.probes.check_invariants();
        self.lost.check_invariants();
        assert!(self.next_deadline() > now.mono, "what is due was not done");
        assert!(!self.table.contains(&self.me), "a node is no peer of its own");
    }
}
