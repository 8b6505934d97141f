//! Gives memory back to the system when a crowd has gone.
//!
//! glibc gives back what is freed at the end of a heap. One small thing that is still used there, and a
//! crowd of strangers that has gone leaves a node twice as large for ever.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How often. Origin: a guess; an operator who looks twice sees it. What it costs was not measured.
const GAP: Duration = Duration::from_secs(30);

/// Gives back what can be, time and again. Never ends; cancel safe.
pub(crate) async fn give_back() {
    let mut turns = interval_at(Instant::now() + GAP, GAP);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // It waits for others who allocate, and they for it.
        let _ = tokio::task::spawn_blocking(trim).await;
    }
}

/// The one thing in all our code that the compiler can't check: there is no safe way to say it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "the C library's function takes no pointer and locks what it changes"
)]
fn trim() {
    // SAFETY: malloc_trim(3) is MT-safe, and the number is how many bytes to leave at the end.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}
