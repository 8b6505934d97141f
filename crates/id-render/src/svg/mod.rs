//! A picture: the start in the centre, whom it knows around it, a ring for each hop.
//!
//! It holds no script and loads nothing. Its colours follow the reader's light or dark scheme; a status is
//! told by the shape as well.

mod layout;

use std::{
    collections::{BTreeMap, BTreeSet},
    f64::consts::{FRAC_PI_4, PI},
    io::{self, Write},
};

use id_client::Graph;
use layout::{Centre, Layout, Polar, Spot};

use crate::{
    model::{Document, Peer, SourceKind, Status},
    text,
    xml::{Append, escape},
};

/// Most lines besides those by which peers were found. Origin: with more, a ring of 300 is a grey disc.
const MAX_LINES: usize = 3000;
/// With more ways than these all lines are faint. Origin: looks.
const MANY_WAYS: usize = 100;
/// With so many peers each has its name beside it. Origin: looks.
const MAX_LABELLED: usize = 40;
/// Longest name beside a peer, in characters; whoever points at it sees all of it.
const MAX_LABEL: usize = 20;
/// Around the outermost ring: room for names.
const MARGIN: f64 = 130.0;
/// Above and below, for what the picture says of itself.
const HEADER: f64 = 64.0;
const FOOTER: f64 = 48.0;
/// So that what it says has room.
const MIN_WIDTH: f64 = 640.0;

const STYLE: &str = "\
    :root { --ink: #24292f; --dim: #6b7480; --paper: #ffffff; --ring: #e3e7ec; --way: #7c8896; \
--ok: #0a7d5a; --bad: #c2410c; --start: #1d5fd1; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9aa4af; --paper: #0d1117; \
--ring: #232b35; --way: #7d8996; --ok: #3fc793; --bad: #ff8a4c; --start: #6ea8ff; } }
    .paper { fill: var(--paper); }
    text { font: 12px sans-serif; fill: var(--ink); stroke: var(--paper); stroke-width: 3px; \
stroke-linejoin: round; paint-order: stroke; }
    .title { font-size: 16px; font-weight: bold; }
    .dim { fill: var(--dim); }
    .ring { fill: none; stroke: var(--ring); stroke-width: 1; }
    .way { fill: none; stroke: var(--way); stroke-width: 1.3; }
    .line { fill: none; stroke: var(--way); stroke-width: 0.8; stroke-opacity: 0.4; }
    .many .way { stroke-width: 0.9; stroke-opacity: 0.4; }
    .many .line { stroke-width: 0.6; stroke-opacity: 0.16; }
    .hops { font-size: 10px; fill: var(--dim); text-anchor: middle; }
    .answered { fill: var(--ok); stroke: var(--paper); stroke-width: 1; }
    .failed { fill: var(--paper); stroke: var(--bad); stroke-width: 2; }
    .not_asked { fill: var(--paper); stroke: var(--dim); stroke-width: 1.4; }
    .halo { fill: none; stroke: var(--start); stroke-width: 2; }
    .onlooker { fill: var(--start); }
    .n { font-size: 9px; fill: var(--paper); stroke: none; text-anchor: middle; }
    .n.failed, .n.not_asked { fill: var(--ink); stroke: none; }";

/// What is in the one `<style>` of each picture, for whoever has to allow it.
pub fn style() -> String {
    format!("\n{STYLE}\n  ")
}

/// Draws `document`.
pub fn render(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let links = Links::of(document);
    let layout = Layout::of(document, &links.all);
    out.write_all(Picture::new(document, &layout, &links).drawn().as_bytes())
}

/// What lines are made of.
struct Links {
    /// Who named whom, those by whom peers were found included.
    all: Graph,
    /// By whom each peer was found, if by anybody: the other end of its way to the start.
    found_by: Vec<Option<usize>>,
}

impl Links {
    fn of(document: &Document) -> Self {
        let peers = &document.peers;
        let positions: BTreeMap<&str, usize> =
            peers.iter().map(|peer| peer.node_id.as_str()).zip(0..).collect();
        let found_by: Vec<_> = peers.iter().map(|peer| found_by(peer, peers, &positions)).collect();
        let pair = |from: usize, to: usize| Some((from.try_into().ok()?, to.try_into().ok()?));
        let ways = found_by.iter().enumerate();
        let ways = ways.filter_map(|(to, from)| pair((*from)?, to));
        let seen = document.graph.iter().flat_map(Graph::edges).copied();
        Self { all: Graph::new(peers.len(), seen.chain(ways)), found_by }
    }
}

/// Whoever named it first, of those who are a hop nearer to the start, if any is.
fn found_by(peer: &Peer, peers: &[Peer], positions: &BTreeMap<&str, usize>) -> Option<usize> {
    if peer.depth == Some(0) {
        return None;
    }
    let named_by: Vec<usize> =
        peer.via.iter().filter_map(|id| positions.get(id.as_str()).copied()).collect();
    let nearer = |from: &&usize| peers[**from].depth.map(|depth| depth + 1) == peer.depth;
    named_by.iter().find(nearer).or(named_by.first()).copied()
}

struct Picture<'a> {
    document: &'a Document,
    layout: &'a Layout,
    links: &'a Links,
    width: f64,
    height: f64,
    /// Cases of who named whom for which there is no line.
    n_hidden: u64,
    text: String,
}

impl<'a> Picture<'a> {
    fn new(document: &'a Document, layout: &'a Layout, links: &'a Links) -> Self {
        let side = 2.0 * (layout.radius() + MARGIN);
        let (width, height) = (side.max(MIN_WIDTH), side + HEADER + FOOTER - MARGIN);
        let n_hidden = document.n_edges_left_out();
        Self { document, layout, links, width, height, n_hidden, text: String::new() }
    }

    fn drawn(mut self) -> String {
        let (width, height) = (self.width, self.height);
        let style = style();
        let title = escape(&format!("Peers of {}", self.document.header.network.topic));
        self.text.append(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n  <title>{title}</title>\n  \
             <style>{style}</style>\n  \
             <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
        ));
        self.rings();
        self.lines();
        self.spots();
        self.islands();
        self.labels();
        self.header(&title);
        self.footer();
        self.text.push_str("</svg>\n");
        self.text
    }

    fn rings(&mut self) {
        let (x, y) = self.centre();
        for ring in &self.layout.rings {
            let (radius, hops) = (ring.radius, ring.hops);
            self.text.append(format_args!(
                "  <circle class=\"ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{}</title>\
                 </circle>\n",
                hops_text(hops, ring.is_last_of_many)
            ));
        }
    }

    fn lines(&mut self) {
        let spot = |peer: usize| self.layout.spot_of[peer];
        let pair = |a: usize, b: usize| (spot(a).min(spot(b)), spot(a).max(spot(b)));
        let found_by = self.links.found_by.iter().enumerate();
        let ways: BTreeSet<_> =
            found_by.filter_map(|(to, from)| from.map(|from| pair(from, to))).collect();
        let others = self.links.all.edges().iter().map(|(a, b)| pair(*a as usize, *b as usize));
        let others = others.filter(|line| !ways.contains(line));
        let mut lines = BTreeSet::new();
        for line in others.clone() {
            lines.insert(line);
            if lines.len() > MAX_LINES {
                lines.clear();
                self.n_hidden += others.count() as u64;
                break;
            }
        }
        let class = if ways.len() > MANY_WAYS { "many" } else { "few" };
        self.text.append(format_args!("  <g class=\"{class}\">\n"));
        lines.iter().for_each(|line| self.line("line", *line));
        ways.iter().for_each(|way| self.line("way", *way));
        self.text.push_str("  </g>\n");
        self.hops();
    }

    /// How far each ring is away, at its top.
    fn hops(&mut self) {
        for ring in &self.layout.rings {
            let (x, y) = self.place(Polar { radius: ring.radius, angle: 0.0 });
            let hops = ring.hops;
            let more = if ring.is_last_of_many { "+" } else { "" };
            self.text.append(format_args!(
                "  <text class=\"hops\" x=\"{x:.1}\" y=\"{:.1}\">{hops}{more}</text>\n",
                y + 3.5
            ));
        }
    }

    fn line(&mut self, class: &str, (from, to): (usize, usize)) {
        if from == to {
            return;
        }
        let (from, to) = (self.layout.spots[from].at, self.layout.spots[to].at);
        let path = self.path(from, to);
        self.text.append(format_args!("  <path class=\"{class}\" d=\"{path}\"/>\n"));
    }

    /// From one place to another between the rings, so that it crosses no ring on its way.
    fn path(&self, from: Polar, to: Polar) -> String {
        let way = Way::new(from, to, self.layout.turn(from, to));
        let mut path = String::new();
        let (x, y) = self.place(from);
        path.append(format_args!("M{x:.1} {y:.1}"));
        let step = 1.0 / way.n_pieces as f64;
        for piece in 0..way.n_pieces {
            let (t, u) = (piece as f64 * step, (piece + 1) as f64 * step);
            let ((ax, ay), (bx, by)) = (self.place(way.at(t)), self.place(way.at(u)));
            let ((adx, ady), (bdx, bdy)) = (way.speed(t), way.speed(u));
            let third = step / 3.0;
            path.append(format_args!(
                "C{:.1} {:.1} {:.1} {:.1} {bx:.1} {by:.1}",
                ax + adx * third,
                ay + ady * third,
                bx - bdx * third,
                by - bdy * third
            ));
        }
        path
    }

    fn spots(&mut self) {
        if self.layout.centre == Centre::Onlooker {
            let (x, y) = self.centre();
            let who = match self.document.crawl.source {
                SourceKind::Rpc => "whoever crawled",
                SourceKind::Gossip => "whoever listened",
            };
            self.text.append(format_args!(
                "  <rect class=\"onlooker\" x=\"{:.1}\" y=\"{:.1}\" width=\"9\" height=\"9\"><title>{who}\
                 </title></rect>\n",
                x - 4.5,
                y - 4.5
            ));
        }
        for spot in &self.layout.spots {
            self.spot(spot);
        }
    }

    fn spot(&mut self, spot: &Spot) {
        let (x, y) = self.place(spot.at);
        let peers: Vec<&Peer> = spot.peers.iter().map(|peer| &self.document.peers[*peer]).collect();
        let (size, class) = (spot.size(), most(&peers).as_str());
        if peers.iter().any(|peer| peer.depth == Some(0)) {
            let around = size + 3.5;
            self.text.append(format_args!(
                "  <circle class=\"halo\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{around:.1}\"/>\n"
            ));
        }
        let said = match peers[..] {
            [peer] => about(peer),
            _ => about_many(&peers),
        };
        self.text.append(format_args!(
            "  <circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size:.1}\"><title>{}</title>\
             </circle>\n",
            escape(&said)
        ));
        if peers.len() > 1 {
            self.text.append(format_args!(
                "  <text class=\"n {class}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n",
                y + 3.0,
                short_count(peers.len())
            ));
        }
    }

    fn islands(&mut self) {
        let radius = self.layout.radius() + 34.0;
        for (size, angle) in &self.layout.islands {
            let (x, y) = self.place(Polar { radius, angle: *angle });
            let anchor = anchor(*angle);
            self.text.append(format_args!(
                "  <text class=\"title\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{size} peers\
                 </text>\n"
            ));
        }
    }

    fn labels(&mut self) {
        if self.document.peers.len() > MAX_LABELLED {
            return;
        }
        for spot in &self.layout.spots {
            let Polar { radius, angle } = spot.at;
            let (x, y) = self.place(Polar { radius: radius + spot.size() + 6.0, angle });
            let (anchor, y) = match radius {
                0.0 => ("middle", y - 6.0),
                _ => (anchor(angle), y + 4.0),
            };
            let label = escape(&label(&self.document.peers[spot.peers[0]]));
            self.text.append(format_args!(
                "  <text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>\n"
            ));
        }
    }

    fn header(&mut self, title: &str) {
        let counts = match self.document.crawl.source {
            SourceKind::Rpc => {
                let summary = &self.document.summary;
                format!(
                    "{} known: {} answered, {} failed, {} not asked",
                    summary.known, summary.answered, summary.failed, summary.not_asked
                )
            }
            SourceKind::Gossip => format!("{} announced themselves", self.document.peers.len()),
        };
        let when = &self.document.header.generated_at;
        let early = match self.document.crawl.stopped_by {
            Some(reason) => format!(" · stopped early: {reason}"),
            None => String::new(),
        };
        self.text.append(format_args!(
            "  <text class=\"title\" x=\"20\" y=\"30\">{title}</text>\n  \
             <text class=\"dim\" x=\"20\" y=\"50\">{} · {}{}</text>\n",
            escape(&counts),
            escape(when),
            escape(&early)
        ));
    }

    fn footer(&mut self) {
        let y = self.height - 20.0;
        let mut x = 26.0;
        let entries = [("answered", "answered"), ("failed", "failed"), ("not_asked", "not asked")];
        for (class, says) in entries {
            self.text.append(format_args!(
                "  <circle class=\"{class}\" cx=\"{x:.0}\" cy=\"{:.0}\" r=\"4.5\"/>\
                 <text class=\"dim\" x=\"{:.0}\" y=\"{y:.0}\">{says}</text>\n",
                y - 4.0,
                x + 10.0
            ));
            x += 30.0 + 7.0 * says.len() as f64;
        }
        let says = match self.n_hidden {
            0 => String::new(),
            n => format!(" · how it was found; {n} more cases of who named whom are not drawn"),
        };
        self.text.append(format_args!(
            "  <text class=\"dim\" x=\"{x:.0}\" y=\"{y:.0}\">a ring for each hop from the start{says}</text>\n"
        ));
    }

    fn centre(&self) -> (f64, f64) {
        (self.width / 2.0, HEADER + (self.height - HEADER - FOOTER) / 2.0)
    }

    fn place(&self, at: Polar) -> (f64, f64) {
        let (x, y) = self.centre();
        (x + at.radius * at.angle.sin(), y - at.radius * at.angle.cos())
    }
}

/// A line between two places. Its distance from the centre goes evenly from one to the other; between
/// places of one ring it keeps inside of it.
struct Way {
    from: Polar,
    radial: f64,
    turn: f64,
    /// How far it keeps inside.
    dip: f64,
    n_pieces: usize,
}

impl Way {
    fn new(from: Polar, to: Polar, turn: f64) -> Self {
        // The centre has every angle.
        let (start, turn) = match (from.radius, to.radius) {
            (0.0, _) => (to.angle, 0.0),
            (_, 0.0) => (from.angle, 0.0),
            _ => (from.angle, turn),
        };
        let radial = to.radius - from.radius;
        let is_same_ring = radial.abs() < 0.5;
        let dip = if is_same_ring { (from.radius * turn.abs() * 0.25).min(24.0) } else { 0.0 };
        let n_pieces = (turn.abs() / FRAC_PI_4).ceil().max(1.0) as usize;
        Self { from: Polar { angle: start, ..from }, radial, turn, dip, n_pieces }
    }

    fn at(&self, t: f64) -> Polar {
        Polar { radius: self.radius(t), angle: self.from.angle + self.turn * t }
    }

    fn radius(&self, t: f64) -> f64 {
        self.from.radius + self.radial * t - self.dip * (PI * t).sin()
    }

    /// How the place on the screen changes with `t`.
    fn speed(&self, t: f64) -> (f64, f64) {
        let Polar { radius, angle } = self.at(t);
        let outward = self.radial - self.dip * PI * (PI * t).cos();
        let (sin, cos) = angle.sin_cos();
        let along = radius * self.turn;
        (outward * sin + along * cos, -outward * cos + along * sin)
    }
}

fn anchor(angle: f64) -> &'static str {
    match angle.sin() {
        sin if sin > 0.2 => "start",
        sin if sin < -0.2 => "end",
        _ => "middle",
    }
}

/// The status of the most; of equally many, the worse.
fn most(peers: &[&Peer]) -> Status {
    let count = |status| peers.iter().filter(|peer| peer.status == status).count();
    let statuses = [Status::NotAsked, Status::Answered, Status::Failed];
    statuses.into_iter().max_by_key(|status| count(*status)).expect("there are three")
}

fn label(peer: &Peer) -> String {
    match peer.name.as_deref() {
        Some(name) if name.chars().count() > MAX_LABEL => {
            name.chars().take(MAX_LABEL - 1).chain(['…']).collect()
        }
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => text::short_id(&peer.node_id).to_owned(),
    }
}

fn about(peer: &Peer) -> String {
    let name = peer.name.iter().map(|name| format!("{name} · "));
    let name: String = name.collect();
    let status = match (peer.status, peer.error) {
        (Status::NotAsked, _) => "not asked".to_owned(),
        (Status::Failed, Some(error)) => format!("failed: {error}"),
        (status, _) => status.as_str().to_owned(),
    };
    format!("{name}{} · {status}", peer.node_id)
}

fn about_many(peers: &[&Peer]) -> String {
    let count = |status| peers.iter().filter(|peer| peer.status == status).count();
    format!(
        "{} peers: {} answered, {} failed, {} not asked",
        peers.len(),
        count(Status::Answered),
        count(Status::Failed),
        count(Status::NotAsked)
    )
}

/// A number that fits into a bubble.
fn short_count(n: usize) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{}k", n / 1_000),
        _ => format!("{}M", n / 1_000_000),
    }
}

fn hops_text(hops: u32, is_last_of_many: bool) -> String {
    match (hops, is_last_of_many) {
        (hops, true) => format!("{hops} hops and more"),
        (1, false) => "1 hop".to_owned(),
        (hops, false) => format!("{hops} hops"),
    }
}

#[cfg(test)]
mod tests;
