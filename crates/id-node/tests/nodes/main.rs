//! Real nodes in one process, over real connections on loopback.

mod asking;
mod believing;
#[cfg(feature = "blobs")]
mod blobs;
mod denying;
mod going;
mod handing;
mod http;
mod lab;
mod meeting;
mod member;
mod naming;
mod stalling;
