//! What wires do to packets: lose them, delay them, filter them.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::{Network, batch, host_script, plug_in, port};
use crate::{
    lab::strangers,
    project::{pass, succeeds},
};

/// Destinations that a filter collects, for scenarios that ask for them.
const SETS: &str = "set strangers { type ipv4_addr . inet_proto . inet_service; flags dynamic; \
                    size 4096; }\n\
                    set strangers6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; \
                    size 4096; }";

/// How bad wires are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Impairment {
    /// How many of a hundred packets that a host sends get lost.
    pub(crate) loss_percent: u8,
    /// How late the others come.
    pub(crate) delay: Duration,
}

/// By which means wires can be made so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// The kernel's own.
    Netem,
    /// A program that carries frames between two TAP devices.
    Wire,
    /// A packet filter, which loses but can't delay.
    Nft,
}

impl Network {
    /// Has netem do it on each host's own wire. `false` if this kernel has none.
    pub(crate) fn impair_by_netem(&self, impairment: Impairment) -> bool {
        let netem = |host: usize| {
            let mut tc = self.in_namespace(host, "tc");
            tc.args(["qdisc", "add", "dev", "eth0", "root", "netem"]);
            tc.args(["loss", &format!("{}%", impairment.loss_percent)]);
            tc.args(["delay", &format!("{}ms", impairment.delay.as_millis())]);
            tc
        };
        (1..=self.n_hosts).all(|host| succeeds(&mut netem(host)))
    }

    /// Has nft lose packets. It can't delay any.
    pub(crate) fn impair_by_nft(&self, impairment: Impairment) -> Result<()> {
        self.filter(&format!("numgen random mod 100 < {} drop", impairment.loss_percent))
    }

    /// Takes every host's wire away, so that its two ends can be made by a program.
    pub(crate) fn unplug_all(&self) -> Result<()> {
        let lines: Vec<String> =
            (1..=self.n_hosts).map(|host| format!("link del {}", port(host))).collect();
        batch(Command::new("ip"), &lines.join("\n"))
    }

    /// The names of the two ends that [`Network::plug_in_all`] expects, for each host.
    pub(crate) fn wire_ends(&self) -> Vec<String> {
        (1..=self.n_hosts).map(|host| format!("{}:{}", far_end(host), port(host))).collect()
    }

    /// Puts wires in whose ends are there.
    pub(crate) fn plug_in_all(&self) -> Result<()> {
        for host in 1..=self.n_hosts {
            let mut link = Command::new("ip");
            link.args(["link", "set", &far_end(host), "netns"]).arg(self.namespace(host));
            pass(link.args(["name", "eth0"]))?;
            self.configure(host, &host_script(host))?;
            plug_in(host)?;
        }
        Ok(())
    }

    /// Applies nft rules to what each host sends.
    pub(crate) fn filter(&self, rules: &str) -> Result<()> {
        let ports: Vec<String> = (1..=self.n_hosts).map(port).collect();
        let ports = ports.join(", ");
        let table = format!(
            "table netdev lab {{\n{SETS}\nchain from_hosts {{\n\
             type filter hook ingress devices = {{ {ports} }} priority 0; policy accept;\n\
             {rules}\n}}\n}}\n"
        );
        let mut nft = Command::new("nft");
        nft.args(["-f", "-"]);
        batch(nft, &table)
    }

    /// Lets no UDP through from `host` nor to it.
    pub(crate) fn block_udp(&self, host: usize) -> Result<()> {
        let (v4, v6) = (super::addr(host), super::addr6(host));
        self.filter(&format!(
            "meta iifname {} meta l4proto udp drop\n\
             ip daddr {v4} meta l4proto udp drop\nip6 daddr {v6} meta l4proto udp drop",
            port(host)
        ))
    }

    /// Lets no multicast DNS through. Where there is no `nft`, no multicast at all, and so no IPv6.
    pub(crate) fn mute_mdns(&self) -> Result<()> {
        if strangers::has_nft() {
            return self.filter("ip daddr 224.0.0.251 drop\nip6 daddr ff02::fb drop");
        }
        let off = |host| format!("link set {} type bridge_slave mcast_flood off", port(host));
        let lines: Vec<String> = (1..=self.n_hosts).map(off).collect();
        batch(Command::new("ip"), &lines.join("\n"))
    }
}

/// Why a program can't make devices here, if it can't.
pub(crate) fn no_tap() -> Option<String> {
    const DEVICE: &str = "/dev/net/tun";
    if !Path::new(DEVICE).exists() {
        return Some(format!("there is no {DEVICE}"));
    }
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(DEVICE);
    opened.err().map(|error| format!("{DEVICE}: {error}"))
}

impl Impairment {
    /// What is really done, in words.
    pub(crate) fn describe(self, means: Means) -> String {
        let Self { loss_percent, delay } = self;
        match means {
            Means::Netem => format!("{loss_percent} % loss and {delay:?} delay by netem"),
            Means::Wire => format!("{loss_percent} % loss and {delay:?} delay by id-lab's wire"),
            Means::Nft => {
                format!("{loss_percent} % loss by nft, NO delay: this kernel has no netem")
            }
        }
    }
}

fn far_end(host: usize) -> String {
    format!("far{host}")
}
