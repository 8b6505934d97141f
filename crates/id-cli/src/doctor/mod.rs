//! Why has this node no peers? Facts in, findings out: nothing in here does any I/O or reads a clock.
//!
//! [`facts`] is what the probes have seen (`commands/doctor/` gathers it), one file a step judges it, and
//! [`Diagnosis::of`] drops what only follows from another fault and names the most likely cause.

mod cause;
mod clock;
mod data_dir;
mod dht;
mod dns;
pub(crate) mod facts;
mod finding;
mod gossip;
mod instance;
mod ip;
mod key;
mod mdns;
mod membership;
mod nat;
mod peers;
mod relay;
mod rpc;
mod step;
mod third_parties;
mod udp;
mod versions;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    facts::Facts,
    finding::{Finding, Verdict},
    step::Step,
};

/// What was found, step by step.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    /// One for each step, in the order of [`Step::ALL`].
    pub(crate) findings: Vec<Finding>,
    /// The most likely cause, in one sentence.
    pub(crate) cause: String,
}

impl Diagnosis {
    /// Judges the facts.
    pub(crate) fn of(facts: &Facts) -> Self {
        let judged: Vec<Finding> = Step::ALL.iter().map(|step| judge(*step, facts)).collect();
        let findings = without_consequences(judged);
        let cause = cause::sentence(&findings, facts);
        Self { findings, cause }
    }

    /// The step at fault that comes first among the causes, if there is a fault.
    pub(crate) fn fault(&self) -> Option<Step> {
        cause::first_fault(&self.findings).map(|finding| finding.step)
    }
}

fn judge(step: Step, facts: &Facts) -> Finding {
    match step {
        Step::DataDir => data_dir::judge(facts),
        Step::Key => key::judge(facts),
        Step::Instance => instance::judge(facts),
        Step::Rpc => rpc::judge(facts),
        Step::Ip => ip::judge(facts),
        Step::Dns => dns::judge(facts),
        Step::Udp => udp::judge(facts),
        Step::Nat => nat::judge(facts),
        Step::Relay => relay::judge(facts),
        Step::Dht => dht::judge(facts),
        Step::Mdns => mdns::judge(facts),
        Step::Peers => peers::judge(facts),
        Step::Clock => clock::judge(facts),
        Step::Versions => versions::judge(facts),
        Step::Membership => membership::judge(facts),
        Step::Gossip => gossip::judge(facts),
        Step::ThirdParties => third_parties::judge(facts),
    }
}

/// A fault that another one explains is none of its own.
fn without_consequences(judged: Vec<Finding>) -> Vec<Finding> {
    let faulty: Vec<Step> =
        judged.iter().filter(|it| it.verdict == Verdict::Fault).map(|it| it.step).collect();
    let explained = |finding: Finding| {
        let blamed = finding.step.rests_on().iter().find(|step| faulty.contains(step));
        match (finding.verdict, blamed) {
            (Verdict::Fault | Verdict::Warning, Some(blamed)) => finding.because_of(*blamed),
            _ => finding,
        }
    };
    judged.into_iter().map(explained).collect()
}
