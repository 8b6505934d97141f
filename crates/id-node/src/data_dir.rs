//! What a node keeps on disk: one directory, one running instance, and nothing written over.
//!
//! ```text
//! identity        the secret key, 64 hex digits, mode 0600
//! lock            held while an instance runs
//! port            the UDP port of the last run, where peers will look for us after a restart
//! http-port       the TCP port on which the last run served HTTP, unless it was told where
//! seq             the highest sequence number that may have been announced
//! peers           the peers that were there last, to be dialled first after a restart
//! cli-key         the key as which id-cli asks this node, while that answers only some; mode 0600
//! operator-key    the key as which id-cli hands peers and blobs to this node; mode 0600
//! blobs/          the blobs that it holds, and their names: iroh-blobs' own files; made with the first
//! *.unfinished    what is being written; left by a process that was killed, and removed at the next start
//! node.json       where the running instance can be reached, for programs on this machine
//! ```

mod files;
mod identity;
pub(crate) mod peers;
mod runtime_file;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use id_proto::{SignedAnnouncement, iroh_base::SecretKey};
pub use runtime_file::{RuntimeFile, RuntimeFileError};

/// The data directory of a node, locked for this instance until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // Held for its lock, which the operating system releases however the process ends.
    _lock: File,
}

/// Why a data directory can't be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another instance runs on it.
    #[error("another id-node runs on {0}: give this one a --data-dir of its own")]
    InUse(PathBuf),
    /// The key file can be read by others.
    #[error(
        "{path} may be read by others (mode {mode:04o}): run `chmod 600 {path}`, and consider the key known"
    )]
    LooseMode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file holds no key.
    #[error(
        "{0} holds no key (64 hex digits are expected): restore it from a backup, or move it away to get a new one"
    )]
    CorruptIdentity(PathBuf),
    /// The file system refused.
    #[error("{path}: {why}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

const PORT: &str = "port";
const HTTP_PORT: &str = "http-port";
const CLI_KEY: &str = "cli-key";
const OPERATOR_KEY: &str = "operator-key";

impl DataDirError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |why| Self::Io { path: path.to_owned(), why }
    }
}

/// `$STATE_DIRECTORY` (set by systemd), else `id-node` in the user's data directory. `None` if the
/// user has no home.
pub fn default_data_dir() -> Option<PathBuf> {
    let from_systemd = std::env::var_os("STATE_DIRECTORY").filter(|dir| !dir.is_empty());
    from_systemd.map(PathBuf::from).or_else(|| {
        directories::ProjectDirs::from("", "", "id-node").map(|dirs| dirs.data_dir().to_owned())
    })
}

impl DataDir {
    /// Creates the directory if need be, and locks it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        files::create_private_dir(&path).map_err(DataDirError::io(&path))?;
        let lock_path = path.join("lock");
        let open = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = open.map_err(DataDirError::io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path)),
            Err(TryLockError::Error(why)) => {
                return Err(DataDirError::Io { path: lock_path, why });
            }
        }
        files::sweep(&path).map_err(DataDirError::io(&path))?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The node's key; made, and synced to disk, at the first start.
    pub fn identity(&self) -> Result<SecretKey, DataDirError> {
        identity::load_or_create(&self.path.join("identity"))
    }

    /// The key as which the programs of whoever may read this directory ask the node that runs on it,
    /// when it answers only some; made anew if there is none.
    pub fn make_cli_key(&self) -> Result<SecretKey, DataDirError> {
        identity::load_or_create(&self.path.join(CLI_KEY))
    }

    /// Takes that key away: this node answers everybody, and nobody shall be recognised.
    pub fn remove_cli_key(&self) -> Result<(), DataDirError> {
        self.remove(CLI_KEY)
    }

    /// The key that shows this node's operator: whoever may read this directory. Made anew if there is
    /// none.
    pub fn make_operator_key(&self) -> Result<SecretKey, DataDirError> {
        identity::load_or_create(&self.path.join(OPERATOR_KEY))
    }

    /// The highest sequence number that an earlier run may have announced; 0 at the first start.
    ///
    /// An unreadable file is set aside: the clock then serves, as on the first start.
    pub fn seq_floor(&self) -> u64 {
        let path = self.path.join("seq");
        match files::read_bounded(&path, 32) {
            Ok(None) => 0,
            Ok(Some(text)) => parse_seq(&text).unwrap_or_else(|| {
                files::set_aside(&path, "no number");
                0
            }),
            Err(error) => {
                files::set_aside(&path, &error.to_string());
                0
            }
        }
    }

    /// Notes that sequence numbers up to `seq` may be announced from now on.
    pub fn reserve_seq(&self, seq: u64) -> Result<(), DataDirError> {
        let path = self.path.join("seq");
        files::write_atomic(&path, format!("{seq}\n").as_bytes()).map_err(DataDirError::io(&path))
    }

    /// The UDP port of the last run. `None` at the first start, and if the file is no port.
    pub fn last_port(&self) -> Option<u16> {
        self.read_port(PORT)
    }

    /// Notes the UDP port of this run.
    pub fn save_port(&self, port: u16) -> Result<(), DataDirError> {
        self.write_port(PORT, port)
    }

    /// The TCP port on which the last run served HTTP, if it chose one by itself.
    pub fn last_http_port(&self) -> Option<u16> {
        self.read_port(HTTP_PORT)
    }

    /// Notes that port of this run.
    pub fn save_http_port(&self, port: u16) -> Result<(), DataDirError> {
        self.write_port(HTTP_PORT, port)
    }

    fn read_port(&self, file: &str) -> Option<u16> {
        let text = files::read_bounded(&self.path.join(file), 8).ok()??;
        std::str::from_utf8(&text).ok()?.trim().parse().ok().filter(|port| *port != 0)
    }

    fn write_port(&self, file: &str, port: u16) -> Result<(), DataDirError> {
        let path = self.path.join(file);
        files::write_atomic(&path, format!("{port}\n").as_bytes()).map_err(DataDirError::io(&path))
    }

    /// The peers of the last run, most certain first. A damaged file is set aside.
    pub fn load_peers(&self) -> Vec<SignedAnnouncement> {
        peers::load(&self.path.join("peers"))
    }

    /// Remembers peers for the next run, most certain first; those beyond the bound are dropped.
    pub fn save_peers(&self, announcements: &[SignedAnnouncement]) -> Result<(), DataDirError> {
        let path = self.path.join("peers");
        peers::save(&path, announcements).map_err(DataDirError::io(&path))
    }

    /// Says where this instance can be reached.
    pub fn write_runtime_file(&self, runtime: &RuntimeFile) -> Result<(), DataDirError> {
        let path = self.path.join(RuntimeFile::NAME);
        if let Err(error) = RuntimeFile::read(&self.path) {
            files::set_aside(&path, &error.to_string());
        }
        files::write_atomic(&path, &runtime.to_json()).map_err(DataDirError::io(&path))
    }

    /// Says that no instance can be reached any more.
    pub fn remove_runtime_file(&self) -> Result<(), DataDirError> {
        self.remove(RuntimeFile::NAME)
    }

    fn remove(&self, file: &str) -> Result<(), DataDirError> {
        let path = self.path.join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DataDirError::Io { path, why: error })
            }
            _ => Ok(()),
        }
    }
}

/// The key of [`DataDir::make_cli_key`], of a directory that may be another user's. `None` if there is
/// none, or none that we may read.
pub fn cli_key(data_dir: &Path) -> Option<SecretKey> {
    identity::load(&data_dir.join(CLI_KEY)).ok().flatten()
}

/// The key of [`DataDir::make_operator_key`], of a directory that may be another user's. `None` if there
/// is none.
///
/// # Errors
///
/// If we may not read it, or if others may.
pub fn operator_key(data_dir: &Path) -> Result<Option<SecretKey>, DataDirError> {
    read_key(&data_dir.join(OPERATOR_KEY))
}

/// A key in a file like those of a data directory. `None` if there is no such file.
///
/// # Errors
///
/// If we may not read it, if others may, or if it holds no key.
pub fn read_key(file: &Path) -> Result<Option<SecretKey>, DataDirError> {
    identity::load(file)
}

fn parse_seq(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
