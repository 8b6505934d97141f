//! Feeds the committed corpus to every target, and inputs at the limits, on any compiler.

use std::{
    fs,
    path::{Path, PathBuf},
};

use id_fuzz::{Outcome, TARGETS, Target};

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let dir = fuzz_dir().join("corpus").join(target.name);
    let files = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Those of the corpus that `examples/seeds.rs` writes.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let dir = fuzz_dir().join("corpus").join(target.name);
    let seed = |n: usize| fs::read(dir.join(format!("seed-{n:02}"))).ok();
    (0..).map_while(seed).collect()
}

#[test]
fn every_target_has_inputs_that_it_understands_and_inputs_that_it_refuses() {
    for target in TARGETS {
        let outcomes: Vec<_> = corpus(target).iter().map(|input| target.feed(input).0).collect();
        let name = target.name;
        assert!(outcomes.contains(&Outcome::Understood), "{name} understands none of its corpus");
        assert!(outcomes.contains(&Outcome::Refused), "{name} refuses none of its corpus");
    }
}

#[test]
fn every_directory_of_the_corpus_and_every_program_is_a_targets() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    for room in ["corpus", "fuzz_targets"] {
        let mut found: Vec<_> = fs::read_dir(fuzz_dir().join(room))
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        found.sort();
        let mut expected = names.clone();
        expected.sort();
        assert_eq!(found, expected, "{room}");
    }
}

#[test]
fn the_fuzzer_is_told_how_long_inputs_may_be() {
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let max_len = manifest["package"]["metadata"]["max-len"].as_table().unwrap();
    assert_eq!(max_len.len(), TARGETS.len());
    for target in TARGETS {
        let told = max_len[target.name].as_integer();
        assert_eq!(told, Some(target.max_len as i64), "{}", target.name);
    }
}

#[test]
fn beginnings_of_inputs_are_fed_too() {
    for target in TARGETS {
        for input in corpus(target).iter().filter(|input| input.len() <= 1024) {
            for len in (0..input.len()).step_by(7) {
                target.feed(&input[..len]);
            }
        }
    }
}

/// As long as is read, and a little longer: one byte over and over, and the corpus over and over.
#[test]
fn the_longest_inputs_stay_within_the_memory_that_an_input_may_take() {
    for target in TARGETS {
        let bytes = b"\0\x01\n \"'0a,[{\x7f\x80\xff".iter().map(|byte| vec![*byte]);
        let patterns = bytes.chain(seeds(target));
        for pattern in patterns {
            for prefix in [&[][..], &pattern] {
                let room = target.max_len.saturating_sub(prefix.len());
                let repeated = pattern.iter().copied().cycle().take(room);
                let input: Vec<u8> = prefix.iter().copied().chain(repeated).collect();
                for len in [target.max_len - 16, target.max_len] {
                    target.feed(&input[..len.min(input.len())]);
                }
            }
        }
    }
}

/// Lists of as many items as there can be in a response, each of which takes a byte or two there.
#[test]
fn a_claim_of_many_items_makes_no_room_for_them() {
    let n = [0xa0, 0x9c, 1]; // 20,000
    let zeros = [0; 60_000];
    let status = [&[0, 0, 0][..], &n, &zeros[..20_000], &[0], &n, &zeros[..40_000], &n].concat();
    let (_, memory) = id_fuzz::STATUS_REPORT.feed(&status);
    assert!(memory.held < 256 * 1024, "{memory:?}");
    let introducers = [&[0, 0, 0][..], &n, &zeros[..20_000]].concat();
    let (_, memory) = id_fuzz::INTRODUCERS_REPORT.feed(&introducers);
    assert!(memory.held < 256 * 1024, "{memory:?}");
    let reasons = [&[0, 0, 0, 0][..], &n, &zeros[..40_000]].concat();
    let (_, memory) = id_fuzz::RESPONSE.feed(&[&[6, 0xc7, 0xb8, 2][..], &reasons].concat());
    assert!(memory.held < 256 * 1024, "{memory:?}");
    let response = [&[3, 0xe9, 0xd4, 3][..], &status[..60_009]].concat();
    id_fuzz::RESPONSE.feed(&response);
    // 2^20 peers, of which none follows.
    id_fuzz::REMEMBERED_PEERS.feed(&[&[0, 0x80, 0x80, 0x40][..], &zeros].concat());
}

#[test]
fn whatever_a_configuration_file_is_full_of_it_takes_a_bounded_share_of_memory() {
    let max = id_node::config_file::MAX_CONFIG_LEN;
    let mut lines = String::new();
    let mut n = 0;
    while lines.len() + 16 < max {
        lines += &format!("k{n:x}.b=0\n");
        n += 1;
    }
    let full_of = |start: &str, item: &str| {
        let input = start.as_bytes().iter().chain(item.as_bytes().iter().cycle());
        id_fuzz::CONFIG.feed(&input.take(max).copied().collect::<Vec<_>>());
    };
    id_fuzz::CONFIG.feed(lines.as_bytes());
    full_of("a=[", "0,");
    full_of("a=[", "{a=0},");
    full_of("", "[[a]]\nb=0\n");
}

#[test]
fn memory_is_counted() {
    let input = corpus(&id_fuzz::ANNOUNCEMENT).into_iter().max_by_key(Vec::len).unwrap();
    let (_, memory) = id_fuzz::ANNOUNCEMENT.feed(&input);
    // At the least the copy of the original.
    assert!(memory.held as usize > input.len() && memory.allocated >= memory.held, "{memory:?}");
}
