//! Encrypted connections, with a certificate of the server and one of the client.

use std::{fs, path::Path};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use serde_json::json;
use tidegate_tests::{Database, change_events::Source};

use super::Schema;
use crate::{
    pipe::{NAME, Pipe},
    probe::Probe as _,
};

/// Writes `NAME.crt` and `NAME.key`: a certificate for localhost, signed by `issuer`, or else by itself as an authority.
fn certificate(folder: &Path, name: &str, issuer: Option<&(X509, PKey<Private>)>) -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut subject = X509NameBuilder::new().expect("a name");
    subject.append_entry_by_nid(Nid::COMMONNAME, name).expect("a name");
    let subject = subject.build();
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("a version");
    let serial = BigNum::from_u32(name.len() as u32).and_then(|serial| serial.to_asn1_integer());
    builder.set_serial_number(&serial.expect("a number")).expect("a number");
    builder.set_subject_name(&subject).expect("a name");
    builder.set_issuer_name(issuer.map_or(&*subject, |(issuer, _)| issuer.subject_name())).expect("a name");
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
    fs::write(folder.join(format!("{name}.crt")), certificate.to_pem().expect("PEM")).expect("a new file");
    let pem = key.private_key_to_pem_pkcs8().expect("PEM");
    fs::write(folder.join(format!("{name}.key")), pem).expect("a new file");
    (certificate, key)
}

#[test]
fn certificates_of_server_and_client_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = certificate(folder.path(), "authority", None);
    certificate(folder.path(), "server", Some(&authority));
    certificate(folder.path(), "client", Some(&authority));
    let file = |name: &str| folder.path().join(name).display().to_string();
    let settings = [("ssl-ca", "authority.crt"), ("ssl-cert", "server.crt"), ("ssl-key", "server.key")];
    let settings = settings.map(|(setting, name)| format!("{setting}={}", file(name)));
    let Some(server) = Database::mariadb("encrypted", &settings.each_ref().map(String::as_str)) else {
        return;
    };
    server
        .execute("CREATE USER certified IDENTIFIED BY 's3cret' REQUIRE X509; GRANT ALL ON *.* TO certified");
    let pipe = Pipe::<Schema>::with(Schema::of(Box::leak(Box::new(server))));
    let mut orders = Source::new("orders", &["id"]);
    let insert = orders.insert(json!({ "id": 1 }));
    orders.send(&pipe.broker, [insert]);
    let run = |host: &str, encryption: &str| {
        let sink =
            pipe.probe.sink("").replace("ssl_mode = \"disable\"", encryption).replace("127.0.0.1", host);
        let login = ["user = \"encrypted\"", "password = \"encrypted\""];
        let sink = sink.replace(login[0], "user = \"certified\"").replace(login[1], "password = \"s3cret\"");
        let source = "restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n";
        pipe.home.connector(NAME, &format!("{source}{sink}"));
        pipe.home.run_once(&pipe.broker)
    };
    let root = format!("ssl_root_cert = \"{}\"", file("authority.crt"));
    let client = format!("ssl_cert = \"{}\"\nssl_key = \"{}\"", file("client.crt"), file("client.key"));
    for (host, encryption, reason) in [
        ("localhost", client.as_str(), "set ssl_root_cert to the certificate of its authority"),
        ("127.0.0.1", &format!("{root}\n{client}"), "invalid peer certificate"),
        ("localhost", &root, "Access denied for user"),
        ("localhost", "ssl_mode = \"disable\"", "Access denied for user"),
    ] {
        let finished = run(host, encryption).expect_code(3);
        finished.expect_log(reason);
        assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    }
    let _finished = run("localhost", &format!("{root}\n{client}\nconnect_timeout = \"9s\"")).expect_code(0);
    assert_eq!(pipe.select("\"id\"", "orders"), ["1"]);
}
