//! `diff`: what is different between two crawls.

mod compare;
mod document;

use std::{
    io::{self, BufWriter, Write, stdout},
    time::SystemTime,
};

use anyhow::{Error, Result};
pub(crate) use compare::{Change, Difference, EdgeDifference};
pub(crate) use document::{Document, Peer};

use crate::{
    cli::DiffArgs,
    exit::{Exit, Stop, is_closed_pipe},
    output::diff,
    talk,
};

pub(crate) fn run(args: &DiffArgs) -> Result<Exit> {
    let (a, b) = (document::read(&args.a)?, document::read(&args.b)?);
    if a.network.tag != b.network.tag {
        let (a, b) = (&a.network.tag, &b.network.tag);
        return Err(
            Stop::usage(format!("the crawls are of different networks: {a} and {b}")).into()
        );
    }
    compare::doubts(&a, &b).iter().for_each(|doubt| talk::warning(doubt));
    let difference = Difference::of(&a, &b);
    print(args, &a, &b, &difference).or_else(excuse)?;
    Ok(if difference.is_empty() { Exit::Ok } else { Exit::Different })
}

fn print(
    args: &DiffArgs,
    a: &Document,
    b: &Document,
    difference: &Difference<'_>,
) -> io::Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    match args.json {
        true => diff::json([a, b], difference, SystemTime::now(), &mut out)?,
        false => diff::text(difference, &mut out)?,
    }
    out.flush()
}

/// Whoever has read enough still gets the exit code; any other failure is trouble.
fn excuse(error: io::Error) -> Result<()> {
    let error = Error::from(error);
    match is_closed_pipe(&error) {
        true => Ok(()),
        false => Err(Stop::usage(format!("can't write: {error}")).into()),
    }
}
