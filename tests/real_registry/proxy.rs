//! A reverse proxy with TLS and basic authentication, as operators have it in front of a registry.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod},
    x509::X509,
};

use tidegate_tests::certificates::Issued;

/// What nginx answers to a request without a login: not JSON.
const DENIED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html\r\nConnection: close\r\n\
                      WWW-Authenticate: Basic realm=\"registry\"\r\nContent-Length: 48\r\n\r\n\
                      <html><h1>401 Authorization Required</h1></html>";

/// A proxy, which runs until the process ends.
pub(crate) struct Proxy {
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy in front of `registry`, which lets a user in.
    pub(crate) fn start(registry: &str, issued: &Issued, (user, password): (&str, &str)) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
        let key = PKey::private_key_from_pem(issued.key.as_bytes()).expect("a key");
        let certificate = X509::from_pem(issued.certificate.as_bytes()).expect("a certificate");
        acceptor.set_private_key(&key).expect("a key");
        acceptor.set_certificate(&certificate).expect("a certificate");
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Self { address: listener.local_addr().expect("an address") };
        let registry = registry.to_owned();
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acceptor, registry, login) = (acceptor.clone(), registry.clone(), login.clone());
                thread::spawn(move || {
                    // Clients that do not trust the certificate fail here, others leave.
                    if let Ok(stream) = acceptor.accept(stream) {
                        let _left = forward(stream, &registry, &login).is_err();
                    }
                });
            }
        });
        proxy
    }

    /// The URL of Confluent's API behind it.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/apis/ccompat/v7", self.address.port())
    }
}

/// Forwards one request without a body.
fn forward(mut client: impl Read + Write, registry: &str, login: &str) -> io::Result<()> {
    let (mut head, mut is_allowed) = (String::new(), false);
    let mut reader = BufReader::new(&mut client);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        is_allowed |= name.eq_ignore_ascii_case("authorization") && value.trim() == login;
        if !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("authorization") {
            head.push_str(&line);
        }
    }
    if !is_allowed {
        return client.write_all(DENIED.as_bytes());
    }
    let mut upstream = TcpStream::connect(registry)?;
    upstream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    io::copy(&mut upstream, &mut client)?;
    client.flush()
}
