//! The network of a lab: a namespace for each host, and a bridge that joins them.
//!
//! The sandbox's own namespace is the hub that holds the bridge. It forwards nothing, so that to a
//! host the internet is a default route on which packets vanish.

mod clock;
mod homes;
mod quality;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

pub(crate) use self::clock::{NO_FAKETIME, library as faketime};
pub(crate) use self::quality::{Impairment, Means, no_tap};
use crate::project::{capture, line, pass};

/// Names to which a mainline node asks its way if it is told nothing else, with their ports.
const DHT_NAMES: [(&str, u16); 4] = [
    ("router.bittorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
    ("dht.libtorrent.org", 25401),
    ("relay.pkarr.org", 6881),
];
/// How many DHT servers the lab has: two for each name.
const N_DHT_SERVERS: usize = 8;

/// The host on which the DHT servers live.
pub(crate) const DHT_HOST: usize = 0;
/// The hub's address. Nothing listens there: who asks it for names is refused at once.
const HUB: &str = "10.77.0.254";
/// Where the DNS server listens, on the DHT's host.
pub(crate) const DNS_SERVER: &str = "10.77.1.53";
/// An address that swallows every packet.
const BLACK_HOLE: &str = "10.77.0.253";

/// Which side of a cut a host is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// With the hub and, unless it is moved, the DHT.
    Here,
    /// Beyond the cut.
    There,
}

/// Who resolves names that no hosts file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dns {
    /// Nobody, and who asks is told so at once. The DHT's names are in the hosts file.
    Refused,
    /// Nobody, and who asks is never answered. The hosts file is empty.
    BlackHole,
    /// The lab's own server. The DHT's names are in the hosts file.
    Served,
}

/// Namespaces and the bridge between them.
#[derive(Debug)]
pub(crate) struct Network {
    dir: PathBuf,
    n_hosts: usize,
    /// Hosts that are behind a router of their own.
    homes: BTreeSet<usize>,
    /// Hosts whose clock is another one, and by how much, as libfaketime reads it.
    clocks: BTreeMap<usize, String>,
}

impl Network {
    /// Builds hosts 1 to `n_hosts` and the one for the DHT; their files are kept in `dir`.
    pub(crate) fn build(dir: &Path, n_hosts: usize) -> Result<Self> {
        // Out there, we would build bridges among the interfaces of whoever runs us.
        let up = capture(Command::new("ip").args(["-br", "link", "show", "up"]))?;
        ensure!(up.trim().is_empty(), "this is no sandbox: it has a network");
        let network =
            Self { dir: dir.to_owned(), n_hosts, homes: BTreeSet::new(), clocks: BTreeMap::new() };
        batch(Command::new("ip"), &hub_script())?;
        network.hosts().try_for_each(|host| network.add(host))?;
        Ok(network)
    }

    /// All hosts, the DHT's first.
    fn hosts(&self) -> impl Iterator<Item = usize> + use<> {
        DHT_HOST..=self.n_hosts
    }

    /// How many hosts there are besides the DHT's.
    pub(crate) fn n_hosts(&self) -> usize {
        self.n_hosts
    }

    /// Where the DHT's servers listen.
    pub(crate) fn dht_servers() -> Vec<String> {
        let server = |i: usize| {
            let (_, port) = DHT_NAMES[i % DHT_NAMES.len()];
            format!("10.77.1.{}:{port}", 11 + i)
        };
        (0..N_DHT_SERVERS).map(server).collect()
    }

    /// A host's own files: whom it asks for names.
    pub(crate) fn set_dns(&self, host: usize, dns: Dns) -> Result<()> {
        let dir = self.host_dir(host);
        let (names, resolver) = match dns {
            Dns::Refused => (dht_names(), HUB),
            Dns::BlackHole => (String::new(), BLACK_HOLE),
            Dns::Served => (dht_names(), DNS_SERVER),
        };
        fs::write(dir.join("hosts"), format!("127.0.0.1 localhost\n::1 localhost\n{names}"))?;
        fs::write(dir.join("resolv.conf"), format!("nameserver {resolver}\n"))?;
        // Else a daemon of the machine, reached by a socket file, could resolve names for us.
        fs::write(dir.join("nsswitch.conf"), "hosts: files dns\n")?;
        Ok(())
    }

    /// `program` on `host`: in its namespace, with its own files in /etc.
    pub(crate) fn command(&self, host: usize, program: &Path) -> Command {
        const ENTER: &str = r#"
for name in hosts resolv.conf nsswitch.conf; do
    [ ! -e /etc/$name ] || mount --bind "$1/$name" /etc/$name || exit
done
[ ! -d /run/nscd ] || mount -t tmpfs lab /run/nscd || exit
shift
exec "$@"
"#;
        let mut command = self.in_namespace(host, "unshare");
        command.args(["--mount", "sh", "-c", ENTER, "enter"]);
        command.arg(self.host_dir(host)).arg(program);
        if let Some(offset) = self.clocks.get(&host) {
            clock::shift(&mut command, offset);
        }
        command
    }

    /// Moves hosts to a side of the cut. Those on one side hear nothing of the other.
    pub(crate) fn move_to(&self, side: Side, hosts: &[usize]) -> Result<()> {
        let bridge = match side {
            Side::Here => "here",
            Side::There => "there",
        };
        let lines = hosts.iter().map(|host| format!("link set {} master {bridge}", port(*host)));
        batch(Command::new("ip"), &lines.collect::<Vec<_>>().join("\n"))
    }

    fn add(&self, host: usize) -> Result<()> {
        let dir = self.host_dir(host);
        fs::create_dir_all(&dir)?;
        self.set_dns(host, Dns::Refused)?;
        make_namespace(&self.namespace(host))?;
        add_wire(&port(host), &self.namespace(host))?;
        self.configure(host, &host_script(host))?;
        plug_in(host)
    }

    /// Runs a script of `ip` on `host`.
    fn configure(&self, host: usize, script: &str) -> Result<()> {
        // Without waiting a second for somebody else to claim an address that only we hand out.
        const CONFIGURE: &str = r"
for which in all default; do
    conf=/proc/sys/net/ipv6/conf/$which
    [ ! -e $conf/accept_dad ] || echo 0 >$conf/accept_dad
    [ ! -e $conf/accept_ra ] || echo 0 >$conf/accept_ra
done
exec ip -batch -
";
        let mut command = self.in_namespace(host, "sh");
        command.args(["-c", CONFIGURE]);
        batch(command, script)
    }

    fn in_namespace(&self, host: usize, program: &str) -> Command {
        in_namespace(&self.namespace(host), program)
    }

    fn namespace(&self, host: usize) -> PathBuf {
        self.host_dir(host).join("net")
    }

    fn host_dir(&self, host: usize) -> PathBuf {
        self.dir.join(format!("host{host}"))
    }
}

fn make_namespace(path: &Path) -> Result<()> {
    File::create(path)?;
    let mut file = std::ffi::OsString::from("--net=");
    file.push(path);
    pass(Command::new("unshare").arg(file).arg("true"))
}

fn in_namespace(path: &Path, program: &str) -> Command {
    let mut net = std::ffi::OsString::from("--net=");
    net.push(path);
    let mut command = Command::new("nsenter");
    command.arg(net).arg(program);
    command
}

/// A wire from a port of the hub to the `eth0` of a namespace.
fn add_wire(port: &str, namespace: &Path) -> Result<()> {
    let mut link = Command::new("ip");
    link.args(["link", "add", port, "type", "veth", "peer", "name", "eth0", "netns"]);
    pass(link.arg(namespace))
}

/// Puts the hub's end of a host's wire on the bridge.
fn plug_in(host: usize) -> Result<()> {
    let port = port(host);
    batch(Command::new("ip"), &format!("link set {port} up\nlink set {port} master here"))
}

/// A host's IPv4 address.
pub(crate) fn addr(host: usize) -> String {
    match host {
        DHT_HOST => "10.77.1.1".to_owned(),
        node => format!("10.77.0.{node}"),
    }
}

/// A host's IPv6 address.
pub(crate) fn addr6(host: usize) -> String {
    match host {
        DHT_HOST => "fd77::1:1".to_owned(),
        node => format!("fd77::{node}"),
    }
}

/// The hub's end of the wire to `host`.
fn port(host: usize) -> String {
    format!("host{host}")
}

fn hub_script() -> String {
    format!(
        "link set lo up\n\
         link add here type bridge\nlink set here up\n\
         link add there type bridge\nlink set there up\n\
         addr add {HUB}/16 dev here\n\
         route add blackhole default\n"
    )
}

fn host_script(host: usize) -> String {
    let mut script = format!(
        "link set lo up\nlink set eth0 up\n\
         addr add {}/16 brd + dev eth0\n\
         route add default via {HUB}\n\
         neigh add {BLACK_HOLE} lladdr 02:77:00:00:00:fd dev eth0 nud permanent\n",
        addr(host)
    );
    if Path::new("/proc/sys/net/ipv6").exists() {
        let _ = writeln!(script, "addr add {}/64 dev eth0 nodad", addr6(host));
    }
    if host == DHT_HOST {
        for server in Network::dht_servers() {
            let ip = server.split(':').next().unwrap_or_default();
            let _ = writeln!(script, "addr add {ip}/16 dev eth0");
        }
        let _ = writeln!(script, "addr add {DNS_SERVER}/16 dev eth0");
    }
    script
}

/// Each name leads to two servers, as DNS would say it.
fn dht_names() -> String {
    let servers = Network::dht_servers();
    let lines = servers.iter().enumerate().map(|(i, server)| {
        let ip = server.split(':').next().unwrap_or_default();
        format!("{ip} {}\n", DHT_NAMES[i % DHT_NAMES.len()].0)
    });
    lines.collect()
}

/// Runs `command` with `script` as its input; `ip` then reads one command a line.
fn batch(mut command: Command, script: &str) -> Result<()> {
    if command.get_program() == "ip" {
        command.args(["-batch", "-"]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't run {}", line(&command)))?;
    child.stdin.take().context("stdin isn't a pipe")?.write_all(script.as_bytes())?;
    let output = child.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}\n{script}", line(&command), stderr.trim_end());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_dht_leads_to_a_server_at_its_port() {
        let (names, servers) = (dht_names(), Network::dht_servers());
        assert_eq!(servers.len(), N_DHT_SERVERS);
        for (name, port) in DHT_NAMES {
            let line = names.lines().find(|line| line.ends_with(name)).unwrap();
            let ip = line.split(' ').next().unwrap();
            assert!(servers.contains(&format!("{ip}:{port}")), "{name}");
        }
    }

    #[test]
    fn hosts_have_addresses_of_their_own() {
        assert_eq!((addr(7), addr6(7)), ("10.77.0.7".to_owned(), "fd77::7".to_owned()));
        assert_ne!(addr(DHT_HOST), addr(1));
    }
}
