//! `id-lab`: what surrounds nodes in the lab.
//!
//! `cargo xtask lab` starts it inside its network namespaces, and `cargo xtask bench` for crawlers to be
//! measured with. It is no part of what we publish: only
//! here may a mainline server, a hostile one, or somebody else's peer live.

mod dht;
mod dns;
mod echo;
mod farm;
mod hostile;
mod newer_peer;
mod relay;
mod stock_peer;
mod stock_transfer;
mod strangers;
mod wire;

use clap::Parser;

/// What surrounds nodes in the lab. Runs until it is killed, except for `echo-ask` and `stock-receive`.
#[derive(Debug, Parser)]
enum Command {
    /// Runs mainline DHT servers that know each other
    Dht(dht::Servers),
    /// Runs DHT servers that are of no help, or worse
    HostileDht(hostile::HostileDht),
    /// Runs a peer that is found by distributed-topic-tracker alone, as others would write one
    StockPeer(stock_peer::StockPeer),
    /// Offers a file to anybody, as iroh-blobs' own example does
    StockSend(stock_transfer::Sender),
    /// Fetches such a file, says how long that took, and ends
    StockReceive(stock_transfer::Receiver),
    /// Runs a peer of a release to come
    NewerPeer(newer_peer::NewerPeer),
    /// Runs a relay, over plain HTTP
    Relay(relay::Relay),
    /// Runs a DNS server that knows TXT records and nothing else
    Dns(dns::Dns),
    /// Is a wire between two network devices, on which frames come late or get lost
    Wire(wire::Wires),
    /// Runs thousands of peers that answer crawlers, in one process
    Farm(farm::Farm),
    /// Sends back what it is sent by UDP
    Echo(echo::Echo),
    /// Measures round trips to an echo, says what it found, and ends
    EchoAsk(echo::Ask),
}

// Many threads, because the tracker resolves names synchronously.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Dht(servers) => servers.run().await,
        Command::HostileDht(servers) => servers.run().await,
        Command::StockPeer(peer) => peer.run().await,
        Command::StockSend(sender) => sender.run().await,
        Command::StockReceive(receiver) => receiver.run().await,
        Command::NewerPeer(peer) => peer.run().await,
        Command::Relay(relay) => relay.run().await,
        Command::Dns(dns) => dns.run().await,
        Command::Wire(wires) => wires.run(),
        Command::Farm(farm) => farm.run().await,
        Command::Echo(echo) => echo.run().await,
        Command::EchoAsk(ask) => ask.run().await,
    }
}
