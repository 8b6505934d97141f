//! The membership core by sentences: no I/O, and time is an argument.

mod access;
mod budget;
mod expiry;
mod explaining;
mod fixture;
mod forgeries;
mod gate;
mod handed;
mod leave;
mod lost;
mod random;
mod schedule;
mod seq;
mod simulation;
mod sybil;
mod sync;
mod table;
mod verifying;

use super::Membership;

impl Membership {
    /// What must hold after every event that came at `now`.
    fn check_invariants(&self, now: super::Now) {
        self.table.check_invariants();
        self.departed.check_invariants();
        self.introducers.check_invariants(now.mono);
        self.deliverers.check_invariants(now.mono);
        let may_dial = |by: &_| self.introducers.may_dial(by, now.mono);
        self.probes.check_invariants(may_dial);
        self.lost.check_invariants();
        self.check_access();
        self.refusals.check_invariants();
        assert!(self.next_deadline() > now.mono, "what is due was not done");
        assert!(!self.table.contains(&self.me), "a node is no peer of its own");
    }
}
