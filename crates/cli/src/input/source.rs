use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek, SeekFrom, Stdin};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

/// The bytes of an input; if they are gzip, what is packed in them.
///
/// Whether they are is seen by their first two bytes and not by a name: the standard input has none.
pub(crate) struct Source {
    bytes: Bytes,
    meter: Arc<Meter>,
    unpacks: bool,
}

enum Bytes {
    /// Nothing was read yet.
    Fresh(Raw),
    Gzip(Box<MultiGzDecoder<Chain<Cursor<Vec<u8>>, Raw>>>),
    Plain(Raw),
    /// On the way from fresh to one of the others.
    Taken,
}

/// Where the bytes come from; they are counted.
struct Raw {
    from: From,
    meter: Arc<Meter>,
}

enum From {
    File(File),
    Stdin(Stdin),
}

/// How far a source was read, for whoever shows progress.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    gzip: AtomicBool,
    read: AtomicU64,
}

impl Meter {
    /// How many bytes of the file were read, if it is packed: positions in it count what is unpacked.
    pub(crate) fn packed(&self) -> Option<u64> {
        self.gzip.load(Ordering::Relaxed).then(|| self.read.load(Ordering::Relaxed))
    }
}

/// What gzip begins with. Source: RFC 1952, 2.3.1.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

impl Source {
    /// A file; if `unpacks`, it may be gzip.
    pub(crate) fn file(file: File, unpacks: bool) -> Self {
        Self::new(From::File(file), unpacks)
    }

    /// The standard input; if `unpacks`, it may be gzip.
    pub(crate) fn stdin(unpacks: bool) -> Self {
        Self::new(From::Stdin(io::stdin()), unpacks)
    }

    fn new(from: From, unpacks: bool) -> Self {
        let meter = Arc::new(Meter::default());
        let raw = Raw { from, meter: Arc::clone(&meter) };
        Self { bytes: Bytes::Fresh(raw), meter, unpacks }
    }

    /// How far it was read, now and later.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Before the first read: whether it is a file of which any part can be read, and not packed.
    pub(crate) fn is_plain_file(&mut self) -> io::Result<bool> {
        let Bytes::Fresh(Raw { from: From::File(file), .. }) = &mut self.bytes else {
            return Ok(false);
        };
        if !file.metadata()?.is_file() {
            return Ok(false);
        }
        let mut mark = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut mark)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(!self.unpacks || mark != MAGIC)
    }

    /// Lets a plain file be read from here on.
    pub(crate) fn seek(&mut self, offset: u64) -> io::Result<()> {
        if let Bytes::Fresh(Raw { from: From::File(file), .. }) = &mut self.bytes {
            file.seek(SeekFrom::Start(offset))?;
            // What lies there may look like gzip, and is none.
            self.unpacks = false;
        }
        Ok(())
    }

    /// The first read: it shows what the bytes are.
    fn begin(&mut self, mut raw: Raw, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        // One byte may be half of the mark; any other number says it all.
        while length == 0 || (length == 1 && buffer[0] == MAGIC[0] && buffer.len() > 1) {
            match raw.read(&mut buffer[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.bytes = Bytes::Plain(raw);
                    return Err(error);
                }
            }
        }
        if self.unpacks && buffer[..length].starts_with(&MAGIC) {
            self.meter.gzip.store(true, Ordering::Relaxed);
            let all = Cursor::new(buffer[..length].to_vec()).chain(raw);
            self.bytes = Bytes::Gzip(Box::new(MultiGzDecoder::new(all)));
            return self.read(buffer);
        }
        self.bytes = Bytes::Plain(raw);
        Ok(length)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::Plain(raw) => raw.read(buffer),
            Bytes::Gzip(packed) => packed.read(buffer).map_err(named),
            fresh @ Bytes::Fresh(_) => match core::mem::replace(fresh, Bytes::Taken) {
                Bytes::Fresh(raw) => self.begin(raw, buffer),
                _ => Ok(0),
            },
            Bytes::Taken => Ok(0),
        }
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.from {
            From::File(file) => file.read(buffer),
            From::Stdin(stdin) => stdin.read(buffer),
        }?;
        self.meter.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// What is wrong with gzip, in words of ours: the library names the part of the format that it misses.
fn named(error: io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => String::from("the gzip data end too soon: it is cut off"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            format!("the gzip data are broken: {error}")
        }
        _ => return error,
    };
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;
    use std::{env, fs, process};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).expect("a vector takes everything");
        encoder.finish().expect("a vector takes everything")
    }

    /// What a file of these bytes reads as, in pieces of this size.
    fn read(name: &str, bytes: &[u8], unpacks: bool, piece: usize) -> (Vec<u8>, io::Result<()>) {
        let name = format!("headwaters-source-{}-{name}", process::id());
        let path: PathBuf = env::temp_dir().join(name);
        fs::write(&path, bytes).expect("there is a temporary folder");
        let mut source = Source::file(File::open(&path).expect("it is there"), unpacks);
        fs::remove_file(path).expect("it is there");
        let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return (all, Ok(())),
                Ok(length) => all.extend_from_slice(&buffer[..length]),
                Err(error) => return (all, Err(error)),
            }
        }
    }

    #[test]
    fn members_are_read_one_behind_the_other_and_other_bytes_as_they_are() {
        let packed = [gzip("one\n"), gzip(""), gzip("two\n")].concat();
        for piece in [1, 2, 3, 4096] {
            let (all, end) = read("members", &packed, piece > 1, piece);
            assert!(end.is_ok());
            // A buffer of one byte is never asked for, and shows no mark.
            let expected = if piece > 1 { b"one\ntwo\n" } else { packed.as_slice() };
            assert_eq!(all, expected, "in pieces of {piece}");
            for plain in [&b""[..], b"\x1f", b"\x1f\n\x8b", b"text"] {
                assert_eq!(read("plain", plain, true, piece).0, plain);
            }
        }
        assert_eq!(read("kept", &packed, false, 4096).0, packed);
    }

    #[test]
    fn wherever_it_is_cut_off_it_says_so_and_gives_what_is_there() {
        let (first, second) = (gzip("one\n"), gzip("two and more\n"));
        let packed = [&*first, &second].concat();
        for length in 2..packed.len() {
            let (all, end) = read("cut", &packed[..length], true, 4096);
            assert!(b"one\ntwo and more\n".starts_with(&all), "cut at {length}");
            if length == first.len() {
                assert!(end.is_ok() && all == b"one\n", "nothing shows that more is missing");
            } else {
                let error = end.expect_err("it is cut off").to_string();
                assert_eq!(error, "the gzip data end too soon: it is cut off", "at {length}");
            }
        }
    }

    #[test]
    fn a_byte_that_is_wrong_is_noticed() {
        let mut packed = gzip("some text that is long enough\n");
        let last = packed.len() - 6;
        packed[last] ^= 1;
        let error = read("wrong", &packed, true, 4096).1.expect_err("its check sum is wrong");
        assert!(error.to_string().starts_with("the gzip data are broken: "), "{error}");
    }
}
