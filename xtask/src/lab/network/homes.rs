//! Homes: a host behind a router that translates addresses, as people's routers do.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::{HUB, Network, add_wire, batch, in_namespace, make_namespace, plug_in, port};
use crate::project::pass;

/// What a router does: everything it sends out seems to come from itself, from another port for each
/// destination; and nothing is let in that isn't an answer. That is the hardest kind to get through.
const TRANSLATE: &str = r#"
table ip home {
    chain out {
        type nat hook postrouting priority 100; policy accept;
        oifname "eth0" masquerade random
    }
    chain in {
        type filter hook input priority 0; policy accept;
        iifname "eth0" ct state != { established, related } drop
    }
    chain through {
        type filter hook forward priority 0; policy accept;
        iifname "eth0" ct state != { established, related } drop
    }
}
"#;

impl Network {
    /// Moves a host, on which nothing runs yet, behind a router of its own. It has no IPv6 there.
    pub(crate) fn move_home(&mut self, host: usize) -> Result<()> {
        let router = self.router(host);
        make_namespace(&router)?;
        pass(Command::new("ip").args(["link", "del", &port(host)]))?;
        add_wire(&port(host), &router)?;
        let mut lan = in_namespace(&router, "ip");
        lan.args(["link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns"]);
        pass(lan.arg(self.namespace(host)))?;

        let mut ip = in_namespace(&router, "ip");
        ip.args(["-batch", "-"]);
        batch(ip, &router_script(host))?;
        let mut nft = in_namespace(&router, "nft");
        nft.args(["-f", "-"]);
        batch(nft, TRANSLATE)?;
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward";
        pass(in_namespace(&router, "sh").args(["-c", forward]))?;
        self.configure(host, &resident_script(host))?;
        self.homes.insert(host);
        plug_in(host)
    }

    /// The addresses at which a host is found by those that are near.
    pub(crate) fn addrs(&self, host: usize) -> (String, Option<String>) {
        match self.homes.contains(&host) {
            true => (resident(host), None),
            false => (super::addr(host), Some(super::addr6(host))),
        }
    }

    fn router(&self, host: usize) -> PathBuf {
        self.host_dir(host).join("router")
    }
}

/// The address of a host at home.
fn resident(host: usize) -> String {
    format!("192.168.{host}.2")
}

fn router_script(host: usize) -> String {
    format!(
        "link set lo up\nlink set eth0 up\nlink set lan up\n\
         addr add 10.77.2.{host}/16 brd + dev eth0\n\
         route add default via {HUB}\n\
         addr add 192.168.{host}.1/24 brd + dev lan\n"
    )
}

fn resident_script(host: usize) -> String {
    format!(
        "link set lo up\nlink set eth0 up\n\
         addr add {}/24 brd + dev eth0\n\
         route add default via 192.168.{host}.1\n",
        resident(host)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_at_home_is_found_there_only_by_those_at_home() {
        let mut network = Network {
            dir: PathBuf::new(),
            n_hosts: 2,
            homes: Default::default(),
            clocks: Default::default(),
        };
        assert_eq!(network.addrs(2), ("10.77.0.2".to_owned(), Some("fd77::2".to_owned())));
        network.homes.insert(2);
        assert_eq!(network.addrs(2), ("192.168.2.2".to_owned(), None));
        assert!(resident_script(2).contains("addr add 192.168.2.2/24"));
    }
}
