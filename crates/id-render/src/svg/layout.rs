//! Where everything is: the start in the centre, a ring for each hop, an angle for each node id.
//!
//! A peer keeps near the angle that its id gives it, so that two pictures of one network look alike.
//! Parts of the network between which nobody named anybody have a sector each. A ring that is too full
//! for a dot a peer has a bubble for each slice instead. So no crawl makes a picture too large to open.

use std::{
    collections::BTreeMap,
    f64::consts::{PI, TAU},
};

use id_client::Graph;

use crate::model::{Document, Peer};

/// Between rings. Origin: looks; edges of a ring have room to be told apart.
const RING_STEP: f64 = 64.0;
/// Between rings of which there are many.
const NARROW_STEP: f64 = 40.0;
/// From so many on.
const MANY_RINGS: usize = 9;
/// Between the centres of dots, at least.
const DOT_GAP: f64 = 13.0;
/// Between the centres of bubbles, at least: no bubble is wider.
const BUBBLE_GAP: f64 = 34.0;
/// Most dots on a ring. Origin: with them a ring is 4,100 px long, and fits a large screen.
const MAX_DOTS: usize = 320;
/// Slices of a ring with bubbles.
const MAX_BUBBLES: usize = 96;
/// Most rings; the last holds everybody who is farther away.
const MAX_RINGS: usize = 24;
/// Most parts of the network that have a sector of their own.
const MAX_SECTORS: usize = 6;
/// Between two sectors.
const SECTOR_GAP: f64 = PI / 14.0;
/// A sector of a tiny part is as if the part had this share of all.
const MIN_SHARE: f64 = 0.08;

/// A picture, without any drawing.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) spots: Vec<Spot>,
    /// The centre, where peers are only if there is a single start.
    pub(super) centre: Centre,
    pub(super) rings: Vec<Ring>,
    /// Where each peer is: an index into the spots.
    pub(super) spot_of: Vec<usize>,
    /// Parts that have a sector of their own, if there are several: their size, and the middle angle.
    pub(super) islands: Vec<(usize, f64)>,
}

/// What is in the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Centre {
    /// The only peer that the crawl started from.
    Start,
    /// Whoever crawled, or listened.
    Onlooker,
}

/// A circle around the centre.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) radius: f64,
    pub(super) hops: u32,
    /// Whether those who are farther away are on it as well.
    pub(super) is_last_of_many: bool,
}

/// A dot for a peer, or a bubble for several.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) at: Polar,
    /// Positions in the document.
    pub(super) peers: Vec<usize>,
}

/// A place; the angle is clockwise, from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Polar {
    pub(super) radius: f64,
    pub(super) angle: f64,
}

impl Spot {
    /// How large it is drawn.
    pub(super) fn size(&self) -> f64 {
        match self.peers.len() {
            1 => 4.5,
            n => (7.0 + (n as f64).sqrt()).min(BUBBLE_GAP / 2.0 - 1.0),
        }
    }
}

impl Layout {
    pub(super) fn of(document: &Document, links: &Graph) -> Self {
        let peers = &document.peers;
        let n_starts = peers.iter().filter(|peer| peer.depth == Some(0)).count();
        let centre = if n_starts == 1 { Centre::Start } else { Centre::Onlooker };
        let sectors = Sectors::of(links);
        let mut by_ring: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, peer) in peers.iter().enumerate() {
            by_ring.entry(ring_of(peer, centre)).or_default().push(index);
        }
        let mut layout = Self {
            spots: Vec::new(),
            centre,
            rings: Vec::new(),
            spot_of: vec![0; peers.len()],
            islands: sectors.islands(),
        };
        let n_rings = by_ring.keys().next_back().copied().unwrap_or(0);
        for ring in 0..=n_rings {
            let members = by_ring.remove(&ring).unwrap_or_default();
            layout.add_ring(ring, n_rings, &members, peers, &sectors);
        }
        layout
    }

    /// The circle around everything.
    pub(super) fn radius(&self) -> f64 {
        self.rings.last().map_or(0.0, |ring| ring.radius)
    }

    /// How far to turn on the way from one place to another: by the shorter way around the circle, or
    /// within the sector that both are in.
    pub(super) fn turn(&self, from: Polar, to: Polar) -> f64 {
        let turn = to.angle - from.angle;
        match self.islands.is_empty() {
            true => (turn + PI).rem_euclid(TAU) - PI,
            false => turn,
        }
    }

    fn add_ring(
        &mut self,
        ring: usize,
        n_rings: usize,
        members: &[usize],
        peers: &[Peer],
        sectors: &Sectors,
    ) {
        if ring == 0 {
            for member in members {
                self.spot_of[*member] = self.spots.len();
                let at = Polar { radius: 0.0, angle: 0.0 };
                self.spots.push(Spot { at, peers: vec![*member] });
            }
            return;
        }
        let mut by_sector: BTreeMap<usize, Vec<(f64, usize)>> = BTreeMap::new();
        for member in members {
            let sector = sectors.of_peer[*member];
            by_sector.entry(sector).or_default().push((fraction(&peers[*member]), *member));
        }
        let step = if n_rings < MANY_RINGS { RING_STEP } else { NARROW_STEP };
        let is_crowded = members.len() > MAX_DOTS;
        let gap = if is_crowded { BUBBLE_GAP } else { DOT_GAP };
        let crowds: Vec<(Sector, Vec<Crowd>)> = by_sector
            .into_iter()
            .map(|(sector, members)| {
                let sector = sectors.all[sector];
                let n_slices = is_crowded.then(|| sector.slices(MAX_BUBBLES));
                (sector, crowds(members, n_slices))
            })
            .collect();
        let needed = crowds.iter().map(|(sector, crowds)| crowds.len() as f64 * gap / sector.width);
        let radius = needed.fold(self.radius() + step, f64::max);
        for (sector, crowds) in crowds {
            let wanted: Vec<f64> = crowds.iter().map(|crowd| crowd.fraction).collect();
            let angles = sector.spread(&wanted, gap / radius);
            for (crowd, angle) in crowds.into_iter().zip(angles) {
                for peer in &crowd.peers {
                    self.spot_of[*peer] = self.spots.len();
                }
                self.spots.push(Spot { at: Polar { radius, angle }, peers: crowd.peers });
            }
        }
        let first_hop = if self.centre == Centre::Start { 0 } else { 1 };
        self.rings.push(Ring {
            radius,
            hops: ring as u32 - first_hop,
            is_last_of_many: ring == MAX_RINGS
                && members.iter().any(|peer| peers[*peer].depth > Some(ring as u32 - first_hop)),
        });
    }
}

/// On which ring a peer is. Who listens is in the centre, and whom it hears around it.
fn ring_of(peer: &Peer, centre: Centre) -> usize {
    let hops = peer.depth.map_or(0, |depth| depth as usize);
    let ring = if centre == Centre::Start { hops } else { hops + 1 };
    ring.min(MAX_RINGS)
}

/// The share of the circle, clockwise from the top, at which an id wants its peer to be.
fn fraction(peer: &Peer) -> f64 {
    let digits = peer.node_id.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    f64::from(digits.unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

/// Peers that are drawn as one.
#[derive(Debug)]
struct Crowd {
    fraction: f64,
    peers: Vec<usize>,
}

/// Those of one ring and sector: each alone, or by slices.
fn crowds(mut members: Vec<(f64, usize)>, n_slices: Option<usize>) -> Vec<Crowd> {
    members.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let Some(n_slices) = n_slices else {
        let alone = |(fraction, peer)| Crowd { fraction, peers: vec![peer] };
        return members.into_iter().map(alone).collect();
    };
    let mut slices: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (fraction, peer) in members {
        slices.entry((fraction * n_slices as f64) as usize).or_default().push(peer);
    }
    let middle = |slice: usize| (slice as f64 + 0.5) / n_slices as f64;
    slices.into_iter().map(|(slice, peers)| Crowd { fraction: middle(slice), peers }).collect()
}

/// A part of the circle.
#[derive(Debug, Clone, Copy)]
struct Sector {
    start: f64,
    width: f64,
}

impl Sector {
    const CIRCLE: Self = Self { start: 0.0, width: TAU };

    fn is_circle(self) -> bool {
        self.width >= TAU
    }

    /// Its share of so many slices of the whole circle.
    fn slices(self, of: usize) -> usize {
        ((of as f64 * self.width / TAU) as usize).max(1)
    }

    /// Angles near the wanted fractions, which are ascending, and at least `gap` from each other if
    /// there is room for that.
    fn spread(self, wanted: &[f64], gap: f64) -> Vec<f64> {
        if !self.is_circle() {
            let wanted: Vec<f64> = wanted.iter().map(|fraction| fraction * self.width).collect();
            let angles = spread(&wanted, gap, self.width);
            return angles.into_iter().map(|angle| self.start + angle).collect();
        }
        // A circle is cut where nobody is.
        let cut = widest_gap(wanted);
        let mut turned: Vec<f64> = wanted.iter().map(|f| (f - cut).rem_euclid(1.0) * TAU).collect();
        let n_turned = rotation(&turned);
        turned.rotate_left(n_turned);
        let mut angles = spread(&turned, gap, TAU - gap);
        angles.rotate_right(n_turned);
        angles.into_iter().map(|angle| (angle + cut * TAU).rem_euclid(TAU)).collect()
    }
}

/// Where in a turned ascending list the smallest is.
fn rotation(turned: &[f64]) -> usize {
    turned.windows(2).position(|pair| pair[1] < pair[0]).map_or(0, |before| before + 1)
}

/// The middle of the widest gap between fractions of a circle, which are ascending.
fn widest_gap(fractions: &[f64]) -> f64 {
    let (Some(first), Some(last)) = (fractions.first(), fractions.last()) else { return 0.0 };
    let around = (*last, first + 1.0);
    let between = fractions.windows(2).map(|pair| (pair[0], pair[1]));
    let wider = |a: (f64, f64), b: (f64, f64)| if b.1 - b.0 > a.1 - a.0 { b } else { a };
    let (from, to) = between.fold(around, wider);
    ((from + to) / 2.0).rem_euclid(1.0)
}

/// Moves ascending places apart as little as possible (least squares), within `0..=width`.
fn spread(wanted: &[f64], gap: f64, width: f64) -> Vec<f64> {
    let Some(n_gaps) = wanted.len().checked_sub(1) else { return Vec::new() };
    let gap = gap.min(width / n_gaps.max(1) as f64);
    // With the gaps taken out it is an isotonic regression: neighbours in the wrong order are pooled.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (index, place) in wanted.iter().enumerate() {
        let mut pool = (place - index as f64 * gap, 1);
        while let Some(before) = pools.pop_if(|before| before.0 > pool.0) {
            let n = before.1 + pool.1;
            pool = ((before.0 * before.1 as f64 + pool.0 * pool.1 as f64) / n as f64, n);
        }
        pools.push(pool);
    }
    let room = (width - n_gaps as f64 * gap).max(0.0);
    let places = pools.into_iter().flat_map(|(place, n)| std::iter::repeat_n(place, n));
    places.enumerate().map(|(i, place)| place.clamp(0.0, room) + i as f64 * gap).collect()
}

/// The sectors, and in which each peer is.
#[derive(Debug)]
struct Sectors {
    all: Vec<Sector>,
    of_peer: Vec<usize>,
    sizes: Vec<usize>,
}

impl Sectors {
    /// One sector unless there are several parts of more than one peer each. Who is in no such part, and
    /// who is in one too many, shares the last.
    fn of(links: &Graph) -> Self {
        let islands = links.islands();
        let n_large = islands.iter().take_while(|island| island.len() > 1).count();
        if n_large < 2 {
            let of_peer = vec![0; links.n_peers()];
            return Self { all: vec![Sector::CIRCLE], of_peer, sizes: Vec::new() };
        }
        let n_own = n_large.min(MAX_SECTORS);
        let mut sizes: Vec<usize> = islands[..n_own].iter().map(Vec::len).collect();
        let mut of_peer = vec![n_own; links.n_peers()];
        for (sector, island) in islands[..n_own].iter().enumerate() {
            island.iter().for_each(|peer| of_peer[*peer as usize] = sector);
        }
        let n_rest: usize = islands[n_own..].iter().map(Vec::len).sum();
        let has_rest = n_rest > 0;
        sizes.extend(has_rest.then_some(n_rest));
        let all = share_out(&sizes);
        sizes.truncate(n_own);
        Self { all, of_peer, sizes }
    }

    fn islands(&self) -> Vec<(usize, f64)> {
        let middle = |sector: &Sector| sector.start + sector.width / 2.0;
        self.sizes.iter().copied().zip(self.all.iter().map(middle)).collect()
    }
}

/// Sectors by size, with a gap behind each.
fn share_out(sizes: &[usize]) -> Vec<Sector> {
    let n_peers: usize = sizes.iter().sum();
    let shares = sizes.iter().map(|n| (*n as f64 / n_peers as f64).max(MIN_SHARE));
    let shares: Vec<f64> = shares.collect();
    let (whole, room) = (shares.iter().sum::<f64>(), TAU - sizes.len() as f64 * SECTOR_GAP);
    let mut start = SECTOR_GAP / 2.0;
    let sector = |share: f64| {
        let width = share / whole * room;
        let sector = Sector { start, width };
        start += width + SECTOR_GAP;
        sector
    };
    shares.into_iter().map(sector).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NEARLY: f64 = 1e-9;

    #[test]
    fn places_with_room_stay_where_they_are() {
        assert_eq!(spread(&[0.5, 1.0, 2.0], 0.1, 3.0), [0.5, 1.0, 2.0]);
        assert_eq!(spread(&[], 0.1, 3.0), [0.0; 0]);
    }

    #[test]
    fn crowded_places_move_apart_around_their_middle() {
        let spread = spread(&[1.0, 1.0, 1.0, 5.0], 0.5, 6.0);
        assert_eq!(spread, [0.5, 1.0, 1.5, 5.0]);
    }

    #[test]
    fn who_is_alone_on_a_ring_is_exactly_where_its_id_wants_it() {
        for wanted in [0.0, 0.3, 0.999] {
            let angle = Sector::CIRCLE.spread(&[wanted], 0.1)[0];
            assert!((angle - wanted * TAU).abs() < NEARLY, "{angle}");
        }
    }

    #[test]
    fn sectors_share_the_circle_by_size() {
        let sectors = share_out(&[30, 10]);
        assert!((sectors[0].width / sectors[1].width - 3.0).abs() < NEARLY);
        assert!(sectors[1].start + sectors[1].width < TAU);
    }

    proptest! {
        #[test]
        fn nobody_is_on_anothers_place(
            mut wanted in vec(0.0..1.0f64, 1..200),
            share in 0.01..1.0f64,
        ) {
            wanted.sort_by(f64::total_cmp);
            let gap = share * TAU / (wanted.len() as f64 + 1.0);
            for sector in [Sector::CIRCLE, Sector { start: 1.0, width: 4.0 }] {
                let gap = gap.min(4.0 / wanted.len() as f64);
                let mut angles = sector.spread(&wanted, gap);
                prop_assert!(angles.iter().all(|angle| (0.0..=TAU).contains(angle)));
                angles.sort_by(f64::total_cmp);
                let around = angles.first().unwrap() + TAU - angles.last().unwrap();
                let nearest = angles.windows(2).map(|p| p[1] - p[0]).fold(around, f64::min);
                prop_assert!(nearest >= gap - NEARLY, "{nearest} < {gap}");
            }
        }
    }
}
