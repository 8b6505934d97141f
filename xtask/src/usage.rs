//! What a process uses, as Linux' /proc says.

use std::{fs, time::Duration};

/// Memory and processor time of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory, in KiB.
    pub(crate) rss_kib: u64,
    /// The most that was ever resident, in KiB.
    pub(crate) peak_kib: u64,
    /// User and system time since its start.
    pub(crate) cpu: Duration,
}

impl Usage {
    /// What the process uses now; `None` where there is no /proc.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (rss_kib, peak_kib) = (kib(&status, "VmRSS:")?, kib(&status, "VmHWM:")?);
        Some(Self { rss_kib, peak_kib, cpu: cpu(&stat)? })
    }
}

fn kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
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
        let status = "Name:\tid-node\nVmHWM:\t   23456 kB\nVmRSS:\t   12345 kB\nThreads:\t4\n";
        assert_eq!(kib(status, "VmRSS:"), Some(12_345));
        assert_eq!(kib(status, "VmHWM:"), Some(23_456));
        assert_eq!(kib("Name:\tkthreadd\n", "VmRSS:"), None);
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
