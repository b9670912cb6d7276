//! The TLS probe: performs a handshake to inspect a broker's certificate, then closes the connection without sending data.

use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode};
use openssl::x509::X509;

use super::certificate::CertificateInfo;
use super::tls_settings::Tls;

/// Timeout of each step: connecting, and every read and write.
const STEP_TIMEOUT: Duration = Duration::from_secs(3);

/// The result of a probe.
#[derive(Debug, Default)]
pub(super) struct TlsProbe {
    /// The broker's own certificate.
    pub(super) leaf: Option<CertificateInfo>,
    problems: Vec<CertificateProblem>,
}

/// A verification error of a certificate in the chain.
#[derive(Debug)]
pub(super) struct CertificateProblem {
    /// OpenSSL's error code.
    pub(super) code: i32,
    /// OpenSSL's error text.
    pub(super) text: &'static str,
    /// Depth in the chain: 0 for the broker's own certificate, higher for its issuers.
    pub(super) depth: u32,
    pub(super) certificate: Option<CertificateInfo>,
}

/// Why the probe has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsProbeError {
    #[error("no connection: {0}")]
    Connection(#[from] io::Error),
    #[error("no handshake: {0}")]
    Tls(#[from] ErrorStack),
    #[error("the handshake ended without a certificate")]
    Nothing,
}

/// OpenSSL's error codes (`X509_V_ERR_*`), which are stable.
impl CertificateProblem {
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const EXPIRED: i32 = 10;
    pub(super) const HOST: i32 = 62;
    pub(super) const ADDRESS: i32 = 64;
    /// The issuer is unknown or not trusted.
    pub(super) const ISSUERS: [i32; 5] = [2, 18, 19, 20, 21];
}

impl TlsProbe {
    /// The most relevant error. An untrusted issuer comes first, because the other errors do not matter then.
    pub(super) fn worst(&self) -> Option<&CertificateProblem> {
        let rank = |problem: &&CertificateProblem| match problem.code {
            code if CertificateProblem::ISSUERS.contains(&code) => 0,
            CertificateProblem::EXPIRED | CertificateProblem::NOT_YET_VALID => 1,
            CertificateProblem::HOST | CertificateProblem::ADDRESS => 2,
            _ => 3,
        };
        self.problems.iter().min_by_key(rank)
    }
}

/// Connects to a broker as librdkafka would, with the same trusted certificates, and collects verification errors.
pub(super) fn probe(host: &str, port: u16, tls: &Tls) -> Result<TlsProbe, TlsProbeError> {
    let seen = Arc::<Mutex<TlsProbe>>::default();
    let ssl = session(host, tls, &seen)?;
    let stream = connect(host, port)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    // The handshake may fail after the broker's certificate was received, for example for lack of a client certificate.
    let shaken = ssl.connect(stream);
    let probe = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    if probe.leaf.is_none() && shaken.is_err() {
        return Err(TlsProbeError::Nothing);
    }
    Ok(probe)
}

fn session(host: &str, tls: &Tls, seen: &Arc<Mutex<TlsProbe>>) -> Result<Ssl, ErrorStack> {
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
        let mut probe = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if probe.leaf.is_none() {
            probe.leaf = store.chain().and_then(|chain| chain.get(0)).map(CertificateInfo::of);
        }
        if !passes {
            let (error, depth) = (store.error(), store.error_depth());
            let certificate = store.current_cert().map(CertificateInfo::of);
            probe.problems.push(CertificateProblem {
                code: error.as_raw(),
                text: error.error_string(),
                depth,
                certificate,
            });
        }
        // Continue, to collect all errors.
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
        match TcpStream::connect_timeout(&address, STEP_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
