use std::fs;

use id_proto::{Network, PeerAnnouncement, SignedAnnouncement};

use super::*;

fn open() -> (tempfile::TempDir, DataDir) {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path().join("data")).unwrap();
    (dir, data)
}

fn set_aside_files(data: &DataDir) -> Vec<String> {
    let names = fs::read_dir(data.path()).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".corrupt-")).collect()
}

fn announcement(seed: u8) -> SignedAnnouncement {
    let key = SecretKey::from_bytes(&[seed; 32]);
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: None,
        blob_count: 0,
        timestamp_secs: 1,
        seq: 1,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: Vec::new(),
        agent: String::new(),
    };
    SignedAnnouncement::sign(announcement, &key).unwrap()
}

#[test]
fn the_identity_is_made_once_and_private() {
    let (_dir, data) = open();
    let key = data.identity().unwrap();
    assert_eq!(data.identity().unwrap().to_bytes(), key.to_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(data.path().join("identity")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn what_was_never_finished_is_gone_at_the_next_start_and_nothing_else() {
    let (_dir, data) = open();
    let (path, floor) = (data.path().to_owned(), 7);
    data.reserve_seq(floor).unwrap();
    fs::write(path.join(".tmpX.unfinished"), "half of").unwrap();
    fs::write(path.join("mine"), "all of it").unwrap();
    drop(data);
    let data = DataDir::open(&path).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "mine", "seq"]);
    assert_eq!(data.seq_floor(), floor);
}

#[test]
fn an_operator_is_who_can_read_the_directory() {
    let (_dir, data) = open();
    assert!(operator_key(data.path()).unwrap().is_none());
    let key = data.make_operator_key().unwrap();
    assert_eq!(data.make_operator_key().unwrap().to_bytes(), key.to_bytes());
    assert_eq!(operator_key(data.path()).unwrap().unwrap().to_bytes(), key.to_bytes());
    assert_ne!(key.to_bytes(), data.identity().unwrap().to_bytes());
    assert!(cli_key(data.path()).is_none(), "who only asks is nobody in particular");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = data.path().join("operator-key");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        for error in [data.make_operator_key().err(), operator_key(data.path()).err()] {
            assert!(matches!(error, Some(DataDirError::LooseMode { mode: 0o644, .. })));
        }
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, data) = open();
    data.identity().unwrap();
    let path = data.path().join("identity");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = data.identity().unwrap_err();
    assert!(matches!(error, DataDirError::LooseMode { mode: 0o640, .. }), "{error}");
}

#[test]
fn a_corrupt_identity_is_named_and_stays_as_it_is() {
    let (_dir, data) = open();
    data.identity().unwrap();
    let path = data.path().join("identity");
    for damaged in ["", "not a key", &"zz".repeat(32), &"a".repeat(1000)] {
        fs::write(&path, damaged).unwrap();
        let error = data.identity().unwrap_err();
        assert!(matches!(error, DataDirError::CorruptIdentity(_)), "{error}");
        assert!(error.to_string().contains("identity"));
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
}

#[test]
fn a_second_instance_is_refused_until_the_first_is_gone() {
    let (_dir, data) = open();
    let path = data.path().to_owned();
    assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse(_))));
    drop(data);
    DataDir::open(&path).unwrap();
}

#[test]
fn a_reserved_sequence_number_is_found_again() {
    let (_dir, data) = open();
    assert_eq!(data.seq_floor(), 0);
    data.reserve_seq(42).unwrap();
    assert_eq!(data.seq_floor(), 42);
}

#[test]
fn the_last_port_is_found_again_and_what_is_no_port_is_none() {
    let (_dir, data) = open();
    assert_eq!(data.last_port(), None);
    data.save_port(4433).unwrap();
    assert_eq!(data.last_port(), Some(4433));
    for wrong in ["", "0", "70000", "port", "4433 and much more than fits"] {
        fs::write(data.path().join("port"), wrong).unwrap();
        assert_eq!(data.last_port(), None, "{wrong}");
    }
}

#[test]
fn a_damaged_seq_file_is_set_aside() {
    let (_dir, data) = open();
    fs::write(data.path().join("seq"), "many").unwrap();
    assert_eq!(data.seq_floor(), 0);
    assert_eq!(set_aside_files(&data).len(), 1);
}

#[test]
fn peers_survive_a_restart() {
    let (_dir, data) = open();
    assert!(data.load_peers().is_empty());
    let saved = [announcement(1), announcement(2)];
    data.save_peers(&saved).unwrap();
    assert_eq!(data.load_peers(), saved);
}

#[test]
fn a_damaged_peers_file_is_set_aside_whatever_is_damaged() {
    let (_dir, data) = open();
    data.save_peers(&[announcement(1)]).unwrap();
    let path = data.path().join("peers");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    let damaged = [whole[..whole.len() - 1].to_vec(), flipped, vec![0; 10], vec![0; 1 << 20]];
    for (i, damaged) in damaged.into_iter().enumerate() {
        fs::write(&path, damaged).unwrap();
        assert!(data.load_peers().is_empty());
        assert!(!path.exists());
        assert_eq!(set_aside_files(&data).len(), i + 1);
    }
}

#[test]
fn a_corrupt_runtime_file_is_an_error_that_names_it_and_is_set_aside_by_the_next_node() {
    let (_dir, data) = open();
    let path = data.path().join("node.json");
    fs::write(&path, "{").unwrap();
    let error = RuntimeFile::read(data.path()).unwrap_err();
    assert!(error.to_string().contains("node.json"), "{error}");

    let runtime = RuntimeFile {
        node_id: SecretKey::from_bytes(&[1; 32]).public(),
        addrs: vec!["127.0.0.1:1".parse().unwrap()],
        pid: 1,
        topic: "t".to_owned(),
        network_tag: Network::public().tag().to_string(),
        http: None,
    };
    data.write_runtime_file(&runtime).unwrap();
    assert_eq!(RuntimeFile::read(data.path()).unwrap(), Some(runtime));
    assert_eq!(set_aside_files(&data).len(), 1);
    data.remove_runtime_file().unwrap();
    data.remove_runtime_file().unwrap();
    assert_eq!(RuntimeFile::read(data.path()).unwrap(), None);
}

#[test]
fn runtime_file_of_an_earlier_release_is_read() {
    let id = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let earlier =
        format!(r#"{{"node_id":"{id}","addrs":[],"pid":1,"topic":"t","network_tag":"00"}}"#);
    let runtime = RuntimeFile::parse(earlier.as_bytes()).unwrap();
    assert_eq!(runtime.http, None);
    assert!(!String::from_utf8(runtime.to_json()).unwrap().contains("http"));
}
