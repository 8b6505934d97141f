//! Frames: a length, then that many bytes; read with a bound.
//!
//! irpc's own receiver allocates up to 16 MiB because a peer says so. This reader refuses a length
//! above its limit before it allocates, and below it grows with the bytes that arrive.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is allocated before the first byte of a frame has come, in bytes. Origin: fits most
/// requests and whole small answers; beyond that the buffer doubles as bytes arrive.
const FIRST_ALLOCATION: u64 = 4 * 1024;

/// Why no frame could be read. The stream is of no use after any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The sender announced more than the limit; nothing was allocated. The sender's fault.
    #[error("a frame of {claimed} bytes, the limit is {max}")]
    TooLarge {
        /// The length that was announced.
        claimed: u64,
        /// The limit.
        max: usize,
    },
    /// The length takes more than ten bytes, or more than 64 bits. The sender's fault.
    #[error("the frame's length is no number")]
    BadLength,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Cut,
    /// The stream failed.
    #[error("{0}")]
    Read(#[from] io::Error),
}

/// Reads one frame of at most `max` bytes: its content, or `None` at the end of the stream.
///
/// The length is a varint as in postcard: seven bits a byte, the lowest first. Not cancel safe:
/// what was read of an unfinished frame is lost.
pub async fn read_frame<R>(recv: &mut R, max: usize) -> Result<Option<Vec<u8>>, FrameError>
where
    R: AsyncRead + Unpin,
{
    let Some(claimed) = read_length(recv).await? else {
        return Ok(None);
    };
    if claimed > max as u64 {
        return Err(FrameError::TooLarge { claimed, max });
    }
    let mut content = Vec::with_capacity(claimed.min(FIRST_ALLOCATION) as usize);
    recv.take(claimed).read_to_end(&mut content).await?;
    if (content.len() as u64) < claimed {
        return Err(FrameError::Cut);
    }
    Ok(Some(content))
}

async fn read_length<R: AsyncRead + Unpin>(recv: &mut R) -> Result<Option<u64>, FrameError> {
    let mut length = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let Some(byte) = read_byte(recv).await? else {
            return if shift == 0 { Ok(None) } else { Err(FrameError::Cut) };
        };
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << shift;
        if shifted >> shift != bits {
            return Err(FrameError::BadLength);
        }
        length |= shifted;
        if byte & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Err(FrameError::BadLength)
}

async fn read_byte<R: AsyncRead + Unpin>(recv: &mut R) -> io::Result<Option<u8>> {
    let mut byte = [0];
    let n_read = recv.read(&mut byte).await?;
    Ok((n_read == 1).then_some(byte[0]))
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use proptest::prelude::*;
    use tokio::io::ReadBuf;

    use super::*;

    fn read(mut bytes: &[u8], max: usize) -> Result<Option<Vec<u8>>, FrameError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(read_frame(&mut bytes, max))
    }

    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    #[test]
    fn a_frame_is_its_length_and_its_content() {
        assert_eq!(read(b"\x03abcrest", 3).unwrap().unwrap(), b"abc");
        assert_eq!(read(b"\x00", 3).unwrap().unwrap(), b"");
    }

    #[test]
    fn the_end_of_the_stream_is_no_frame() {
        assert!(read(b"", 3).unwrap().is_none());
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_was_cut() {
        for bytes in [&b"\x03ab"[..], b"\x03", b"\x80"] {
            assert!(matches!(read(bytes, 3), Err(FrameError::Cut)), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_of_more_than_64_bits_is_no_number() {
        let eleven_bytes = [[0x80; 10].as_slice(), &[0]].concat();
        let too_many_bits = [[0xff; 9].as_slice(), &[2]].concat();
        for bytes in [eleven_bytes, too_many_bits] {
            assert!(matches!(read(&bytes, 3), Err(FrameError::BadLength)), "{bytes:?}");
        }
    }

    /// A stream that claims `u64::MAX` bytes and panics if anyone tries to read one of them.
    struct Liar(Vec<u8>);

    impl AsyncRead for Liar {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            assert!(buf.remaining() <= 1, "a buffer of {} bytes by claim", buf.remaining());
            buf.put_slice(&[self.0.remove(0)]);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_length_above_the_limit_is_refused_before_a_byte_is_allocated() {
        for claimed in [4, 16 << 20, u64::MAX] {
            let error = read_frame(&mut Liar(varint(claimed)), 3).await.unwrap_err();
            assert!(matches!(error, FrameError::TooLarge { claimed: c, max: 3 } if c == claimed));
        }
    }

    #[tokio::test]
    async fn the_buffer_grows_with_the_bytes_not_with_the_claim() {
        let mut bytes = varint(1 << 40);
        bytes.extend([0; 100]);
        let error = read_frame(&mut bytes.as_slice(), usize::MAX).await.unwrap_err();
        assert!(matches!(error, FrameError::Cut));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_frame_within_the_limit_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            max in 0_usize..64,
        ) {
            if let Ok(Some(content)) = read(&bytes, max) {
                prop_assert!(content.len() <= max);
                let framed = [varint(content.len() as u64), content].concat();
                // A length may be longer than it needs; its end and what follows are the same.
                prop_assert!(framed.len() <= bytes.len());
            }
        }

        #[test]
        fn a_written_frame_reads_back(content in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let framed = [varint(content.len() as u64), content.clone()].concat();
            prop_assert_eq!(read(&framed, 20_000).unwrap().unwrap(), content);
        }
    }
}
