//! The API over HTTPS, and with certificates of clients.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    ssl::{SslConnector, SslFiletype, SslMethod},
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use tidegate_tests::Home;

use super::Scene;

/// Writes `NAME.crt` and `NAME.key`: a certificate for localhost, signed by `issuer`, or else by itself as an authority.
fn certificate(home: &Home, name: &str, issuer: Option<&(X509, PKey<Private>)>) -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut subject = X509NameBuilder::new().expect("a name");
    subject.append_entry_by_nid(Nid::COMMONNAME, name).expect("a name");
    let subject = subject.build();
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("a version");
    let serial = BigNum::from_u32(fs::read_dir(home.path("")).expect("the home").count() as u32);
    let serial = serial.and_then(|serial| serial.to_asn1_integer()).expect("a number");
    builder.set_serial_number(&serial).expect("a number");
    builder.set_subject_name(&subject).expect("a name");
    let issuer_name = issuer.map_or(&*subject, |(certificate, _)| certificate.subject_name());
    builder.set_issuer_name(issuer_name).expect("a name");
    builder.set_pubkey(&key).expect("a key");
    builder.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("a time");
    builder.set_not_after(&Asn1Time::days_from_now(2).expect("a time")).expect("a time");
    if issuer.is_none() {
        let authority = BasicConstraints::new().critical().ca().build().expect("an extension");
        builder.append_extension(authority).expect("an extension");
    }
    let names = SubjectAlternativeName::new().dns("localhost").build(&builder.x509v3_context(None, None));
    builder.append_extension(names.expect("an extension")).expect("an extension");
    builder.sign(issuer.map_or(&key, |(_, key)| key), MessageDigest::sha256()).expect("a signature");
    let certificate = builder.build();
    home.write(&format!("{name}.crt"), certificate.to_pem().expect("PEM"));
    home.write(&format!("{name}.key"), key.private_key_to_pem_pkcs8().expect("PEM"));
    (certificate, key)
}

/// The first line of the answer to a request over HTTPS, by a client that trusts only `authority`.
fn request(home: &Home, port: &str, authority: &str, client: Option<&str>, call: &str) -> Option<String> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("a connector");
    connector.set_ca_file(home.path(&format!("{authority}.crt"))).expect("an authority");
    if let Some(client) = client {
        let file = |extension: &str| home.path(&format!("{client}.{extension}"));
        connector.set_certificate_file(file("crt"), SslFiletype::PEM).expect("a certificate");
        connector.set_private_key_file(file("key"), SslFiletype::PEM).expect("a key");
    }
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the API");
    let mut stream = connector.build().connect("localhost", stream).ok()?;
    write!(stream, "{call} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // Without a certificate that the host trusts, the connection ends instead of answering.
    let _ended = stream.read_to_end(&mut answer).is_err();
    String::from_utf8_lossy(&answer).lines().next().map(str::to_owned)
}

#[test]
fn a_client_with_a_certificate_may_change_and_rotated_certificates_are_used() {
    let home = Home::new(&["console-sink"]);
    let authority = certificate(&home, "authority", None);
    certificate(&home, "server", Some(&authority));
    certificate(&home, "ops", Some(&authority));
    certificate(&home, "stranger", None);
    let path = |name: &str| home.path(name).display().to_string();
    let api = format!(
        "tls_certificate_file = {:?}\ntls_key_file = {:?}\ntls_client_ca_file = {:?}\n",
        path("server.crt"),
        path("server.key"),
        path("authority.crt")
    );
    let mut scene = Scene::start_with(home, &api);
    let log = scene.running.wait_for_log("REST API: https://127.0.0.1:");
    let port = log.rsplit(':').next().expect("a port").to_owned();
    let ask = |scene: &Scene, authority: &str, client: Option<&str>, call: &str| {
        request(&scene.home, &port, authority, client, call)
    };
    let ok = Some("HTTP/1.1 200 OK".to_owned());
    assert_eq!(ask(&scene, "authority", None, "GET /livez"), ok);
    assert_eq!(
        ask(&scene, "authority", None, "GET /connectors").as_deref(),
        Some("HTTP/1.1 401 Unauthorized")
    );
    assert_eq!(ask(&scene, "authority", Some("ops"), "GET /connectors"), ok);
    assert_eq!(ask(&scene, "authority", Some("stranger"), "GET /connectors"), None);
    assert_eq!(ask(&scene, "stranger", Some("ops"), "GET /livez"), None, "the server is not trusted");
    assert_eq!(
        ask(&scene, "authority", Some("ops"), "DELETE /connectors/none").as_deref(),
        Some("HTTP/1.1 404 Not Found")
    );
    scene.running.wait_for_log("DELETE /connectors/none who=ops");

    let other = certificate(&scene.home, "other", None);
    certificate(&scene.home, "server", Some(&other));
    let (running, home) = (&mut scene.running, &scene.home);
    running.wait_until("the new certificate", |_| {
        (request(home, &port, "other", Some("ops"), "GET /connectors") == ok).then_some(())
    });
    // A broken one is not used.
    home.write("server.crt", "nothing");
    assert_eq!(request(home, &port, "other", Some("ops"), "GET /connectors"), ok);
}
