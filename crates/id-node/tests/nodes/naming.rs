//! How nodes find each other through names in the DNS.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use id_node::{
    Node, NodeConfig,
    id_client::{Client, id_proto::Network},
    iroh::{
        Endpoint, EndpointAddr, RelayMode,
        dns::DnsResolver,
        endpoint::{PortmapperConfig, presets},
    },
};
use tokio::{net::UdpSocket, task::JoinSet};

use crate::lab::{addr, all_know_all, awaited, lab, until};

const NAME: &str = "peers.id.test";

/// A DNS server on loopback that answers every question with the same TXT records, each of one string
/// or several; if there are none, that there is no such name.
struct Server {
    addr: SocketAddr,
    records: Arc<Mutex<Vec<Vec<String>>>>,
    _serving: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (addr, records) = (socket.local_addr().unwrap(), Arc::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(socket, Arc::clone(&records)));
        Self { addr, records, _serving: serving }
    }

    fn publish(&self, records: &[&[String]]) {
        *self.records.lock().unwrap() = records.iter().map(|strings| strings.to_vec()).collect();
    }
}

async fn serve(socket: UdpSocket, records: Arc<Mutex<Vec<Vec<String>>>>) {
    let mut query = [0; 512];
    loop {
        let (len, from) = socket.recv_from(&mut query).await.unwrap();
        let answer = answer(&query[..len], &records.lock().unwrap());
        socket.send_to(&answer, from).await.unwrap();
    }
}

/// A DNS message (RFC 1035) that answers `query`.
fn answer(query: &[u8], records: &[Vec<String>]) -> Vec<u8> {
    const NO_SUCH_NAME: u8 = 3;
    let question_len = query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let n_records = u8::try_from(records.len()).unwrap();
    let code = if records.is_empty() { NO_SUCH_NAME } else { 0 };
    let mut message = query[..2].to_vec();
    message.extend([0x81, 0x80 | code, 0, 1, 0, n_records, 0, 0, 0, 0]);
    message.extend(&query[12..12 + question_len]);
    for strings in records {
        let strings: Vec<u8> = strings
            .iter()
            .flat_map(|string| [&[u8::try_from(string.len()).unwrap()], string.as_bytes()].concat())
            .collect();
        // The question's name, TXT, IN, for no longer than now.
        message.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0]);
        message.extend(u16::try_from(strings.len()).unwrap().to_be_bytes());
        message.extend(strings);
    }
    message
}

/// A node that knows nothing but a name, and whom to ask for it.
async fn node_that_asks(server: &Server) -> Node {
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        .dns_resolver(DnsResolver::with_nameserver(server.addr))
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap()
        .bind()
        .await
        .unwrap();
    let config =
        NodeConfig { bootstrap_dns: vec![NAME.to_owned()], ..NodeConfig::new(Network::public()) };
    Node::spawn(endpoint, config).await.unwrap()
}

fn reference(addr: &EndpointAddr) -> String {
    let addrs: Vec<String> = addr.ip_addrs().map(SocketAddr::to_string).collect();
    format!("{}@{}", addr.id, addrs.join(","))
}

/// What a node says that the DNS said.
async fn said(client: &Client, node: &Node) -> String {
    let status = client.status(addr(node)).await.unwrap();
    let dns = status.channels.into_iter().find(|(channel, _)| channel == "dns");
    dns.unwrap().1
}

#[tokio::test]
async fn node_finds_its_network_through_a_name() {
    lab(async |lab| {
        let (server, first) = (Server::start().await, lab.slow(&[]).await);
        server.publish(&[&["v=spf1 -all".to_owned()], &[reference(&addr(&first))]]);
        let second = node_that_asks(&server).await;
        let nodes = [first, second];
        all_know_all(&nodes).await;
        let client = Client::new(lab.endpoint().await);
        assert_eq!(said(&client, &nodes[1]).await, "found 1 peer");
        assert_eq!(said(&client, &nodes[0]).await, "disabled");
        let [_, second] = nodes;
        second.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn ticket_may_be_cut_into_strings() {
    lab(async |lab| {
        let (server, first) = (Server::start().await, lab.slow(&[]).await);
        let ticket = first.ticket().to_string();
        let strings: Vec<String> =
            ticket.as_bytes().chunks(50).map(|part| String::from_utf8_lossy(part).into()).collect();
        assert!(strings.len() > 1);
        server.publish(&[&strings]);
        let second = node_that_asks(&server).await;
        let nodes = [first, second];
        all_know_all(&nodes).await;
        let [_, second] = nodes;
        second.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn name_that_comes_later_is_found_later() {
    lab(async |lab| {
        let (server, first) = (Server::start().await, lab.slow(&[]).await);
        let second = node_that_asks(&server).await;
        let client = Client::new(lab.endpoint().await);
        let refused = async {
            while !said(&client, &second).await.starts_with("no answer; peers.id.test: ") {
                tokio::task::yield_now().await;
            }
        };
        awaited("the name isn't there", refused).await;
        assert!(second.view().isolated);
        server.publish(&[&[reference(&addr(&first))]]);
        until(&second, "a neighbour", |view| !view.neighbours.is_empty()).await;
        second.shutdown().await;
    })
    .await;
}
