//! The project that this program was built from: where it is, and how to run cargo in it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The workspace.
#[derive(Debug)]
pub(crate) struct Project {
    /// The directory that holds the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// The oldest Rust that it promises to build with, as `Cargo.toml` writes it.
    pub(crate) rust_version: String,
    target_dir: PathBuf,
}

/// The programs under test.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    /// `id-node`.
    pub(crate) node: PathBuf,
    /// `id-cli`.
    pub(crate) cli: PathBuf,
}

impl Project {
    /// Asks cargo about the workspace.
    pub(crate) fn load() -> Result<Self> {
        let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = cargo(manifest_dir);
        command.args(["metadata", "--format-version", "1", "--no-deps"]);
        let metadata: Value = serde_json::from_str(&capture(&mut command)?)?;
        Ok(Self {
            root: text(&metadata, "/workspace_root")?.into(),
            target_dir: text(&metadata, "/target_directory")?.into(),
            rust_version: text(&metadata, "/packages/0/rust_version")?.to_owned(),
        })
    }

    /// The cargo that runs this program, in the project's root.
    pub(crate) fn cargo<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = cargo(&self.root);
        command.args(args);
        command
    }

    /// The cargo of the nightly compiler, in the project's root.
    pub(crate) fn nightly_cargo<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = in_dir(Command::new("rustup"), &self.root);
        // Else it would use the compiler that runs this program.
        command.env_remove("CARGO").env_remove("RUSTC");
        command.args(["run", "nightly", "cargo"]).args(args);
        command
    }

    /// A cargo command for the whole workspace and all its features, whatever it does: so every
    /// command gives the dependencies the same features, and none is compiled twice.
    pub(crate) fn workspace(&self, command: &str) -> Command {
        let mut cargo = cargo(&self.root);
        cargo.args(command.split(' ')).args(["--workspace", "--all-features", "--locked"]);
        cargo
    }

    /// Builds the programs.
    ///
    /// With the examples, although nobody needs them here: only so are dependencies given the
    /// features that the tests' build gives them. Else iroh and all above it would be compiled twice
    /// by whoever runs the demo and then the tests.
    pub(crate) fn build_binaries(&self) -> Result<Binaries> {
        eprintln!("building id-node and id-cli (the first time takes minutes)");
        pass(self.workspace("build").args(["--bins", "--examples"]))?;
        self.built_binaries()
    }

    /// Where builds are, a directory for each profile.
    pub(crate) fn target_dir(&self) -> &Path {
        &self.target_dir
    }

    /// Where labs keep what they need while they run, and what is kept of those that failed.
    pub(crate) fn lab_dir(&self) -> PathBuf {
        self.target_dir.join("lab")
    }

    /// The programs that an earlier build left.
    pub(crate) fn built_binaries(&self) -> Result<Binaries> {
        Binaries::in_dir(&self.target_dir.join("debug"))
    }
}

impl Binaries {
    /// Those that a build left there.
    pub(crate) fn in_dir(dir: &Path) -> Result<Self> {
        // They are started in other directories, from where a relative path leads elsewhere.
        let dir = dir.canonicalize().with_context(|| format!("there is no {}", dir.display()))?;
        let binaries = Self { node: dir.join("id-node"), cli: dir.join("id-cli") };
        for path in [&binaries.node, &binaries.cli] {
            ensure!(path.exists(), "the build left no {}", path.display());
        }
        Ok(binaries)
    }
}

/// Runs `command` with our own stdout and stderr; its failure is ours.
pub(crate) fn pass(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("can't run {}", line(command)))?;
    ensure!(status.success(), "{} failed ({status})", line(command));
    Ok(())
}

/// Runs `command` and returns its stdout; its stderr is shown only if it fails.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("can't run {}", line(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", line(command), output.status, stderr.trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether `command` runs and succeeds; for asking whether a tool is installed.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// `command` as one would type it: the program by its bare name.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut words = vec![program.to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

fn cargo(dir: &Path) -> Command {
    in_dir(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())), dir)
}

fn in_dir(mut command: Command, dir: &Path) -> Command {
    command.current_dir(dir);
    // `cargo run` tells us about our own package. Passed on, it would look like a change to build
    // scripts that watch these variables, and ring and all of iroh above it be compiled anew.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_package) {
            command.env_remove(name);
        }
    }
    command
}

fn is_about_package(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || name == "CARGO_PRIMARY_PACKAGE"
}

fn text<'a>(metadata: &'a Value, pointer: &str) -> Result<&'a str> {
    metadata
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("cargo metadata says nothing at {pointer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_not_told_of_our_own_package() {
        assert!(is_about_package("CARGO_PKG_NAME") && is_about_package("CARGO_MANIFEST_DIR"));
        assert!(!is_about_package("CARGO_TARGET_DIR") && !is_about_package("CARGO_HOME"));
    }
}
