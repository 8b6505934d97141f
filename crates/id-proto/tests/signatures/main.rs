//! Which signatures are believed, at the edges: every node must draw the line at the same place, or
//! one's table holds what another's refuses. docs/protocol.md states the rule.
//!
//! The vectors are bytes. What they are called is checked against the curve, so that none of them is
//! refused for another reason than the one it is there for.

mod vectors;

use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::ED25519_BASEPOINT_POINT as B, edwards::CompressedEdwardsY,
    traits::IsIdentity,
};
use data_encoding::HEXLOWER;
use id_proto::{PeerAnnouncement, Statement, UnverifiedAnnouncement, iroh_base::PublicKey};
use sha2::{Digest, Sha512};

/// One signature.
struct Vector {
    name: &'static str,
    key: &'static str,
    r: &'static str,
    s: &'static str,
    blob_count: u8,
    equation: Equation,
    is_believed: bool,
}

/// What S·B − k·A is, the bytes of R being read leniently and S modulo the order of B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Equation {
    /// R itself.
    Holds,
    /// R and a point of small order more: eight times both are the same.
    UpToTorsion,
    /// Something else, or R is no point.
    Fails,
}

/// What is behind `blob_count` in a body: time, sequence number, network, interval; no addresses and
/// no agent.
const REST: &str = "a5cdfbc80688e9d385aa33ea9de46506b721073c821d427a4b25e380a3050000";

/// The order of the base point.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn unhex(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("vectors are lower-case hex")
}

fn point(hex: &str) -> Option<EdwardsPoint> {
    CompressedEdwardsY::from_slice(&unhex(hex)).unwrap().decompress()
}

fn is_canonical(hex: &str) -> bool {
    point(hex).is_some_and(|point| point.compress().as_bytes()[..] == unhex(hex))
}

fn scalar(hex: &str) -> Scalar {
    Scalar::from_bytes_mod_order(unhex(hex).try_into().unwrap())
}

impl Vector {
    fn body(&self) -> Vec<u8> {
        [&[0][..], &unhex(self.key), &[0, self.blob_count], &unhex(REST)].concat()
    }

    /// Signature and body.
    fn bytes(&self) -> Vec<u8> {
        [unhex(self.r), unhex(self.s), self.body()].concat()
    }

    fn k(&self) -> Scalar {
        let hashed =
            [&unhex(self.r)[..], &unhex(self.key), PeerAnnouncement::DOMAIN, &self.body()].concat();
        Scalar::from_bytes_mod_order_wide(&Sha512::digest(hashed).into())
    }

    /// By how much the equation misses, if R is a point.
    fn miss(&self) -> Option<EdwardsPoint> {
        let key = point(self.key).expect("every key here is a point");
        point(self.r).map(|r| B * scalar(self.s) - key * self.k() - r)
    }

    fn equation(&self) -> Equation {
        match self.miss() {
            Some(miss) if miss.is_identity() => Equation::Holds,
            Some(miss) if miss.is_small_order() => Equation::UpToTorsion,
            _ => Equation::Fails,
        }
    }

    fn is_believed(&self) -> bool {
        UnverifiedAnnouncement::decode(&self.bytes()).unwrap().verify().is_ok()
    }
}

fn named(name: &str) -> &'static Vector {
    vectors::ALL.iter().find(|vector| vector.name == name).expect("there is such a vector")
}

fn named_so(part: &str) -> Vec<&'static Vector> {
    let named = vectors::ALL.iter().filter(|vector| vector.name.starts_with(part)).collect();
    assert!(!Vec::is_empty(&named), "{part}");
    named
}

#[test]
fn every_signature_is_believed_or_refused_as_the_rule_says() {
    for vector in vectors::ALL {
        assert_eq!(vector.is_believed(), vector.is_believed, "{}", vector.name);
    }
}

/// The rule as docs/protocol.md words it, computed in another way than the one under test.
#[test]
fn the_vectors_follow_from_the_rule_in_words() {
    for vector in vectors::ALL {
        let is_small = |hex: &str| point(hex).is_none_or(|point| point.is_small_order());
        let s_is_reduced =
            bool::from(Scalar::from_canonical_bytes(unhex(vector.s).try_into().unwrap()).is_some());
        let key = point(vector.key).expect("every key here is a point");
        let expected_r = (B * scalar(vector.s) - key * vector.k()).compress();
        let r_is_equal = expected_r.as_bytes()[..] == unhex(vector.r);
        let by_the_rule =
            s_is_reduced && !is_small(vector.r) && !is_small(vector.key) && r_is_equal;
        assert_eq!(by_the_rule, vector.is_believed, "{}", vector.name);
    }
}

#[test]
fn each_vector_is_refused_for_what_it_is_called_and_for_nothing_else() {
    for vector in vectors::ALL {
        assert_eq!(vector.equation(), vector.equation, "{}", vector.name);
    }
}

#[test]
fn all_eight_points_of_small_order_are_tried_as_key_and_as_r() {
    let keys: std::collections::BTreeSet<_> =
        named_so("key: torsion point").iter().map(|vector| vector.key).collect();
    let rs: std::collections::BTreeSet<_> =
        named_so("R: torsion point").iter().map(|vector| vector.r).collect();
    assert_eq!((keys.len(), &keys), (8, &rs));
    assert!(keys.iter().all(|key| is_canonical(key) && point(key).unwrap().is_small_order()));
    // With these keys the equation holds for signatures that nobody made.
    assert!(named_so("key: torsion point").iter().all(|it| it.equation() == Equation::Holds));
}

#[test]
fn every_encoding_of_a_small_order_key_that_is_not_canonical_is_tried() {
    let tried = vectors::ALL.iter().filter(|it| it.name.starts_with("key: ")).filter(|it| {
        !is_canonical(it.key) && point(it.key).is_some_and(|point| point.is_small_order())
    });
    // y = p and y = p + 1, with either sign; and x = 0 with a sign, twice.
    assert_eq!(tried.count(), 6);
}

#[test]
fn an_s_that_is_not_reduced_is_the_honest_one_and_the_order() {
    let (honest, malleable) = (named("honest"), named("S is not reduced"));
    assert_eq!((honest.key, honest.r, honest.blob_count), {
        (malleable.key, malleable.r, malleable.blob_count)
    });
    assert_eq!(scalar(honest.s), scalar(malleable.s));
    assert_ne!(honest.s, malleable.s);
    assert_eq!(scalar(ORDER), Scalar::ZERO);
}

/// Small is not mixed: whoever has a mixed key can sign, and every node must find so.
#[test]
fn a_key_with_a_torsion_part_is_believed_when_the_equation_holds_exactly() {
    for vector in named_so("mixed key") {
        let key = point(vector.key).unwrap();
        assert!(!key.is_small_order() && !key.is_torsion_free(), "{}", vector.name);
        assert_eq!(vector.is_believed, vector.equation == Equation::Holds, "{}", vector.name);
    }
}

/// A key with y ≥ p is a second name of the same point; no name is better than the bytes.
#[test]
fn a_key_in_another_encoding_is_another_key() {
    let vector = named("key: y = p + 3, for which nobody can sign");
    assert!(!is_canonical(vector.key));
    let other = point(vector.key).unwrap().compress().to_bytes();
    let key = PublicKey::from_bytes(&unhex(vector.key).try_into().unwrap()).unwrap();
    assert_ne!(key, PublicKey::from_bytes(&other).unwrap());
    assert_eq!(key.as_bytes()[..], unhex(vector.key));
}

/// Why no batch decides: the sum of what each misses by can vanish when nothing of it does.
#[test]
fn a_batch_takes_what_the_strict_rule_refuses() {
    let key = named("mixed key, off by a point of order 2");
    let r = named("mixed R, off by a point of order 2");
    let (key_miss, r_miss) = (key.miss().unwrap(), r.miss().unwrap());
    let takes =
        |a: u128, b: u128| (key_miss * Scalar::from(a) + r_miss * Scalar::from(b)).is_identity();
    // One alone passes with every other coefficient, both together with equal parities.
    assert!(takes(2, 0) && !takes(1, 0));
    assert!(takes(3, 5) && takes(4, 6) && !takes(3, 4));
    assert!(!key.is_believed() && !r.is_believed());
}
