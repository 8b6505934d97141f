//! Who is sent packets besides the members of a network.

use std::process::Command;

use anyhow::Result;

use super::network::{Network, addr, addr6};
use crate::project::{capture, succeeds};

/// Why something isn't shown where [`has_nft`] says no.
pub(crate) const NO_NFT: &str = "`nft` is missing (package nftables), or grants nothing here";

/// Whether packets can be filtered and counted here.
pub(crate) fn has_nft() -> bool {
    succeeds(Command::new("nft").args(["add", "table", "netdev", "probe"]))
}

/// Notes from now on to whom hosts send TCP or UDP, unless it is another host or mDNS, which doesn't
/// leave the local network.
pub(crate) fn watch(network: &Network) -> Result<()> {
    let members = |addr: fn(usize) -> String| -> String {
        (1..=network.n_hosts()).map(addr).collect::<Vec<_>>().join(", ")
    };
    network.filter(&format!(
        "meta l4proto != {{ tcp, udp }} accept\n\
         ip daddr {{ {}, 224.0.0.251 }} accept\n\
         ip6 daddr {{ {}, fe80::/10, ff02::fb }} accept\n\
         add @strangers {{ ip daddr . meta l4proto . th dport }}\n\
         add @strangers6 {{ ip6 daddr . meta l4proto . th dport }}",
        members(addr),
        members(addr6),
    ))
}

/// Who was sent packets since: `address . protocol . port`.
pub(crate) fn seen() -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for set in ["strangers", "strangers6"] {
        let text = capture(Command::new("nft").args(["list", "set", "netdev", "lab", set]))?;
        seen.extend(elements(&text));
    }
    Ok(seen)
}

fn elements(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("elements = {") else {
        return Vec::new();
    };
    let inner = rest.split('}').next().unwrap_or_default();
    inner.split(',').map(str::trim).map(str::to_owned).filter(|one| !one.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_set_are_read_over_lines() {
        let text = "table netdev lab {\n set strangers {\n  size 4096\n  elements = { 10.77.0.254 . \
                    udp . 53,\n   1.1.1.1 . tcp . 443 }\n }\n}";
        assert_eq!(elements(text), ["10.77.0.254 . udp . 53", "1.1.1.1 . tcp . 443"]);
        assert!(elements("table netdev lab {\n set strangers {\n }\n}").is_empty());
    }
}
