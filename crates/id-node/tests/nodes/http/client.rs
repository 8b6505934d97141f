//! An HTTP client that sends what it is told, so that it can be told to send what no browser would.

use std::{collections::BTreeMap, net::SocketAddr};

use id_node::{Node, http::HttpServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::lab::awaited;

/// Serves `node` on a free port of loopback, by these names too.
pub(crate) async fn serve(node: &Node, names: &str) -> HttpServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    node.serve_http(listener, names.parse().unwrap()).unwrap()
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Asks for `path` as a browser would.
pub(crate) async fn get(server: &HttpServer, path: &str) -> Answer {
    let addr = server.addr();
    send(addr, &format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")).await
}

/// Sends these bytes, and reads until the server has closed the connection.
pub(crate) async fn send(addr: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    awaited("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    parse(&String::from_utf8(answer).unwrap())
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}
