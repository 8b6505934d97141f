//! UDP echo: shows how long packets travel, and how many get lost.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use clap::Args;
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

/// The longest packet that is sent back.
const MAX_LEN: usize = 64;
/// Pause between two questions, so that one that comes late isn't taken for the next one's answer.
const PAUSE: Duration = Duration::from_millis(20);

/// Who answers.
#[derive(Debug, Args)]
pub(crate) struct Echo {
    /// Where it listens
    #[arg(long, value_name = "ADDR:PORT")]
    bind: SocketAddr,
}

/// Who asks.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// Whom to ask
    #[arg(value_name = "ADDR:PORT")]
    to: SocketAddr,
    /// How often
    #[arg(long, default_value_t = 40)]
    times: u32,
    /// How long to wait for each answer
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 400)]
    patience_ms: u64,
}

impl Echo {
    /// Says `ready`, and sends back what comes until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        let socket = UdpSocket::bind(self.bind).await?;
        println!("ready");
        serve(&socket).await
    }
}

async fn serve(socket: &UdpSocket) -> Result<()> {
    let mut buffer = [0; MAX_LEN];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await?;
        // Whoever has gone meanwhile is no reason to end.
        let _ = socket.send_to(&buffer[..len], from).await;
    }
}

impl Ask {
    /// Asks so many times, one after the other, and says the median and how many got lost.
    pub(crate) async fn run(&self) -> Result<()> {
        let any = if self.to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(self.to).await?;
        let mut took = Vec::new();
        for n in 0..self.times {
            took.extend(self.round_trip(&socket, n).await?);
            tokio::time::sleep(PAUSE).await;
        }
        println!("{}", summary(took, self.times));
        Ok(())
    }

    async fn round_trip(&self, socket: &UdpSocket, n: u32) -> Result<Option<Duration>> {
        let sent = Instant::now();
        let deadline = sent + Duration::from_millis(self.patience_ms);
        socket.send(&n.to_be_bytes()).await?;
        let mut buffer = [0; MAX_LEN];
        while let Ok(len) = timeout_at(deadline, socket.recv(&mut buffer)).await {
            if buffer[..len?] == n.to_be_bytes() {
                return Ok(Some(sent.elapsed()));
            }
        }
        Ok(None)
    }
}

fn summary(mut took: Vec<Duration>, n_asked: u32) -> String {
    took.sort();
    let n_lost = n_asked as usize - took.len();
    match took.get(took.len() / 2) {
        Some(median) => format!(
            "round trip {:.1} ms, {n_lost} of {n_asked} echoes lost",
            median.as_secs_f64() * 1000.0
        ),
        None => format!("no echo of {n_asked} came"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_the_median_and_what_got_lost() {
        let ms = Duration::from_millis;
        let said = summary(vec![ms(300), ms(100), ms(101)], 5);
        assert_eq!(said, "round trip 101.0 ms, 2 of 5 echoes lost");
        assert_eq!(summary(Vec::new(), 5), "no echo of 5 came");
    }

    #[tokio::test]
    async fn who_is_asked_answers() {
        let bind = async || UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (echo, asker) = (bind().await, bind().await);
        let to = echo.local_addr().unwrap();
        asker.connect(to).await.unwrap();
        let ask = Ask { to, times: 1, patience_ms: 20_000 };
        tokio::select! {
            ended = serve(&echo) => panic!("{ended:?}"),
            took = ask.round_trip(&asker, 7) => assert!(took.unwrap().is_some()),
        }
    }
}
