use core::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use headwaters_engine::wire::aggregate::{self, Encoder, OuterKey};
use headwaters_engine::wire::{Entry, StreamName};
use headwaters_http::__internals::put_records;
use headwaters_http::Protocol;
use ring::digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The least that a request can cost without cryptography of one's own: the hash that its signature needs, one blocking
/// write of a body that is there already, and one read of an answer that nobody looks at.
#[derive(Debug)]
pub struct Floor {
    answer: Vec<u8>,
    body_at: usize,
    request: Vec<u8>,
    socket: StreamOwned<ClientConnection, TcpStream>,
}

impl Floor {
    /// A connection to this server of this machine, and a request with these entries.
    ///
    /// # Errors
    /// It does not answer, or not with this certificate.
    ///
    /// # Panics
    /// Never: the stream's name is valid, and a text takes everything.
    pub fn connect(
        url: &str,
        certificate_pem: &str,
        protocol: Protocol,
        entries: &[Entry],
    ) -> io::Result<Self> {
        let stream = StreamName::new("orders").expect("a valid name");
        let mut body = Vec::new();
        put_records(protocol, &mut body, &stream, entries);
        let kind = match protocol {
            Protocol::Cbor => "cbor",
            Protocol::Json => "json",
        };
        let mut head = String::new();
        // As long as a head that is signed.
        write!(
            head,
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-{kind}-1.1\r\n\
             x-amz-target: Kinesis_20131202.PutRecords\r\nx-amz-date: 20150830T123600Z\r\n\
             authorization: {:0>250}\r\ncontent-length: {}\r\n\r\n",
            "",
            body.len()
        )
        .expect("a string takes everything");
        let body_at = head.len();
        let mut request = head.into_bytes();
        request.append(&mut body);
        let socket = connect(url, certificate_pem)?;
        Ok(Self { answer: vec![0; 256 * 1024], body_at, request, socket })
    }

    /// Hashes, sends, and waits for the answer.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn send(&mut self) -> io::Result<()> {
        let hash = digest::digest(&digest::SHA256, &self.request[self.body_at..]);
        core::hint::black_box(hash);
        self.socket.write_all(&self.request)?;
        self.socket.flush()?;
        let (mut read, mut end) = (0, None);
        while end.is_none_or(|end| read < end) {
            read += self.socket.read(&mut self.answer[read..])?;
            end = end.or_else(|| whole(&self.answer[..read]));
        }
        Ok(())
    }
}

/// Aggregates of the KPL's size that these records fill, and how many of the records are in them.
///
/// # Panics
/// Never: an aggregate that is full is not empty.
pub fn aggregates(records: &[Entry], count: usize) -> (Vec<Entry>, usize) {
    const BYTES: usize = 51_200;
    let mut encoder = Encoder::new(BYTES, OuterKey::Kpl);
    let mut entries = Vec::new();
    for (packed, entry) in records.iter().enumerate() {
        let Entry { data, partition_key, .. } = entry;
        let hash_key = entry.hash_key();
        let record = aggregate::Record { data, hash_key, is_explicit: false, partition_key };
        if encoder.try_append(record, BYTES).is_err() {
            entries.push(encoder.finish().expect("it is not empty").seal());
            if entries.len() == count {
                return (entries, packed);
            }
            encoder.append(record);
        }
    }
    entries.extend(encoder.finish().map(|last| last.seal()));
    (entries, records.len())
}

/// How long an answer is, once its head is there.
fn whole(read: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"Content-Length: ";
    let head = memchr::memmem::find(read, b"\r\n\r\n")? + 4;
    let digits = &read[memchr::memmem::find(&read[..head], LENGTH)? + LENGTH.len()..head];
    let digits = &digits[..memchr::memchr(b'\r', digits)?];
    Some(head + core::str::from_utf8(digits).ok()?.parse::<usize>().ok()?)
}

fn connect(
    url: &str,
    certificate_pem: &str,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(certificate_pem.as_bytes()) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(url.trim_start_matches("https://"))?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(tls, socket))
}
