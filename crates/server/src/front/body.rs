use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::clock::wait;

/// The body of an answer, and what is wrong with it.
pub(crate) enum Reply {
    /// Ends with an error before it is whole: what is there is sent, then the connection breaks.
    Cut { claimed: u64, part: Option<Bytes>, pause: Wait },
    /// Is followed by so many spaces.
    Padded { bytes: Option<Bytes>, spaces: u64 },
    /// Comes a piece at a time.
    Slow { pause: Option<Wait>, piece: usize, rest: Bytes },
    /// As it is.
    Whole(Option<Bytes>),
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a part is given to leave before the connection breaks.
const LEAVE: Duration = Duration::from_millis(50);

/// A slow answer comes in so many pieces a second, if it has so many bytes.
const PIECES_PER_SECOND: u64 = 20;

/// The spaces that are sent at a time.
static SPACES: [u8; 1 << 16] = [b' '; 1 << 16];

impl Reply {
    pub(crate) fn cut(bytes: Bytes, at: usize) -> Self {
        let claimed = bytes.len() as u64;
        let part = Some(bytes.slice(..at.min(bytes.len())));
        Self::Cut { claimed, part, pause: Box::pin(wait(LEAVE)) }
    }

    pub(crate) fn padded(bytes: Bytes, size: u64) -> Self {
        let spaces = size.saturating_sub(bytes.len() as u64);
        Self::Padded { bytes: Some(bytes), spaces }
    }

    pub(crate) fn slow(bytes: Bytes, bytes_per_second: u64) -> Self {
        let piece =
            usize::try_from(bytes_per_second.div_ceil(PIECES_PER_SECOND)).unwrap_or(usize::MAX);
        Self::Slow { pause: None, piece, rest: bytes }
    }

    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match self.get_mut() {
            Self::Cut { part, pause, .. } => match part.take() {
                Some(part) if !part.is_empty() => frame(part),
                _ => pause.as_mut().poll(context).map(|()| Some(Err(io::Error::other("cut off")))),
            },
            Self::Padded { bytes, spaces } => match bytes.take() {
                Some(bytes) => frame(bytes),
                None if *spaces == 0 => Poll::Ready(None),
                None => {
                    let count = usize::try_from(*spaces).unwrap_or(usize::MAX).min(SPACES.len());
                    *spaces -= count as u64;
                    frame(Bytes::from_static(&SPACES[..count]))
                }
            },
            Self::Slow { pause, piece, rest } => {
                if rest.is_empty() {
                    return Poll::Ready(None);
                }
                let waiting = pause.get_or_insert_with(|| {
                    // Fewer bytes a second than pieces: one byte at a time, more seldom.
                    Box::pin(wait(Duration::from_millis(1_000 / PIECES_PER_SECOND)))
                });
                core::task::ready!(waiting.as_mut().poll(context));
                *pause = None;
                frame(rest.split_to((*piece).min(rest.len())))
            }
            Self::Whole(bytes) => match bytes.take() {
                Some(bytes) if !bytes.is_empty() => frame(bytes),
                _ => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None)) || self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        SizeHint::with_exact(match self {
            Self::Cut { claimed, .. } => *claimed,
            Self::Padded { bytes, spaces } => size(bytes) + spaces,
            Self::Slow { rest, .. } => rest.len() as u64,
            Self::Whole(bytes) => size(bytes),
        })
    }
}
