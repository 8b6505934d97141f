//! What the errors of iroh and irpc mean to whoever asks a peer.

use id_proto::ErrorCode;
use iroh::endpoint::{
    ApplicationClose, ConnectError, ConnectWithOptsError, ConnectingError, ConnectionClose,
    ConnectionError, QuicConnectError, ReadError, TransportErrorCode, VarInt, WriteError,
};
use irpc::RequestError;

use crate::{
    error::{AskError, FailKind},
    frame::FrameError,
};

/// TLS' alert for "none of the protocols that you offer" (RFC 7301).
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// QUIC's codes 0x100 to 0x1ff are TLS alerts (RFC 9001, section 4.8).
const TLS_ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;

/// How far a question had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing of the answer has come. A peer that hangs up now refuses.
    Asking,
    /// Part of the answer has come. A peer that hangs up now leaves it incomplete.
    Answering,
}

pub(super) fn of_connect(error: &ConnectError) -> AskError {
    let kind = match error {
        ConnectError::Connect { source, .. } => start_kind(source),
        ConnectError::Connecting { source, .. } => connecting_kind(source),
        ConnectError::Connection { source, .. } => dial_kind(source),
        _ => FailKind::Lost,
    };
    AskError::new(kind, one_line(error))
}

fn start_kind(error: &ConnectWithOptsError) -> FailKind {
    match error {
        ConnectWithOptsError::NoAddress { .. } => FailKind::NoAddress,
        ConnectWithOptsError::Noq { source: QuicConnectError::InvalidRemoteAddress(_), .. } => {
            FailKind::NoAddress
        }
        ConnectWithOptsError::SelfConnect { .. } | ConnectWithOptsError::LocallyRejected { .. } => {
            FailKind::Refused
        }
        // What is left is our own endpoint's end.
        _ => FailKind::Lost,
    }
}

fn connecting_kind(error: &ConnectingError) -> FailKind {
    match error {
        ConnectingError::ConnectionError { source, .. } => dial_kind(source),
        ConnectingError::HandshakeFailure { .. } => FailKind::Handshake,
        ConnectingError::LocallyRejected { .. } => FailKind::Refused,
        _ => FailKind::Lost,
    }
}

fn dial_kind(error: &ConnectionError) -> FailKind {
    match error {
        ConnectionError::ApplicationClosed(close) => hung_up_kind(close),
        ConnectionError::VersionMismatch => FailKind::Refused,
        ConnectionError::ConnectionClosed(close) => closed_kind(close),
        ConnectionError::TransportError(error) => transport_kind(error.code),
        ConnectionError::TimedOut => FailKind::Timeout,
        _ => FailKind::Lost,
    }
}

/// Why the peer hung up before it answered anything.
fn hung_up_kind(close: &ApplicationClose) -> FailKind {
    let is_busy = close.error_code == VarInt::from_u32(ErrorCode::Busy.number().into());
    if is_busy { FailKind::Busy } else { FailKind::Refused }
}

/// Why the peer's QUIC stack hung up on the dial.
fn closed_kind(close: &ConnectionClose) -> FailKind {
    let code = close.error_code;
    let unknown_alpn = code == TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL);
    if TLS_ALERTS.contains(&u64::from(code)) && !unknown_alpn {
        FailKind::Handshake
    } else {
        FailKind::Refused
    }
}

/// Why our QUIC stack hung up on the peer: a certificate of somebody else's, or broken QUIC.
fn transport_kind(code: TransportErrorCode) -> FailKind {
    if TLS_ALERTS.contains(&u64::from(code)) { FailKind::Handshake } else { FailKind::Protocol }
}

pub(super) fn of_request(error: &RequestError) -> AskError {
    match error {
        RequestError::Connection { source, .. } => of_connection(source, Stage::Asking),
        other => AskError::new(FailKind::Lost, one_line(other)),
    }
}

pub(super) fn of_write(error: &irpc::rpc::WriteError) -> AskError {
    match error {
        irpc::rpc::WriteError::Noq { source: WriteError::ConnectionLost(source), .. } => {
            of_connection(source, Stage::Asking)
        }
        other => AskError::new(FailKind::Lost, one_line(other)),
    }
}

pub(super) fn of_frame(error: &FrameError, stage: Stage) -> AskError {
    match error {
        FrameError::TooLarge { .. } => AskError::new(FailKind::TooLarge, error),
        FrameError::BadLength => AskError::new(FailKind::Protocol, error),
        FrameError::Cut => AskError::new(FailKind::Lost, error),
        FrameError::Read(source) => of_read(source, stage),
    }
}

fn of_read(error: &std::io::Error, stage: Stage) -> AskError {
    let source = error.get_ref().and_then(|source| source.downcast_ref());
    match source {
        Some(ReadError::ConnectionLost(source)) => of_connection(source, stage),
        _ => AskError::new(FailKind::Lost, error),
    }
}

/// Why a connection that had been established is no more.
fn of_connection(error: &ConnectionError, stage: Stage) -> AskError {
    let kind = match (error, stage) {
        (ConnectionError::ApplicationClosed(close), Stage::Asking) => hung_up_kind(close),
        (ConnectionError::TransportError(_), _) => FailKind::Protocol,
        (ConnectionError::TimedOut, _) => FailKind::Timeout,
        _ => FailKind::Lost,
    };
    AskError::new(kind, error)
}

/// The error with its causes, without the line breaks that lookups put into theirs.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        // A transparent error shows its cause's text as its own.
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = source.source();
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
