//! In which order the peers are shown.

use std::{cmp::Ordering, fmt, str::FromStr};

use id_render::{Peer, Status};

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Node,
    Name,
    Blobs,
    Status,
    Path,
    Rtt,
    Seen,
    From,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

/// By what the peers are sorted. In a query it is the column's name, behind a `-` if it descends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: Column,
    pub(super) direction: Direction,
}

impl Column {
    /// From left to right.
    pub(super) const ALL: [Self; 8] = [
        Self::Node,
        Self::Name,
        Self::Blobs,
        Self::Status,
        Self::Path,
        Self::Rtt,
        Self::Seen,
        Self::From,
    ];

    /// The stable lower-case name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Name => "name",
            Self::Blobs => "blobs",
            Self::Status => "status",
            Self::Path => "path",
            Self::Rtt => "rtt",
            Self::Seen => "seen",
            Self::From => "from",
        }
    }
}

impl Direction {
    /// As `aria-sort` calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }
}

impl Default for Sort {
    /// As all other outputs are sorted.
    fn default() -> Self {
        Self { column: Column::Node, direction: Direction::Ascending }
    }
}

impl Sort {
    /// What a click on `column` asks for: its other direction, if it is sorted by that already.
    pub(super) fn click(self, column: Column) -> Self {
        let direction = match self {
            Self { column: now, direction: Direction::Ascending } if now == column => {
                Direction::Descending
            }
            _ => Direction::Ascending,
        };
        Self { column, direction }
    }

    /// The peers in this order. What is unknown comes last, whatever the direction; ties are broken by
    /// the node id.
    pub(super) fn sorted(self, peers: &[Peer]) -> Vec<&Peer> {
        let mut sorted: Vec<&Peer> = peers.iter().collect();
        sorted.sort_by(|a, b| self.compare(a, b).then_with(|| a.node_id.cmp(&b.node_id)));
        sorted
    }

    fn compare(self, a: &Peer, b: &Peer) -> Ordering {
        match self.column {
            Column::Node => self.known_first(Some(&a.node_id), Some(&b.node_id)),
            Column::Name => self.known_first(a.name.as_deref(), b.name.as_deref()),
            Column::Blobs => self.known_first(a.blob_count, b.blob_count),
            Column::Status => self.known_first(Some(rank(a.status)), Some(rank(b.status))),
            Column::Path => self.known_first(a.path, b.path),
            Column::Rtt => self.known_first(a.rtt_ms, b.rtt_ms),
            Column::Seen => self.known_first(a.age_secs, b.age_secs),
            Column::From => self.known_first(a.via.first(), b.via.first()),
        }
    }

    fn known_first<T: PartialOrd>(self, a: Option<T>, b: Option<T>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => self.directed(a.partial_cmp(&b).unwrap_or(Ordering::Equal)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }

    fn directed(self, ordering: Ordering) -> Ordering {
        match self.direction {
            Direction::Ascending => ordering,
            Direction::Descending => ordering.reverse(),
        }
    }
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (direction, name) = match text.strip_prefix('-') {
            Some(name) => (Direction::Descending, name),
            None => (Direction::Ascending, text),
        };
        let column = Column::ALL.into_iter().find(|column| column.as_str() == name).ok_or(())?;
        Ok(Self { column, direction })
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.direction == Direction::Descending { "-" } else { "" };
        write!(f, "{sign}{}", self.column.as_str())
    }
}

/// The best first.
fn rank(status: Status) -> u8 {
    match status {
        Status::Answered => 0,
        Status::NotAsked => 1,
        Status::Failed => 2,
    }
}
