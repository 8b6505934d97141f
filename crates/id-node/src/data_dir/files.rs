//! Files that are whole or absent, and never larger than expected.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    path::Path,
};

use tracing::warn;

/// Creates a directory for its owner alone. One that exists keeps its mode.
pub(super) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Reads at most `max` bytes; `None` if there is no such file.
pub(super) fn read_bounded(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than it can be"));
    }
    Ok(Some(bytes))
}

/// Replaces a file: readers see the old bytes or the new ones, also after a crash. Mode 0600.
pub(super) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = write_beside(path, bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    sync_dir(path)
}

/// Creates a file, whole; an existing one is an error and stays. Mode 0600.
pub(super) fn create_new_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = write_beside(path, bytes)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_dir(path)
}

/// Renames a damaged file, so that nothing overwrites it and somebody can look at it.
pub(super) fn set_aside(path: &Path, why: &str) {
    let aside = (1..1000).map(|n| path.with_added_extension(format!("corrupt-{n}")));
    let Some(aside) = aside.into_iter().find(|aside| !aside.exists()) else {
        return warn!(file = %path.display(), why, "damaged, and set aside too often before");
    };
    match fs::rename(path, &aside) {
        Ok(()) => {
            warn!(file = %path.display(), aside = %aside.display(), why, "set a damaged file aside");
        }
        Err(error) => warn!(file = %path.display(), why, %error, "can't set a damaged file aside"),
    }
}

/// How the name of a file ends that is being written.
const UNFINISHED: &str = ".unfinished";

/// Removes what a process that was killed has not finished. Nobody else may write there.
pub(super) fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

// A temporary file of the `tempfile` crate has mode 0600 from its creation.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(UNFINISHED).tempfile_in(parent(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
