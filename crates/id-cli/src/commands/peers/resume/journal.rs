//! Noting what a crawl finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, TryLockError},
    io::{self, BufReader, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Result, anyhow};
use id_client::{
    Answer, Crawl, CrawlEvent, Past,
    id_proto::{SignedAnnouncement, iroh_base::PublicKey},
};
use serde::Serialize;

use super::{
    AnnouncementLine, AnswerInfo, Frame, MAX_FILE_LEN, MAX_LINE_LEN, PeerLine, ResumeInfo,
    SummaryLine, VersionLine,
    reading::{self, Noted},
};
use crate::{exit::Stop, talk};
use id_render::{Document, Header, Peer, json};

/// The file, to which lines are added as peers answer or fail. Nobody else writes to it meanwhile.
#[derive(Debug)]
pub(in crate::commands::peers) struct Journal {
    file: File,
    path: PathBuf,
    len: u64,
    /// How many announcements are in it.
    n_announcements: u32,
    /// The number and the `seq` of the last one of each author.
    newest: BTreeMap<PublicKey, (u32, u64)>,
    /// Who has a line.
    peers: BTreeSet<String>,
    /// How many answers had no room.
    n_unnoted: usize,
}

/// Lines to be written, and the announcements among them.
#[derive(Debug, Default)]
struct Draft {
    lines: Vec<u8>,
    newest: BTreeMap<PublicKey, (u32, u64)>,
}

impl Journal {
    /// Opens the file, makes it if there is none, and reads what is noted in it. Half a line at its end
    /// is cut off.
    pub(in crate::commands::peers) fn open(
        path: &Path,
        header: &Header,
        frame: &Frame,
        now: SystemTime,
    ) -> Result<(Self, Past), Stop> {
        let said = |what: String| Stop::usage(format!("{}: {what}", path.display()));
        let opened = open(path).map_err(|error| said(error.to_string()))?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let noted = reading::read(BufReader::new(&opened), frame, now)
            .map_err(|what| said(what).with_hint("give another file, or remove this one"))?;
        let Noted { past, authors, newest, peers, len } = noted;
        let mut journal = Self {
            file: opened,
            path: path.to_owned(),
            len,
            n_announcements: u32::try_from(authors.len()).expect("a file isn't that long"),
            newest,
            peers,
            n_unnoted: 0,
        };
        journal.begin(header, frame).map_err(|error| said(error.to_string()))?;
        Ok((journal, past))
    }

    /// Cuts half a line off, and writes the first, if it isn't there.
    fn begin(&mut self, header: &Header, frame: &Frame) -> io::Result<()> {
        self.file.set_len(self.len)?;
        self.file.seek(io::SeekFrom::End(0))?;
        if self.len > 0 {
            return Ok(());
        }
        let seeds = frame.seeds.iter().map(PublicKey::to_string).collect();
        let resume = ResumeInfo { seeds, max_peers: frame.max_peers };
        let mut first = Vec::new();
        json::line(&VersionLine { r#type: "version", header, resume }, &mut first)?;
        self.append(&first)
    }

    /// Notes a peer that has answered or failed.
    pub(in crate::commands::peers) fn on_event(
        &mut self,
        crawl: &mut Crawl,
        event: &CrawlEvent,
    ) -> Result<()> {
        let (CrawlEvent::Answered { peer, .. } | CrawlEvent::Failed { peer, .. }) = event else {
            return Ok(());
        };
        let answer = crawl.take_answer(peer);
        let has_answered = matches!(event, CrawlEvent::Answered { .. });
        self.n_unnoted += usize::from(has_answered && answer.is_none());
        let Some(known) = crawl.peer(peer) else { return Ok(()) };
        let known = Peer::crawled(&known);
        self.note(&known, answer.as_ref(), |id| crawl.announcement(id))
            .map_err(|error| self.cant_write(&error))
    }

    /// Notes the rest of a crawl that ended by itself, and says what couldn't be noted.
    pub(in crate::commands::peers) fn finish(mut self, document: &Document) -> Result<()> {
        let n = self.n_unnoted;
        if n > 0 {
            let path = self.path.display();
            talk::warning(&format!(
                "{path} has no room for {n} answers, which will be asked for again"
            ));
        }
        if document.crawl.complete {
            self.end(document).map_err(|error| self.cant_write(&error))?;
        }
        Ok(())
    }

    fn end(&mut self, document: &Document) -> io::Result<()> {
        for peer in &document.peers {
            if !self.peers.contains(&peer.node_id) {
                self.note(peer, None, |_| None)?;
            }
        }
        let mut last = Vec::new();
        let Document { crawl, summary, .. } = document;
        json::line(&SummaryLine { r#type: "summary", crawl, summary }, &mut last)?;
        self.append_if_there_is_room(&last).map(drop)
    }

    fn note<'a>(
        &mut self,
        peer: &Peer,
        answer: Option<&Answer>,
        announcement: impl Fn(&PublicKey) -> Option<&'a SignedAnnouncement>,
    ) -> io::Result<()> {
        let mut draft = Draft::default();
        let answer = answer.map(|it| self.answer(it, announcement, &mut draft)).transpose()?;
        let n_before = draft.lines.len();
        draft.line(&PeerLine { r#type: "peer", peer, answer })?;
        let line_len = (draft.lines.len() - n_before) as u64;
        if line_len > MAX_LINE_LEN || !self.append_if_there_is_room(&draft.lines)? {
            self.n_unnoted += 1;
            return Ok(());
        }
        self.n_announcements += u32::try_from(draft.newest.len()).expect("a file isn't that long");
        self.newest.append(&mut draft.newest);
        self.peers.insert(peer.node_id.clone());
        Ok(())
    }

    /// An answer, with those announcements before it that aren't in the file yet.
    fn answer<'a>(
        &self,
        answer: &Answer,
        announcement: impl Fn(&PublicKey) -> Option<&'a SignedAnnouncement>,
        draft: &mut Draft,
    ) -> io::Result<AnswerInfo> {
        let mut named = Vec::with_capacity(answer.named.len());
        // Whoever had to give way to others has none any more.
        let mut n_left_out = answer.n_left_out;
        for it in &answer.named {
            let Some(announcement) = announcement(&it.peer) else {
                n_left_out += 1;
                continue;
            };
            let number = match self.newest.get(&it.peer) {
                Some((number, seq)) if *seq >= announcement.seq => *number,
                _ => draft.announcement(announcement, self.n_announcements)?,
            };
            named.push((number, millis(it.age), it.verified_age.map(millis)));
        }
        let left_out = u32::try_from(n_left_out).unwrap_or(u32::MAX);
        Ok(AnswerInfo { at_secs: answer.at_unix_secs, named, left_out })
    }

    fn append_if_there_is_room(&mut self, lines: &[u8]) -> io::Result<bool> {
        let fits = self.len + lines.len() as u64 <= MAX_FILE_LEN;
        if fits {
            self.append(lines)?;
        }
        Ok(fits)
    }

    /// The file isn't buffered: what is written survives our end.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.len += lines.len() as u64;
        Ok(())
    }

    /// Not to be taken for a failure of stdout.
    fn cant_write(&self, error: &io::Error) -> anyhow::Error {
        anyhow!("can't write {}: {error}", self.path.display())
    }
}

impl Draft {
    /// Adds an announcement, and says its number. `n_noted` are in the file.
    fn announcement(&mut self, announcement: &SignedAnnouncement, n_noted: u32) -> io::Result<u32> {
        let number = n_noted + u32::try_from(self.newest.len()).expect("an answer isn't that long");
        self.line(&AnnouncementLine { r#type: "announcement", signed: hex(announcement.bytes()) })?;
        self.newest.insert(announcement.node_id, (number, announcement.seq));
        Ok(number)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        json::line(line, &mut self.lines)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::other("another crawl writes to it"),
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
