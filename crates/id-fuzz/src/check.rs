//! Checks that more than one target makes.

use std::fmt::Debug;

/// Strictness: what `bytes` mean is meant neither by one byte more nor by one byte less.
pub(crate) fn is_strict<T, E>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, E>) {
    let longer = [bytes, &[0]].concat();
    assert!(decode(&longer).is_err(), "a byte too many is accepted");
    if let Some((_, shorter)) = bytes.split_last() {
        assert!(decode(shorter).is_err(), "a byte too few is accepted");
    }
}

/// Written and read again, a value is the same; and so are its bytes.
pub(crate) fn is_fixed_point<T, E>(
    value: &T,
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, E>,
) where
    T: PartialEq + Debug,
    E: Debug,
{
    let bytes = encode(value);
    let again = decode(&bytes).expect("what we write can be read");
    assert_eq!(again, *value);
    assert_eq!(encode(&again), bytes);
}
