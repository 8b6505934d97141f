//! How the last attempt went to read settings again while a node runs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How such an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadEnd {
    /// What was read is in force.
    Applied,
    /// It couldn't be read: what was in force still is.
    Failed,
}

/// The last attempt, if there was any. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reloads(Arc<Mutex<Option<(Duration, ReloadEnd)>>>);

impl Reloads {
    pub(crate) fn note(&self, end: ReloadEnd, now: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, end));
    }

    /// What to say of it behind the settings in force; nothing if there was none.
    pub(crate) fn describe(&self, now: Duration) -> String {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ago = |at: Duration| format!("{} s ago", now.saturating_sub(at).as_secs());
        match last {
            None => String::new(),
            Some((at, ReloadEnd::Applied)) => format!("; reloaded {}", ago(at)),
            Some((at, ReloadEnd::Failed)) => {
                format!("; a reload failed {}, and the log says why", ago(at))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_attempt_is_described_and_none_is_not() {
        let (reloads, at) = (Reloads::default(), Duration::from_secs(100));
        assert_eq!(reloads.describe(at), "");
        reloads.note(ReloadEnd::Applied, at);
        assert_eq!(reloads.describe(at + Duration::from_secs(3)), "; reloaded 3 s ago");
        reloads.note(ReloadEnd::Failed, at);
        assert_eq!(reloads.describe(at), "; a reload failed 0 s ago, and the log says why");
    }
}
