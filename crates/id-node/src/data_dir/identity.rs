//! The key file.

use std::{fs, io, path::Path};

use id_proto::iroh_base::SecretKey;

use super::{DataDirError, files};

pub(super) fn load_or_create(path: &Path) -> Result<SecretKey, DataDirError> {
    match load(path)? {
        Some(key) => Ok(key),
        None => create(path),
    }
}

pub(super) fn load(path: &Path) -> Result<Option<SecretKey>, DataDirError> {
    let bytes = match files::read_bounded(path, 66) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(DataDirError::CorruptIdentity(path.to_owned()));
        }
        Err(error) => return Err(DataDirError::io(path)(error)),
    };
    refuse_loose_mode(path)?;
    parse(&bytes).map(Some).ok_or_else(|| DataDirError::CorruptIdentity(path.to_owned()))
}

fn create(path: &Path) -> Result<SecretKey, DataDirError> {
    let key = SecretKey::generate();
    let mut text = hex(&key.to_bytes());
    text.push('\n');
    files::create_new_atomic(path, text.as_bytes()).map_err(DataDirError::io(path))?;
    Ok(key)
}

#[cfg(unix)]
fn refuse_loose_mode(path: &Path) -> Result<(), DataDirError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(DataDirError::io(path))?.permissions().mode() & 0o7777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(DataDirError::LooseMode { path: path.to_owned(), mode }),
    }
}

#[cfg(not(unix))]
fn refuse_loose_mode(_: &Path) -> Result<(), DataDirError> {
    Ok(())
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(text: &[u8]) -> Option<SecretKey> {
    let text = std::str::from_utf8(text).ok()?.trim_end();
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(SecretKey::from_bytes(&key))
}
