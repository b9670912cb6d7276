//! Serves the router on the control socket and on TCP, with limits on clients that are slow or many.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Uri},
};
use hyper::service::Service as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{auth::Peer, error::ApiError, slow::Impatient, socket::ControlSocket, tls::Certificates};
use crate::config::ApiConfig;

/// Connections over TCP at the same time; others wait.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take for the header of a request, or leave the connection idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may read nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The listener of the API on TCP.
pub struct ApiListener {
    listener: TcpListener,
    certificates: Option<Certificates>,
}

impl ApiListener {
    /// Listens on the address of `[api]`; `None` if that is off.
    ///
    /// # Errors
    /// When the address is in use, or a certificate cannot be used.
    pub async fn bind(config: &ApiConfig) -> Result<Option<Self>, ApiError> {
        let Some(address) = config.listen else { return Ok(None) };
        let certificates = config.tls.as_ref().map(Certificates::read).transpose()?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ApiError::Listen { address, source })?;
        Ok(Some(Self { listener, certificates }))
    }

    /// The address, with the port that the system chose for port 0.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
    }

    async fn serve(mut self, router: Router) {
        let is_local = self.address().is_some_and(|address| address.ip().is_loopback());
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let acceptor = self.certificates.as_mut().map(Certificates::acceptor);
                    let peer =
                        Peer::Network { address: address.ip().to_canonical(), is_local, certificate: None };
                    tokio::spawn(serve_client(stream, acceptor, peer, router.clone(), slot));
                }
                Err(error) => pause_after("REST API", &error).await,
            }
        }
    }
}

/// Serves the API as long as the future is polled.
pub(super) async fn serve(router: Router, socket: &ControlSocket, listener: Option<ApiListener>) {
    let network = async {
        match listener {
            Some(listener) => listener.serve(router.clone()).await,
            None => std::future::pending().await,
        }
    };
    tokio::join!(network, serve_socket(socket, &router));
}

async fn serve_socket(socket: &ControlSocket, router: &Router) {
    loop {
        match socket.listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve_stream(stream, Peer::Owner, router.clone()))),
            Err(error) => pause_after("control socket", &error).await,
        }
    }
}

/// Without file handles, the next attempt would fail at once, too.
async fn pause_after(what: &str, error: &std::io::Error) {
    tracing::warn!(%error, "{what}: accepting a connection failed");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn serve_client(
    stream: TcpStream,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    peer: Peer,
    router: Router,
    slot: OwnedSemaphorePermit,
) {
    let Some(acceptor) = acceptor else {
        serve_stream(stream, peer, router).await;
        return drop(slot);
    };
    let stream = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| subject(chain.first()?));
    let peer = match peer {
        Peer::Network { address, is_local, .. } => Peer::Network { address, is_local, certificate },
        Peer::Owner => Peer::Owner,
    };
    serve_stream(stream, peer, router).await;
    drop(slot);
}

/// The common name of a certificate, for the log.
fn subject(certificate: &tokio_rustls::rustls::pki_types::CertificateDer<'_>) -> Option<String> {
    let certificate = openssl::x509::X509::from_der(certificate).ok()?;
    let name = certificate.subject_name().entries_by_nid(openssl::nid::Nid::COMMONNAME).next();
    let name = name.and_then(|name| name.data().to_string().ok());
    Some(name.unwrap_or_else(|| "client certificate".to_owned()))
}

async fn serve_stream(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, router: Router) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, peer) = (TowerToHyperService::new(router.clone()), peer.clone());
        async move {
            let mut request = request.map(Body::new);
            without_trailing_slash(request.uri_mut());
            request.extensions_mut().insert(peer);
            router.call(request).await
        }
    });
    let stream = TokioIo::new(Impatient::new(stream, WRITE_TIMEOUT));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    if let Err(error) = http.serve_connection(stream, service).await {
        tracing::debug!(%error, "a connection of the REST API ended early");
    }
}

/// `/connectors/` is the same as `/connectors`, as in Kafka Connect.
fn without_trailing_slash(uri: &mut Uri) {
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() || path.len() == uri.path().len() {
        return;
    }
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    if let Ok(shorter) = text.parse() {
        *uri = shorter;
    }
}
