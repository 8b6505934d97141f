//! Crawls a network from one node on, telling what happens while it happens.
//!
//! `cargo run -p id-client --example crawl -- NODE_ID@IP:PORT`

use std::{env, error::Error, time::Duration};

use id_client::{
    CrawlEvent, Crawler, Depth, Limits,
    id_proto::PeerRef,
    iroh::{Endpoint, endpoint::presets},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seed: PeerRef = env::args().nth(1).ok_or("which node? NODE_ID@IP:PORT")?.parse()?;
    let endpoint = Endpoint::bind(presets::Minimal).await?;
    let limits = Limits {
        max_depth: Depth::Unlimited,
        timeout: Duration::from_secs(10),
        ..Limits::default()
    };
    let crawler = Crawler::builder(endpoint.clone()).seeds(seed.addrs().to_vec()).limits(limits);

    let mut crawl = crawler.start();
    while let Some(event) = crawl.next().await {
        match event {
            CrawlEvent::Found { entry, depth, .. } => {
                println!("found    {} at depth {depth}", entry.announcement.node_id);
            }
            CrawlEvent::Failed { peer, error } => println!("failed   {peer}: {error}"),
            CrawlEvent::LimitHit(reason) => println!("stopped  by {}", reason.as_str()),
            _ => {}
        }
    }
    let report = crawl.finish().await;
    println!("{:?} in {:?}", report.summary(), report.duration);

    endpoint.close().await;
    Ok(())
}
