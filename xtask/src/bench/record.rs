//! What a bench found: said as it is found, and written into docs/benchmarks.md.

use std::{fmt::Write as _, fs, process::Command, thread};

use anyhow::{Context, Result};

use crate::project::{Project, capture};

const DOCUMENT: &str = "docs/benchmarks.md";

/// Whose versions the figures hang on.
const CRATES: [&str; 4] = ["iroh", "irpc", "ed25519-dalek", "curve25519-dalek"];

/// The lines of one bench.
#[derive(Debug)]
pub(super) struct Report {
    name: &'static str,
    command: String,
    lines: String,
    n_missed: usize,
}

impl Report {
    pub(super) fn begin(name: &'static str, command: String) -> Self {
        println!("==> {command}");
        Self { name, command, lines: String::new(), n_missed: 0 }
    }

    /// Says a line.
    pub(super) fn line(&mut self, line: &str) {
        println!("{line}");
        self.lines += line.trim_end();
        self.lines.push('\n');
    }

    /// Says a figure of which nothing is asked.
    pub(super) fn figure(&mut self, what: &str, figure: impl std::fmt::Display) {
        self.line(&format!("{what:<56} {figure:>8}"));
    }

    /// Says a ratio that is to be `least` or more.
    pub(super) fn at_least(&mut self, what: &str, ratio: f64, least: f64) {
        self.judge(what, ratio, &format!(">= {least}"), ratio >= least);
    }

    /// Says a figure that is to be `most` or less.
    pub(super) fn at_most(&mut self, what: &str, figure: f64, most: f64) {
        self.judge(what, figure, &format!("<= {most:.1}"), figure <= most);
    }

    fn judge(&mut self, what: &str, figure: f64, asked: &str, holds: bool) {
        let line = judged(what, figure, asked, holds);
        self.n_missed += usize::from(!holds);
        self.line(&line);
    }

    /// Says a line that another report has judged.
    pub(super) fn repeat(&mut self, line: &str) {
        self.n_missed += usize::from(line.ends_with(MISSED));
        self.line(line);
    }

    /// How many figures miss what is asked of them.
    pub(super) fn n_missed(&self) -> usize {
        self.n_missed
    }

    /// Puts the lines where the document has those of an earlier run.
    pub(super) fn write_into(&self, project: &Project, release: bool) -> Result<()> {
        let path = project.root.join(DOCUMENT);
        let profile = if release { "release" } else { "dev" };
        let block =
            format!("{}, {profile} profile\n$ {}\n{}", setting(project)?, self.command, self.lines);
        let document = replaced(&fs::read_to_string(&path)?, self.name, &block)?;
        Ok(fs::write(path, document)?)
    }
}

/// How a line ends whose figure misses what is asked of it.
const MISSED: &str = "  MISSED";

/// A figure, what is asked of it, and whether it misses that.
pub(crate) fn judged(what: &str, figure: f64, asked: &str, holds: bool) -> String {
    let verdict = if holds { "" } else { MISSED };
    format!("{what:<56} {figure:>8.2}   {asked}{verdict}")
}

/// The document with `block` between the marks of `name`.
fn replaced(document: &str, name: &str, block: &str) -> Result<String> {
    let (begin, end) =
        (format!("<!-- bench {name}:begin -->\n"), format!("<!-- bench {name}:end -->"));
    let missing = || format!("{DOCUMENT} has no marks for `{name}`");
    let (before, rest) = document.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    Ok(format!("{before}{begin}```text\n{block}```\n{end}{after}"))
}

/// The machine, the versions and the commit.
fn setting(project: &Project) -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = thread::available_parallelism()?;
    let system = capture(Command::new("uname").args(["-sr"]))?;
    let rustc = capture(Command::new("rustc").arg("--version"))?;
    let rustc: Vec<_> = rustc.split_whitespace().take(2).collect();
    let mut setting = format!("{cores} cores of {model}, {}, {}", system.trim(), rustc.join(" "));
    let lock = fs::read_to_string(project.root.join("Cargo.lock"))?;
    for name in CRATES {
        write!(setting, ", {name} {}", locked(&lock, name).context("no such crate")?)?;
    }
    let mut git = Command::new("git");
    git.current_dir(&project.root).args(["describe", "--always", "--dirty"]);
    write!(setting, ", commit {}", capture(&mut git)?.trim())?;
    Ok(setting)
}

/// The version of a crate in the lock file; the newest, if there are several.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let package = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.rsplit_once(&package)?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_between_the_marks_of_their_bench() {
        let marks =
            |text: &str| format!("a\n<!-- bench x:begin -->\n{text}<!-- bench x:end -->\nb\n");
        let document = replaced(&marks("old\n"), "x", "new\n").unwrap();
        assert_eq!(document, marks("```text\nnew\n```\n"));
        assert!(replaced(&document, "y", "new\n").unwrap_err().to_string().contains("`y`"));
    }

    #[test]
    fn a_figure_that_misses_is_counted() {
        let mut report = Report::begin("x", "x".to_owned());
        report.at_least("enough", 0.9, 0.9);
        report.at_most("few", 9.0, 9.0);
        assert_eq!(report.n_missed(), 0);
        report.at_least("too little", 0.89, 0.9);
        report.at_most("too many", 9.1, 9.0);
        assert_eq!(report.n_missed(), 2);
        assert!(report.lines.ends_with("<= 9.0  MISSED\n"), "{}", report.lines);
    }

    #[test]
    fn the_version_of_a_crate_is_the_locked_one() {
        let lock =
            "name = \"iroh-base\"\nversion = \"1\"\n\nname = \"iroh\"\nversion = \"2.3.4\"\n";
        assert_eq!(locked(lock, "iroh"), Some("2.3.4"));
        assert_eq!(locked(lock, "roh"), None);
    }
}
