//! A TLS handshake for a look at a broker's certificate: nothing is sent in it, and the connection is closed.

use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode};
use openssl::x509::X509;

use super::certificate::Facts;
use super::tls::Tls;

/// How long each step may take: connecting, and every answer of the broker.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a broker has shown.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Its own certificate.
    pub(super) leaf: Option<Facts>,
    problems: Vec<Problem>,
}

/// Something about a certificate that does not pass.
#[derive(Debug)]
pub(super) struct Problem {
    /// OpenSSL's number of it.
    pub(super) code: i32,
    /// OpenSSL's words for it.
    pub(super) text: &'static str,
    /// 0 for the broker's own, more for those who vouch for it.
    pub(super) depth: u32,
    pub(super) certificate: Option<Facts>,
}

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error("no connection: {0}")]
    Connection(#[from] io::Error),
    #[error("no handshake: {0}")]
    Tls(#[from] ErrorStack),
    #[error("the handshake ended without a certificate")]
    Nothing,
}

/// OpenSSL's numbers, which are part of its interface.
impl Problem {
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const EXPIRED: i32 = 10;
    pub(super) const HOST: i32 = 62;
    pub(super) const ADDRESS: i32 = 64;
    /// Issuer not found, signed by itself, signed by an unknown one, issuer not found here, signature cannot be checked.
    pub(super) const ISSUERS: [i32; 5] = [2, 18, 19, 20, 21];
}

impl Looked {
    /// The problem to be told: nothing else counts for who signed it is not known.
    pub(super) fn worst(&self) -> Option<&Problem> {
        let rank = |problem: &&Problem| match problem.code {
            code if Problem::ISSUERS.contains(&code) => 0,
            Problem::EXPIRED | Problem::NOT_YET_VALID => 1,
            Problem::HOST | Problem::ADDRESS => 2,
            _ => 3,
        };
        self.problems.iter().min_by_key(rank)
    }
}

/// Connects to a broker as librdkafka would, with what `tls` trusts, and returns what does not pass.
pub(super) fn look(host: &str, port: u16, tls: &Tls) -> Result<Looked, LookError> {
    let seen = Arc::<Mutex<Looked>>::default();
    let ssl = session(host, tls, &seen)?;
    let stream = connect(host, port)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // It may fail after the certificate was seen, for want of one of the client.
    let shaken = ssl.connect(stream);
    let looked = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    if looked.leaf.is_none() && shaken.is_err() {
        return Err(LookError::Nothing);
    }
    Ok(looked)
}

fn session(host: &str, tls: &Tls, seen: &Arc<Mutex<Looked>>) -> Result<Ssl, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    match (&tls.ca, &tls.ca_pem) {
        (Some(folder), _) if folder.is_dir() => builder.load_verify_locations(None, Some(folder))?,
        (Some(file), _) => builder.load_verify_locations(Some(file), None)?,
        (None, Some(pem)) => {
            for authority in X509::stack_from_pem(pem.as_bytes())? {
                builder.cert_store_mut().add_cert(authority)?;
            }
        }
        (None, None) => builder.set_default_verify_paths()?,
    }
    let seen = Arc::clone(seen);
    builder.set_verify_callback(SslVerifyMode::PEER, move |passes, store| {
        let mut looked = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.leaf.is_none() {
            looked.leaf = store.chain().and_then(|chain| chain.get(0)).map(Facts::of);
        }
        if !passes {
            let (error, depth) = (store.error(), store.error_depth());
            let certificate = store.current_cert().map(Facts::of);
            looked.problems.push(Problem {
                code: error.as_raw(),
                text: error.error_string(),
                depth,
                certificate,
            });
        }
        // To the end, for whatever else there is.
        true
    });
    let mut ssl = Ssl::new(&builder.build())?;
    let address = host.parse::<IpAddr>().ok();
    if address.is_none() {
        ssl.set_hostname(host)?;
    }
    match address {
        _ if !tls.checks_host => {}
        Some(address) => ssl.param_mut().set_ip(address)?,
        None => ssl.param_mut().set_host(host)?,
    }
    Ok(ssl)
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
