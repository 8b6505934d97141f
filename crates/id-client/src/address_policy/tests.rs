//! What is dialled on whose word, address by address.

use id_proto::iroh_base::{PublicKey, SecretKey};

use super::*;

fn id() -> PublicKey {
    SecretKey::from_bytes(&[1; 32]).public()
}

/// A socket address, an IP address (then the port is 1), or a relay's URL.
fn parse(text: &str) -> TransportAddr {
    if let Ok(socket) = text.parse() {
        return TransportAddr::Ip(socket);
    }
    match text.parse::<IpAddr>() {
        Ok(ip) => TransportAddr::Ip((ip, 1).into()),
        Err(_) => TransportAddr::Relay(text.parse().expect("an address or a URL")),
    }
}

fn addr(addrs: &[&str]) -> EndpointAddr {
    EndpointAddr::from_parts(id(), addrs.iter().map(|text| parse(text)))
}

fn public() -> AddressPolicy {
    AddressPolicy::new(&Network::public())
}

fn private() -> AddressPolicy {
    AddressPolicy::new(&Network::derive("topic", "secret").unwrap())
}

#[track_caller]
fn assert_allows(policy: &AddressPolicy, addrs: &[&str]) {
    for text in addrs {
        assert!(policy.allows(&parse(text)), "{text} is dialled");
    }
}

#[track_caller]
fn assert_forbids(policy: &AddressPolicy, addrs: &[&str]) {
    for text in addrs {
        assert!(!policy.allows(&parse(text)), "{text} isn't dialled");
    }
}

const INTERNET: &[&str] = &[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.255",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2606:4700::1111",
    "2a01:4f8::1",
    "3fff:1000::1",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "2002:101:101::1",
];

/// Site addresses, of three kinds.
const SITES: &[&str] = &[
    "10.0.0.0",
    "10.255.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.168.0.0",
    "192.168.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "fc00::1",
    "fd77::1",
    "fdff:ffff:ffff:ffff::1",
];

const LOOPBACK: &[&str] = &["127.0.0.1", "127.255.255.255", "::1", "127.0.0.1:4433"];

const NOWHERE: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::2",
    "::127.0.0.1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "::ffff:0.0.0.0",
    "64:ff9b::224.0.0.1",
    "1.1.1.1:0",
    "[2606:4700::1111]:0",
];

#[test]
fn the_internet_is_dialled_on_every_network_up_to_its_edges() {
    assert_allows(&public(), INTERNET);
    assert_allows(&private(), INTERNET);
}

#[test]
fn a_stranger_points_at_nobodys_machine_cable_or_site() {
    for local in [SITES, LOOPBACK, &["169.254.0.0", "169.254.169.254"]] {
        assert_forbids(&public(), local);
    }
}

#[test]
fn members_of_a_private_network_point_at_sites_but_not_at_our_machine() {
    assert_allows(&private(), SITES);
    assert_forbids(&private(), LOOPBACK);
    assert_forbids(&private(), &["169.254.1.1"]);
}

#[test]
fn what_is_nowhere_is_never_dialled_however_much_is_open() {
    let open = NOWHERE.iter().filter(|text| !text.ends_with(":0"));
    let all_open = addr(&open.copied().collect::<Vec<_>>());
    for policy in [public(), private(), private().open(&all_open)] {
        assert_forbids(&policy, NOWHERE);
    }
}

#[test]
fn an_ipv4_address_in_an_ipv6_one_is_as_good_as_outside_of_it() {
    for inner in ["10.1.2.3", "127.0.0.1", "169.254.169.254", "192.168.1.1", "100.100.0.1"] {
        let [a, b, c, d] = inner.parse::<Ipv4Addr>().unwrap().octets();
        let sixto4 = format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1");
        let outer = [
            format!("::ffff:{inner}"),
            format!("::ffff:0:{inner}"),
            format!("64:ff9b::{inner}"),
            sixto4,
        ];
        for outer in outer {
            assert_forbids(&public(), &[&outer]);
            assert_allows(&public().open(&addr(&[inner])), &[&outer]);
        }
    }
}

#[test]
fn where_we_are_ourselves_peers_are_dialled() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("10.77.0.1", &["10.77.0.2", "10.77.255.255"], &["10.78.0.1", "192.168.0.1", "127.0.0.1"]),
        ("172.17.0.2", &["172.17.0.3"], &["172.18.0.3"]),
        ("192.168.1.7", &["192.168.200.1"], &["10.0.0.1"]),
        ("100.64.1.1", &["100.127.9.9"], &["10.64.1.1"]),
        ("fd77::1", &["fd77::2", "fd77:0:0:9::1"], &["fd78::1", "fd77:0:1::1", "10.77.0.1"]),
        ("127.0.0.1", &["127.0.0.1", "127.9.9.9", "::1"], &["10.0.0.1", "169.254.1.1"]),
        ("169.254.7.7", &["169.254.1.1"], &["127.0.0.1", "fe80::1"]),
    ];
    for (own, allowed, forbidden) in cases {
        let policy = public().open(&addr(&[own]));
        assert_allows(&policy, allowed);
        assert_forbids(&policy, forbidden);
    }
}

#[test]
fn who_is_on_the_internet_opens_nothing() {
    let policy = public().open(&addr(&["1.1.1.1", "2606:4700::1111"]));
    assert_eq!(policy, public());
}

#[test]
fn who_has_a_relay_needs_nobodys_local_network() {
    let own = addr(&["https://relay.example/", "192.168.1.7", "127.0.0.1"]);
    assert_forbids(&public().open(&own), &["192.168.1.8", "127.0.0.1"]);
}

#[test]
fn a_relay_is_as_good_as_the_address_in_its_url() {
    assert_allows(&public(), &["https://relay.example/", "https://1.1.1.1/"]);
    let local = [
        "http://localhost:8080/",
        "http://localhost./",
        "http://a.localhost/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "https://192.168.1.1/",
        "https://169.254.169.254/",
    ];
    assert_forbids(&public(), &local);
    assert_allows(&public().open(&addr(&["127.0.0.1"])), &local[..8]);
}

#[test]
fn our_own_relay_is_dialled_wherever_it_is() {
    let policy = public().open(&addr(&["http://10.77.0.9:3340/"]));
    assert_allows(&policy, &["http://10.77.0.9:3340/"]);
    assert_forbids(&policy, &["http://10.77.0.9:22/", "http://10.77.0.10:3340/", "10.77.0.9"]);
}

#[test]
fn what_may_not_be_dialled_is_left_out_and_the_rest_stays() {
    let announced = addr(&["127.0.0.1", "1.1.1.1", "https://relay.example/", "10.0.0.1"]);
    let selected = public().select(announced.clone());
    assert_eq!(selected, addr(&["1.1.1.1", "https://relay.example/"]));
    assert_eq!(AddressPolicy::anything().select(announced.clone()), announced);
}
