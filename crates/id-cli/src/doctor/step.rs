//! The steps, their names, and what each rests on.

/// One thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    DataDir,
    Key,
    Instance,
    Rpc,
    Ip,
    Dns,
    Udp,
    Nat,
    Relay,
    Dht,
    Mdns,
    Peers,
    Clock,
    Versions,
    Membership,
    Gossip,
    ThirdParties,
}

impl Step {
    /// Every step, in the order in which they are shown.
    pub(crate) const ALL: &[Self] = &[
        Self::DataDir,
        Self::Key,
        Self::Instance,
        Self::Rpc,
        Self::Ip,
        Self::Dns,
        Self::Udp,
        Self::Nat,
        Self::Relay,
        Self::Dht,
        Self::Mdns,
        Self::Peers,
        Self::Clock,
        Self::Versions,
        Self::Membership,
        Self::Gossip,
        Self::ThirdParties,
    ];

    /// The stable name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::DataDir => "data_dir",
            Self::Key => "key",
            Self::Instance => "instance",
            Self::Rpc => "rpc",
            Self::Ip => "ip",
            Self::Dns => "dns",
            Self::Udp => "udp",
            Self::Nat => "nat",
            Self::Relay => "relay",
            Self::Dht => "dht",
            Self::Mdns => "mdns",
            Self::Peers => "peers",
            Self::Clock => "clock",
            Self::Versions => "versions",
            Self::Membership => "membership",
            Self::Gossip => "gossip",
            Self::ThirdParties => "third_parties",
        }
    }

    /// The steps whose fault explains one of this step's, the most likely first.
    pub(super) fn rests_on(self) -> &'static [Self] {
        match self {
            Self::DataDir
            | Self::Key
            | Self::Instance
            | Self::Ip
            | Self::Clock
            | Self::Versions
            | Self::ThirdParties => &[],
            Self::Rpc => &[Self::Instance],
            Self::Dns | Self::Udp | Self::Mdns => &[Self::Ip],
            Self::Relay => &[Self::Ip, Self::Dns],
            Self::Nat => &[Self::Ip, Self::Udp, Self::Relay],
            Self::Dht => &[Self::Ip, Self::Dns, Self::Udp],
            Self::Membership => &[Self::Versions],
            Self::Peers => &[Self::Ip, Self::Udp, Self::Versions, Self::Membership],
            Self::Gossip => Self::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Step::ALL.iter().map(|step| step.as_str()).collect();
        assert_eq!(names.len(), Step::ALL.len());
    }
}
