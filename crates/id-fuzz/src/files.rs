//! The files of a node. Nobody but its owner writes them; but disks fail, and people edit.

use id_node::{
    access::parse_ids,
    config::{check_name, parse_dns_names},
    config_file::{ConfigFile, ConfigFileError, MAX_CONFIG_LEN},
    data_dir::RuntimeFile,
    untrusted,
};
use id_proto::{Network, PeerRef, UnverifiedAnnouncement};

use crate::{
    Outcome::{self, Refused, Understood},
    check::is_fixed_point,
};

pub(crate) fn remembered_peers(bytes: &[u8]) -> Outcome {
    // As it is, which almost never has the right checksum, and with the right one in front.
    let as_it_is = untrusted::remembered_peers(bytes).is_some();
    let sealed = [blake3::hash(bytes).as_bytes(), bytes].concat();
    let Some(peers) = untrusted::remembered_peers(&sealed) else {
        return Outcome::understood_if(as_it_is);
    };
    assert!(peers.len() <= untrusted::MAX_REMEMBERED);
    for peer in &peers {
        let read = UnverifiedAnnouncement::decode(peer.bytes()).expect("it was decoded");
        assert!(read.verify().is_ok(), "a peer is remembered that nobody signed");
    }
    let written = untrusted::remembered_peers_file(&peers);
    assert_eq!(untrusted::remembered_peers(&written).as_ref(), Some(&peers));
    let longer = [bytes, &[0]].concat();
    let longer = [blake3::hash(&longer).as_bytes(), longer.as_slice()].concat();
    assert!(untrusted::remembered_peers(&longer).is_none(), "a byte too many is accepted");
    Outcome::understood_if(!peers.is_empty())
}

pub(crate) fn runtime_file(bytes: &[u8]) -> Outcome {
    let Ok(runtime) = RuntimeFile::parse(bytes) else {
        return Refused;
    };
    assert!(runtime.endpoint_addr().addrs.len() <= runtime.addrs.len());
    is_fixed_point(&runtime, RuntimeFile::to_json, RuntimeFile::parse);
    Understood
}

pub(crate) fn config(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Refused;
    };
    let config = match ConfigFile::parse(text) {
        Ok(config) => config,
        Err(error) => {
            check_error(text, &error);
            return Refused;
        }
    };
    assert!(text.len() <= MAX_CONFIG_LEN);
    // Nothing that is written is silently dropped.
    let table: toml::Table = text.parse().expect("what has been read is TOML");
    assert_eq!(n_set(&config), table.len(), "{text}");
    check_values(&config);
    Outcome::understood_if(n_set(&config) > 0)
}

fn check_error(text: &str, error: &ConfigFileError) {
    if let ConfigFileError::Wrong { line, .. } = error {
        assert!((1..=text.lines().count() + 1).contains(line), "line {line} of {text:?}");
    }
}

fn n_set(config: &ConfigFile) -> usize {
    let ConfigFile {
        data_dir,
        ephemeral,
        name,
        topic,
        topic_secret,
        topic_secret_file,
        bootstrap,
        deny,
        deny_file,
        allow,
        allow_file,
        operator,
        allow_write,
        no_blobs,
        no_gossip,
        no_dht,
        dht_bootstrap,
        no_mdns,
        bootstrap_dns,
        relay,
        no_relay,
        bind,
        announce_addrs,
        announce_interval,
        http,
        http_host,
        log_format,
        log_level,
    } = config;
    [
        data_dir.is_some(),
        ephemeral.is_some(),
        name.is_some(),
        topic.is_some(),
        topic_secret.is_some(),
        topic_secret_file.is_some(),
        bootstrap.is_some(),
        deny.is_some(),
        deny_file.is_some(),
        allow.is_some(),
        allow_file.is_some(),
        operator.is_some(),
        allow_write.is_some(),
        no_blobs.is_some(),
        no_gossip.is_some(),
        no_dht.is_some(),
        dht_bootstrap.is_some(),
        no_mdns.is_some(),
        bootstrap_dns.is_some(),
        relay.is_some(),
        no_relay.is_some(),
        bind.is_some(),
        announce_addrs.is_some(),
        announce_interval.is_some(),
        http.is_some(),
        http_host.is_some(),
        log_format.is_some(),
        log_level.is_some(),
    ]
    .into_iter()
    .filter(|is_set| *is_set)
    .count()
}

/// What the binary does with the values: each is accepted or refused, and none is a panic.
fn check_values(config: &ConfigFile) {
    let _ = config.name.as_deref().map(check_name);
    let _ = config.bootstrap.as_deref().map(PeerRef::parse_list);
    let _ = config.deny.as_deref().map(parse_ids);
    let _ = config.allow.as_deref().map(parse_ids);
    let _ = config.operator.as_deref().map(parse_ids);
    let _ = config.bootstrap_dns.as_deref().map(parse_dns_names);
    if let (Some(topic), Some(secret)) = (&config.topic, &config.topic_secret) {
        let _ = Network::derive(topic, secret);
    }
}
