//! What `doctor` prints, as text and as JSON.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use id_render::{Tool, json, model::generated_at, sanitize};
use serde::Serialize;

use crate::{
    doctor::{Diagnosis, Facts, Finding},
    output::TOOL,
};

/// A minor number grows when a field or a step is added; a major one when a reader must change.
const FORMAT_VERSION: &str = "1.0";

/// The document: the structs are the JSON, field by field. `docs/doctor.schema.json` describes it.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    format_version: &'static str,
    generated_at: String,
    tool: Tool,
    network: Network,
    /// The step at fault that is most likely the cause; `None` if there is no fault.
    fault: Option<&'static str>,
    /// The most likely cause, for people.
    cause: String,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Network {
    topic: String,
    tag: String,
    private: bool,
}

#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    verdict: &'static str,
    seen: String,
    advice: Option<String>,
}

impl Document {
    pub(crate) fn new(facts: &Facts, diagnosis: &Diagnosis, now: SystemTime) -> Self {
        let config = &facts.config;
        Self {
            format_version: FORMAT_VERSION,
            generated_at: generated_at(now),
            tool: TOOL,
            network: Network {
                topic: config.topic.clone(),
                tag: config.tag.clone(),
                private: config.is_private,
            },
            fault: diagnosis.fault().map(crate::doctor::Step::as_str),
            cause: diagnosis.cause.clone(),
            steps: diagnosis.findings.iter().map(Step::new).collect(),
        }
    }

    pub(crate) fn render_json(&self, out: &mut impl Write) -> io::Result<()> {
        json::pretty(self, out)?;
        out.flush()
    }

    /// A line for each step, what to do below it, and the cause at the end.
    pub(crate) fn render_text(&self, out: &mut impl Write) -> io::Result<()> {
        for Step { step, verdict, seen, advice } in &self.steps {
            writeln!(out, "{verdict:<8} {step:<14} {}", sanitize::text(seen))?;
            if let Some(advice) = advice {
                writeln!(out, "{:<8} {:<14} {}", "", "", sanitize::text(advice))?;
            }
        }
        writeln!(out, "\n{}", sanitize::text(&self.cause))?;
        out.flush()
    }
}

impl Step {
    fn new(finding: &Finding) -> Self {
        Self {
            step: finding.step.as_str(),
            verdict: finding.verdict.as_str(),
            seen: finding.seen.clone(),
            advice: finding.advice.clone(),
        }
    }
}
