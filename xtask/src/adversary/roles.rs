//! What is played, and what is asked of it besides what is asked of all.

use anyhow::{Context, Result};

/// A role, its flags, and what must hold.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) does: &'static str,
    /// The subcommand of `id-adversary`, and its flags.
    pub(super) command: &'static [&'static str],
    /// How a crawl that begins there must name it, if it answers queries.
    pub(super) crawl: Option<Named>,
    pub(super) demands: Demands,
    /// Why it can't be played here.
    pub(super) obstacle: Option<&'static str>,
}

/// How a crawl's report must name a liar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// It failed, with an error.
    Failed,
    /// Entries of bad signature are counted against it, or it failed.
    Forger,
    /// Its answers are right in form: the crawl stopped, and says by what.
    Stopped,
    /// Those whom it invented failed, each with an error.
    InventionsFailed,
}

/// What one role is asked besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demands {
    Nothing,
    /// Announcements between honest nodes go on.
    Announcements,
    /// The network is private, and the outsider learns nothing.
    Secrecy,
    /// One node leaves meanwhile, and stays gone.
    NoGhost,
    /// No packet goes to private or link-local victims.
    NoReflection,
}

const fn scenario(
    name: &'static str,
    does: &'static str,
    command: &'static [&'static str],
) -> Scenario {
    Scenario { name, does, command, crawl: None, demands: Demands::Nothing, obstacle: None }
}

/// Every scenario, in the order in which `all` plays them.
pub(super) const ALL: &[Scenario] = &[
    scenario("sybil", "unlimited identities through one connection", &["sybil"]),
    scenario(
        "sybil-five",
        "unlimited identities through five connections",
        &["sybil", "--connections", "5", "--rate", "200"],
    ),
    scenario("forger", "announces and leaves in the name of others", &["forger"]),
    Scenario {
        demands: Demands::NoGhost,
        ..scenario("replayer", "repeats what was said, also of a node that left", &["replayer"])
    },
    scenario(
        "future-dater",
        "dates things far ahead, just within and far behind",
        &["future-dater"],
    ),
    Scenario {
        crawl: Some(Named::Failed),
        ..scenario("liar", "names a million identities when asked", &["liar"])
    },
    Scenario {
        crawl: Some(Named::Failed),
        ..scenario("liar-endless", "never ends its answer", &["liar", "--lie", "endless"])
    },
    Scenario {
        crawl: Some(Named::Forger),
        ..scenario(
            "liar-forged",
            "names identities with bad signatures",
            &["liar", "--lie", "forged"],
        )
    },
    Scenario {
        crawl: Some(Named::Failed),
        ..scenario("slow-loris", "requests and answers at a byte a second", &["slow-loris"])
    },
    Scenario {
        crawl: Some(Named::Failed),
        ..scenario("oversizer", "claims 4 GiB; messages of every length", &["oversizer"])
    },
    Scenario {
        demands: Demands::Announcements,
        ..scenario(
            "oversizer-poison",
            "gossip that is read and can't be forwarded",
            &["oversizer", "--what", "poison", "--rate", "5"],
        )
    },
    Scenario {
        crawl: Some(Named::Stopped),
        ..scenario("infinite-graph", "names ever new peers that are itself", &["infinite-graph"])
    },
    Scenario {
        crawl: Some(Named::InventionsFailed),
        demands: Demands::NoReflection,
        ..scenario(
            "reflector",
            "announces identities at other people's addresses",
            &[
                "reflector",
                "--victim",
                "127.0.0.2:9999,169.254.99.1:9999,10.99.0.1:9999,192.0.2.1:9999",
            ],
        )
    },
    scenario("connection-flooder", "thousands of connections to one node", &["connection-flooder"]),
    Scenario {
        demands: Demands::Secrecy,
        ..scenario("topic-guesser", "an outsider of a private network", &["topic-guesser"])
    },
    Scenario {
        obstacle: Some("needs a DHT: the lab has one"),
        ..scenario("dht-squatter", "overwrites the topic's records in the DHT", &["dht-squatter"])
    },
    Scenario {
        demands: Demands::Announcements,
        ..scenario("mute-neighbour", "joins the topic and reads nothing", &["mute-neighbour"])
    },
];

/// The scenarios with these names; `all` is every one.
pub(super) fn named(names: &[String]) -> Result<Vec<&'static Scenario>> {
    if names == ["all"] {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        found
            .with_context(|| format!("there is no role `{name}`: see `cargo xtask adversary list`"))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::adversary::arena;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn all_is_all_and_a_typo_is_an_error() {
        assert_eq!(named(&["all".into()]).unwrap().len(), ALL.len());
        assert_eq!(named(&["sybil".into(), "liar".into()]).unwrap().len(), 2);
        assert!(named(&["sibyl".into()]).is_err());
    }

    #[test]
    fn reflector_has_a_victim_at_each_address_of_the_arena() {
        let [reflector] = named(&["reflector".into()]).unwrap()[..] else {
            panic!("one role");
        };
        assert!(arena::OTHERS.iter().all(|addr| reflector.command[2].contains(addr)));
    }
}
