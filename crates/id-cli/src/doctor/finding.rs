//! What a step came to.

use super::Step;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Not as it could be; nodes may find each other all the same.
    Warning,
    /// Broken.
    Fault,
    /// Not looked at, or what was seen follows from another step's fault.
    Skipped,
}

impl Verdict {
    /// The stable name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
            Self::Skipped => "skipped",
        }
    }
}

/// One step's outcome.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) step: Step,
    pub(crate) verdict: Verdict,
    /// What was seen, or why nothing was looked at.
    pub(crate) seen: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(step: Step, seen: impl Into<String>) -> Self {
        Self { step, verdict: Verdict::Ok, seen: seen.into(), advice: None }
    }

    pub(super) fn warning(step: Step, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { step, verdict: Verdict::Warning, seen: seen.into(), advice: Some(advice.into()) }
    }

    pub(super) fn fault(step: Step, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { step, verdict: Verdict::Fault, seen: seen.into(), advice: Some(advice.into()) }
    }

    pub(super) fn skipped(step: Step, why: impl Into<String>) -> Self {
        Self { step, verdict: Verdict::Skipped, seen: why.into(), advice: None }
    }

    /// The same, blamed on another step.
    pub(super) fn because_of(self, blamed: Step) -> Self {
        let seen = format!("{}; see {}", self.seen, blamed.as_str());
        Self { verdict: Verdict::Skipped, seen, advice: None, ..self }
    }
}
