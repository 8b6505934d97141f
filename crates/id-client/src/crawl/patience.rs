//! How long a crawl waits for one before it asks another one besides.

use std::time::Duration;

/// How long a peer may take to be reached until another one is asked besides it: a little longer than those who
/// were reached.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// How long it takes, on a moving average.
    usual: Option<Duration>,
}

impl Patience {
    /// Origin: what 16 handshakes at a time take on two cores, twice over.
    const LEAST: Duration = Duration::from_millis(50);
    /// Origin: QUIC sends its first packet again after a second.
    const MOST: Duration = Duration::from_secs(1);
    /// Before anybody was reached. Origin: a round trip around the world.
    const FIRST: Duration = Duration::from_millis(300);

    pub(super) fn get(&self) -> Duration {
        let longer = |usual: Duration| (usual * 3 / 2).clamp(Self::LEAST, Self::MOST);
        self.usual.map_or(Self::FIRST, longer)
    }

    /// The last eight or so count.
    pub(super) fn reached_after(&mut self, time: Duration) {
        self.usual = Some(self.usual.map_or(time, |usual| (usual * 7 + time) / 8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn patience_is_half_as_long_again_as_it_usually_takes_within_bounds() {
        let mut patience = Patience::default();
        assert_eq!(patience.get(), millis(300));
        patience.reached_after(millis(80));
        assert_eq!(patience.get(), millis(120));
        patience.reached_after(millis(160));
        assert_eq!(patience.get(), millis(135));
        (0..100).for_each(|_| patience.reached_after(millis(1)));
        assert_eq!(patience.get(), millis(50));
        (0..100).for_each(|_| patience.reached_after(millis(5000)));
        assert_eq!(patience.get(), millis(1000));
    }
}
