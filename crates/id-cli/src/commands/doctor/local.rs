//! What can be seen on this machine: settings, data directory, key, lock.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use id_node::{
    DhtBootstrap, checkup,
    data_dir::{DataDirError, RuntimeFile, read_key},
    endpoint::Relay,
    settings::Settings,
};
use tokio::time::sleep;

use crate::doctor::facts::{Config, DataDir, Instance, Key};

/// How much room there must be. Origin: what a node writes when it remembers a few hundred peers.
const NEEDED_ROOM: usize = 64 * 1024;
/// How long a node that starts may hold the lock before it says who it is. Origin: it takes a tenth of that.
const START_TIME: Duration = Duration::from_secs(1);

/// The settings, without secrets.
pub(super) fn config(settings: &Settings) -> Config {
    let network = &settings.network;
    Config {
        topic: network.topic().to_owned(),
        tag: network.tag().to_string(),
        is_private: network.is_private(),
        gossip: settings.gossip,
        is_local: settings.bind.is_some_and(|addr| addr.ip().is_loopback()),
        third_parties: third_parties(settings),
    }
}

fn third_parties(settings: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    match &settings.relay {
        Relay::Disabled => {}
        Relay::Default => all.push("n0's relays, lookup services and DNS resolvers".to_owned()),
        Relay::Custom(urls) => all.extend(urls.iter().map(|url| format!("the relay {url}"))),
    }
    if let Some(dht) = settings.dht.as_ref().filter(|_| settings.gossip) {
        let which = match dht {
            DhtBootstrap::Public => "the BitTorrent DHT",
            DhtBootstrap::Private(_) => "a DHT of your own",
        };
        all.push(format!("{which}, entered through {}", checkup::dht_names(dht).join(", ")));
    }
    if !settings.bootstrap_dns.is_empty() {
        all.push(format!("the DNS, for {}", settings.bootstrap_dns.join(", ")));
    }
    all
}

/// Whether the directory can be written to. What is written has no name, and is gone at once.
pub(super) fn data_dir(settings: &Settings) -> DataDir {
    let Some(dir) = &settings.data_dir else {
        return DataDir::Unused;
    };
    match write_something(dir) {
        Ok(()) => DataDir::Usable(dir.clone()),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => DataDir::Missing(dir.clone()),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                DataDir::Full(dir.clone(), error.to_string())
            }
            io::ErrorKind::PermissionDenied if is_anothers(dir) => DataDir::Foreign(dir.clone()),
            _ => DataDir::Unusable(dir.clone(), error.to_string()),
        },
    }
}

fn write_something(dir: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(dir)?;
    file.write_all(&[0; NEEDED_ROOM])?;
    file.sync_all()
}

#[cfg(unix)]
fn is_anothers(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| fs::metadata(path).map(|metadata| metadata.uid()).ok();
    owner(path) != owner(Path::new("/proc/self"))
}

#[cfg(not(unix))]
fn is_anothers(_: &Path) -> bool {
    false
}

/// The key's file, as a node that starts would see it.
pub(super) fn key(settings: &Settings) -> Key {
    let Some(dir) = &settings.data_dir else {
        return Key::Unused;
    };
    match read_key(&dir.join("identity")) {
        Ok(Some(key)) => Key::Good(key.public()),
        Ok(None) => Key::Missing,
        Err(DataDirError::LooseMode { path, mode }) => Key::Loose { path, mode },
        Err(DataDirError::Io { why, .. })
            if why.kind() == io::ErrorKind::PermissionDenied && is_anothers(dir) =>
        {
            Key::Foreign
        }
        Err(error) => Key::Bad(error.to_string()),
    }
}

/// Who runs on the directory, and what it says of itself.
pub(super) async fn instance(settings: &Settings) -> (Instance, Option<RuntimeFile>) {
    let Some(dir) = &settings.data_dir else {
        return (Instance::None, None);
    };
    let mut runtime = RuntimeFile::read(dir).ok().flatten();
    if lock(dir) == Lock::Held && runtime.is_none() {
        sleep(START_TIME).await;
        runtime = RuntimeFile::read(dir).ok().flatten();
    }
    match (lock(dir), runtime) {
        (Lock::Held, None) => (Instance::Unknown(dir.join("lock")), None),
        (Lock::Held, Some(runtime)) => (node(&runtime), Some(runtime)),
        // Another user's: its process is all that can be seen of it.
        (Lock::Unknown, Some(runtime)) if is_visible(runtime.pid) => {
            (node(&runtime), Some(runtime))
        }
        (Lock::Free | Lock::Unknown, _) => (Instance::None, None),
    }
}

fn node(runtime: &RuntimeFile) -> Instance {
    Instance::Node {
        pid: runtime.pid,
        topic: runtime.topic.clone(),
        tag: runtime.network_tag.clone(),
    }
}

/// The lock of a data directory.
#[derive(Debug, PartialEq, Eq)]
enum Lock {
    Held,
    Free,
    /// We may not look.
    Unknown,
}

fn lock(dir: &Path) -> Lock {
    match File::open(dir.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Lock::Free,
        Err(_) => Lock::Unknown,
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Lock::Free,
            Err(TryLockError::WouldBlock) => Lock::Held,
            Err(TryLockError::Error(_)) => Lock::Unknown,
        },
    }
}

fn is_visible(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
