//! What a process uses, as Linux' /proc says.

use std::{fs, time::Duration};

/// Memory and processor time of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory, in KiB.
    pub(crate) rss_kib: u64,
    /// User and system time since its start.
    pub(crate) cpu: Duration,
}

impl Usage {
    /// What the process uses now; `None` where there is no /proc.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self { rss_kib: rss_kib(&status)?, cpu: cpu(&stat)? })
    }
}

fn rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu(stat: &str) -> Option<Duration> {
    // Linux' unit for user space on every architecture (USER_HZ).
    const TICKS_PER_SECOND: u64 = 100;
    // Fields are counted from behind the name, which may itself hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_kib() {
        assert_eq!(rss_kib("Name:\tid-node\nVmRSS:\t   12345 kB\nThreads:\t4\n"), Some(12_345));
        assert_eq!(rss_kib("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn name_with_a_parenthesis_shifts_no_field() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 900 0 3 0 150 50 0 0 20 0 4 0 99 1 2 3";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn own_process_uses_memory() {
        assert!(Usage::of(std::process::id()).unwrap().rss_kib > 0);
    }
}
