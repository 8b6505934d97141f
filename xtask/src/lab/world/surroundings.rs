//! What is around the nodes of a scenario: servers, relays, wires, and peers that aren't ours.

use std::{
    fs::{self, File},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result};

use super::{SHORT_REST, START_LIMIT, World, await_line};
use crate::{
    lab::network::{DHT_HOST, DNS_SERVER, Dns, Impairment, Means, Network, addr, no_tap},
    logs,
    process::poll,
    project::capture,
    speed::{self, Run},
    swarm::{REST, forget_settings},
};

/// A node that an adversary is told of and has no use for.
const NOBODY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

/// What a DHT does to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hostility {
    /// It answers, and nothing that helps.
    Garbage,
    /// It answers nothing.
    Silent,
    /// It holds records of strangers, in every server another's.
    Strangers,
}

impl Hostility {
    fn as_str(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Silent => "silent",
            Self::Strangers => "strangers",
        }
    }
}

impl World {
    /// Starts the DHT's servers, and waits until they know each other.
    pub(crate) fn start_dht(&mut self) -> Result<()> {
        self.start_dht_at(&Network::dht_servers())
    }

    /// The same with some of them.
    pub(crate) fn start_dht_at(&mut self, servers: &[String]) -> Result<()> {
        self.help(DHT_HOST, "dht", &[&["dht", "--bind"], &strs(servers)[..]].concat())
    }

    /// Starts servers that are of no help, or worse.
    pub(crate) fn start_hostile_dht(
        &mut self,
        hostility: Hostility,
        servers: &[String],
    ) -> Result<()> {
        let args = ["hostile-dht", "--mode", hostility.as_str(), "--bind"];
        self.help(DHT_HOST, "hostile-dht", &[&args, &strs(servers)[..]].concat())
    }

    /// Starts a peer that is none of ours, and waits until it looks for others.
    pub(crate) fn start_stock_peer(&mut self, host: usize) -> Result<()> {
        self.help(host, "stock-peer", &["stock-peer"])
    }

    /// Starts somebody who overwrites the places in the DHT of the network that these flags make, and
    /// waits until it has done so once.
    pub(crate) fn start_squatter(&mut self, host: usize, flags: &[&str]) -> Result<()> {
        let target = format!("{NOBODY}@{}:1", addr(host));
        let servers = Network::dht_servers()[..2].join(",");
        let mut command = self.network.command(host, &self.tools.adversary);
        command.args(["dht-squatter", "--target", &target, "--bind", &addr(host)]);
        command.args(["--dht-bootstrap", &servers, "--secs", "600"]).args(flags);
        self.help_by("squatter", command)
    }

    /// Starts a DNS server with one TXT record.
    pub(crate) fn start_dns(&mut self, name: &str, value: &str) -> Result<()> {
        let (bind, record) = (format!("{DNS_SERVER}:53"), format!("{name}={value}"));
        self.help(DHT_HOST, "dns", &["dns", "--bind", &bind, "--txt", &record])
    }

    /// Starts a relay, and returns its URL.
    pub(crate) fn start_relay(&mut self) -> Result<String> {
        let addr = format!("{}:3340", addr(DHT_HOST));
        self.help(DHT_HOST, "relay", &["relay", "--bind", &addr])?;
        Ok(format!("http://{addr}"))
    }

    /// Until `stock-peer` has a node of ours as its neighbour.
    pub(crate) fn await_stock_neighbour(&self, limit: Duration) -> Result<Option<SystemTime>> {
        let out = self.files.join("stock-peer.out");
        poll(Instant::now() + limit, SHORT_REST, || {
            let text = fs::read_to_string(&out)?;
            let ours = |line: &str| self.nodes.values().any(|node| line.ends_with(&node.id));
            let met = text.lines().any(|line| line.starts_with("neighbour: ") && ours(line));
            Ok(met.then(SystemTime::now))
        })
    }

    /// Changes whom a host asks for names.
    pub(crate) fn set_dns(&self, host: usize, dns: Dns) -> Result<()> {
        self.network.set_dns(host, dns)
    }

    /// Lets nobody be found by mDNS.
    pub(crate) fn mute_mdns(&self) -> Result<()> {
        self.network.mute_mdns()
    }

    /// Moves a host behind a router of its own.
    pub(crate) fn move_home(&mut self, host: usize) -> Result<()> {
        self.network.move_home(host)
    }

    /// Lets packets from each of the hosts, on which nothing runs yet, get lost or come late. Returns
    /// what is really done, for kernels differ.
    pub(crate) fn impair(&mut self, loss_percent: u8, delay: Duration) -> Result<String> {
        let impairment = Impairment { loss_percent, delay };
        if self.network.impair_by_netem(impairment) {
            return Ok(impairment.describe(Means::Netem));
        }
        if let Some(obstacle) = no_tap() {
            self.network.impair_by_nft(impairment)?;
            return Ok(format!("{}, and {obstacle}", impairment.describe(Means::Nft)));
        }
        // Each run has bad luck of its own.
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos();
        self.wire(impairment, seed)?;
        Ok(format!("{}, seed {seed}", impairment.describe(Means::Wire)))
    }

    fn wire(&mut self, impairment: Impairment, seed: u32) -> Result<()> {
        self.network.unplug_all()?;
        let (delay, loss) =
            (impairment.delay.as_millis().to_string(), impairment.loss_percent.to_string());
        let (seed, ends) = (seed.to_string(), self.network.wire_ends());
        let args = ["wire", "--delay-ms", &delay, "--loss", &loss, "--seed", &seed, "--ends"];
        let mut wire = Command::new(&self.tools.lab);
        wire.args(args).args(ends);
        self.help_by("wire", wire)?;
        self.network.plug_in_all()
    }

    /// Sends packets from one host to another and back, and says how they fared.
    pub(crate) fn measure_round_trip(&mut self, from: usize, to: usize) -> Result<String> {
        let bind = format!("{}:7", addr(to));
        self.help(to, "echo", &["echo", "--bind", &bind])?;
        let mut ask = self.network.command(from, &self.tools.lab);
        let said = capture(ask.args(["echo-ask", &bind]))?;
        Ok(format!("measured between two hosts: {}", said.trim()))
    }

    /// Starts a farm of peers on `host`, and says where they are.
    pub(crate) fn start_farm(&mut self, host: usize, n_peers: usize) -> Result<Vec<String>> {
        let (n_peers, addr) = (n_peers.to_string(), addr(host));
        self.help(host, "farm", &["farm", "--peers", &n_peers, "--bind", &addr])?;
        let said = fs::read_to_string(self.files.join("farm.out"))?;
        Ok(said.lines().filter(|line| line.contains('@')).map(str::to_owned).collect())
    }

    /// Asks peers of a farm from `host`, as `crawl_speed` can.
    pub(crate) fn ask_farm(&self, host: usize, args: &[&str], peers: &[String]) -> Result<Run> {
        let program = self.tools.lab.with_file_name("examples").join(speed::PROGRAM);
        speed::ask(self.network.command(host, &program).args(args), peers)
    }

    /// The ticket of the node on `host` once it has a relay. Until then it is the one that the node
    /// printed when it started, for nothing else in the lab changes where a node is found.
    pub(crate) fn await_relayed_ticket(&self, host: usize, limit: Duration) -> Result<String> {
        let printed = self.ticket(host)?;
        let changed = poll(Instant::now() + limit, REST, || {
            let mut ticket = self.network.command(host, &self.tools.cli);
            ticket.arg("ticket").arg("--data-dir").arg(self.data_dir(host));
            forget_settings(&mut ticket);
            let ticket = capture(&mut ticket)?.trim().to_owned();
            Ok((ticket != printed).then_some(ticket))
        })?;
        changed.context("a node with a relay has no ticket that says so")
    }

    /// By which path somebody on `host` reaches `peer`, in id-cli's words.
    pub(crate) fn describe_path(&self, host: usize, peer: &str, relay: &str) -> Result<String> {
        let mut ping = self.network.command(host, &self.tools.cli);
        ping.args(["ping", peer, "--relay", relay, "--count", "3"]);
        forget_settings(&mut ping);
        let said = capture(&mut ping)?;
        Ok(format!("id-cli ping from one home to the other: {}", said.trim().replace('\n', "; ")))
    }

    /// What the node on `host` says of the ways by which it looks for others.
    pub(crate) fn describe_channels(&self, host: usize) -> Result<String> {
        let mut status = self.network.command(host, &self.tools.cli);
        status.arg("status").arg("--data-dir").arg(self.data_dir(host));
        forget_settings(&mut status);
        let said = capture(&mut status)?;
        let channels = said.lines().filter(|line| line.starts_with("channel: "));
        Ok(channels.collect::<Vec<_>>().join("\n"))
    }

    pub(super) fn help(&mut self, host: usize, name: &str, args: &[&str]) -> Result<()> {
        let mut command = self.network.command(host, &self.tools.lab);
        command.args(args);
        self.help_by(name, command)
    }

    /// Starts a helper, and waits until it is ready.
    fn help_by(&mut self, name: &str, mut command: Command) -> Result<()> {
        let out = self.files.join(format!("{name}.out"));
        let log = self.files.join(format!("{name}.log"));
        command.stdout(File::create(&out)?).stderr(File::create(&log)?);
        let mut process = self.watchdog.spawn(&mut command)?;
        await_line(&out, &mut process, "ready", Instant::now() + START_LIMIT)
            .with_context(|| format!("{name}'s log ends:\n{}", logs::tail(&log)))?;
        self.helpers.push(process);
        Ok(())
    }
}

fn strs(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}
