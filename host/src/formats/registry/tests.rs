//! The client against a stub of the REST API, and schema ids in messages.

use std::{net::TcpListener, time::Duration};

use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    ssl::{SslAcceptor, SslFiletype, SslMethod, SslVerifyMode},
    x509::{
        X509, X509Name,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use tempfile::TempDir;
use tidegate_abi::{
    Headers,
    host::{Batch, NewRecord, Part},
};

use super::*;
use crate::formats::stub::{Fault, RegistryStub};

const ID: SchemaId = SchemaId::Id(7);
const PATH: &str = "/schemas/ids/7";

fn settings(urls: &[String]) -> RegistrySettings {
    RegistrySettings { urls: urls.to_vec(), ..RegistrySettings::default() }
}

fn registry(stub: &RegistryStub) -> Registry {
    Registry::new(settings(&[stub.url()]))
}

#[track_caller]
fn text(lookup: Result<Lookup, RegistryError>) -> String {
    match lookup {
        Ok(Lookup::Found(schema)) => schema.text.clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unknown(lookup: Result<Lookup, RegistryError>) -> String {
    match lookup {
        Ok(Lookup::Unknown(reason)) => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A URL where nothing listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn an_id_is_requested_once_however_many_registries_use_it() {
    let stub = RegistryStub::start();
    stub.add_schema(7, "\"int\"");
    let (first, second) = (registry(&stub), registry(&stub));
    assert!(second.known(ID).is_none());
    std::thread::scope(|scope| {
        // A decoder holds what it has found.
        let lookups =
            [&first, &second, &first, &second].map(|registry| scope.spawn(|| registry.lookup(ID).unwrap()));
        let found = lookups.map(|lookup| lookup.join().unwrap());
        assert!(found.iter().all(|found| matches!(found, Lookup::Found(schema) if schema.text == "\"int\"")));
        assert!(matches!(second.known(ID), Some(Lookup::Found(_))));
    });
    assert_eq!(stub.requests(PATH), 1);
    assert!(second.known(ID).is_none(), "nobody holds it any more");
}

#[test]
fn an_unknown_id_is_not_requested_for_every_record() {
    let stub = RegistryStub::start();
    let registry = registry(&stub);
    for _ in 0..5 {
        let reason = unknown(registry.lookup(ID));
        assert_eq!(reason, format!("the registry at {} has no schema 7", stub.url()));
    }
    assert_eq!(stub.requests(PATH), 1);
    assert!(matches!(registry.known(ID), Some(Lookup::Unknown(_))));
}

#[test]
fn the_next_url_is_used_when_one_is_down_or_broken() {
    let stubs = [RegistryStub::start(), RegistryStub::start()];
    stubs[0].fail(Some(Fault::Status(500)));
    stubs[1].add_schema(7, "\"int\"");
    stubs[1].add_schema(8, "\"long\"");
    let registry = Registry::new(settings(&[closed(), stubs[0].url(), stubs[1].url()]));
    assert_eq!(text(registry.lookup(ID)), "\"int\"");
    assert_eq!(text(registry.lookup(SchemaId::Id(8))), "\"long\"");
    // The one that has answered is asked first from then on.
    assert_eq!((stubs[0].requests(PATH), stubs[0].requests("/schemas/ids/8")), (1, 0));
}

#[test]
fn an_outage_is_retriable_and_leaves_nothing_behind() {
    let stub = RegistryStub::start();
    stub.add_schema(7, "\"int\"");
    let registry = Registry::new(settings(&[closed(), stub.url()]));
    for fault in [Fault::Status(503), Fault::Status(429), Fault::Close] {
        stub.fail(Some(fault));
        let error = registry.lookup(ID).unwrap_err();
        assert!(error.is_retriable(), "{error}");
        assert!(error.to_string().contains(&stub.url()), "{error}");
    }
    stub.fail(Some(Fault::Slow(Duration::from_millis(300))));
    assert_eq!(text(registry.lookup(ID)), "\"int\"");
}

#[test]
fn credentials_are_sent_and_a_wrong_login_is_said_without_them() {
    for (credentials, header) in [
        (
            Credentials::Basic { username: "me".to_owned(), password: "s3cret".to_owned() },
            "Basic bWU6czNjcmV0",
        ),
        (Credentials::Bearer("t0ken".to_owned()), "Bearer t0ken"),
    ] {
        let stub = RegistryStub::start();
        stub.add_schema(7, "\"int\"");
        stub.require(header);
        let error = registry(&stub).lookup(ID).unwrap_err();
        assert!(!error.is_retriable() && error.to_string().contains("401 (Unauthorized)"), "{error}");
        let with = RegistrySettings { credentials: Some(credentials), ..settings(&[stub.url()]) };
        assert!(!format!("{with:?}").contains("s3cret") && !format!("{with:?}").contains("t0ken"));
        assert_eq!(text(Registry::new(with).lookup(ID)), "\"int\"");
    }
}

#[test]
fn a_wrong_url_rejects_no_records() {
    let stub = RegistryStub::start();
    for (status, body) in [(404, "<html>nothing here</html>"), (200, "<html>welcome</html>"), (405, "")] {
        stub.answer(PATH, status, body);
        stub.answer("/subjects", 404, "<html>nothing here</html>");
        let error = registry(&stub).lookup(ID).unwrap_err();
        assert!(!error.is_retriable() && error.to_string().contains("not as a schema registry"), "{error}");
    }
    // A registry whose own words are not understood lists its subjects.
    stub.answer(PATH, 404, "");
    stub.answer("/subjects", 200, "[\"a\"]");
    unknown(registry(&stub).lookup(ID));
}

#[test]
fn references_are_fetched_each_after_what_it_refers_to() {
    let stub = RegistryStub::start();
    let with = |schema: &str, references: &[&str]| {
        let references: Vec<_> = references
            .iter()
            .map(|subject| serde_json::json!({ "name": subject, "subject": subject, "version": 1 }))
            .collect();
        serde_json::json!({ "schema": schema, "references": references }).to_string()
    };
    stub.answer(PATH, 200, &with("root", &["a/b", "c"]));
    stub.answer("/subjects/a%2Fb/versions/1", 200, &with("ab", &["c", "a/b"]));
    // Deleted softly.
    stub.answer("/subjects/c/versions/1?deleted=true", 200, &with("c", &[]));
    let Ok(Lookup::Found(schema)) = registry(&stub).lookup(ID) else { panic!("not found") };
    let texts: Vec<_> = schema.references.iter().map(|reference| &*reference.text).collect();
    assert_eq!((&*schema.text, texts), ("root", vec!["c", "ab"]));

    stub.answer("/schemas/ids/8", 200, &with("root", &["gone"]));
    let reason = unknown(registry(&stub).lookup(SchemaId::Id(8)));
    assert_eq!(reason, "schema 8 refers to version 1 of subject \"gone\", which the registry does not have");
}

#[test]
fn guids_and_the_ids_of_apicurio_have_their_own_paths() {
    let stub = RegistryStub::start();
    let guid = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
    stub.answer("/schemas/guids/00112233-4455-6677-8899-aabbccddeeff", 200, r#"{"schema":"\"int\""}"#);
    assert_eq!(text(registry(&stub).lookup(SchemaId::Guid(guid))), "\"int\"");

    let error = registry(&stub).lookup(SchemaId::Global(5)).unwrap_err().to_string();
    assert!(error.contains("schema with global id 5 is an id of Apicurio Registry"), "{error}");

    stub.answer("/apis/registry/v2/ids/globalIds/5", 200, "\"long\"");
    stub.answer(
        "/apis/registry/v2/ids/globalIds/5/references",
        200,
        r#"[{"name":"n","groupId":null,"artifactId":"a b","version":"3"}]"#,
    );
    stub.answer("/apis/registry/v2/groups/default/artifacts/a%20b/versions/3", 200, "inner");
    stub.answer("/apis/ccompat/v7/schemas/ids/7", 200, r#"{"schema":"\"int\""}"#);
    for api in ["/apis/registry/v2", "/apis/registry/v3", "/apis/ccompat/v7"] {
        let registry = Registry::new(settings(&[format!("{}{api}", stub.url())]));
        let Ok(Lookup::Found(schema)) = registry.lookup(SchemaId::Global(5)) else { panic!("{api}") };
        assert_eq!((&*schema.text, &*schema.references[0].text), ("\"long\"", "inner"));
        assert_eq!(text(registry.lookup(ID)), "\"int\"");
    }
}

/// A key and a certificate for localhost, issued by `issuer` or by itself.
fn certificate(issuer: Option<&(PKey<Private>, X509)>) -> (PKey<Private>, X509) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", if issuer.is_some() { "localhost" } else { "test CA" }).unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(issuer.map_or(&name, |(_, issuer)| issuer.subject_name())).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    let names =
        SubjectAlternativeName::new().dns("localhost").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    if issuer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    builder.sign(issuer.map_or(&key, |(key, _)| key), MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    (key, certificate)
}

#[test]
fn tls_with_a_ca_of_ones_own_and_a_client_certificate() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, pem: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let ca = certificate(None);
    let (server, client) = (certificate(Some(&ca)), certificate(Some(&ca)));
    let ca_file = write("ca.pem", ca.1.to_pem().unwrap());
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&server.0).unwrap();
    acceptor.set_certificate_file(write("server.pem", server.1.to_pem().unwrap()), SslFiletype::PEM).unwrap();
    acceptor.set_ca_file(&ca_file).unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let stub = RegistryStub::start_tls(acceptor.build());
    stub.add_schema(7, "\"int\"");

    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let key = client.0.private_key_to_pem_pkcs8_passphrase(cipher, b"pass phrase").unwrap();
    let tls = RegistryTls {
        ca_file: Some(ca_file),
        certificate_file: Some(write("client.pem", client.1.to_pem().unwrap())),
        key_file: Some(write("client.key", key)),
        key_password: Some("pass phrase".to_owned()),
    };
    let with = |tls: RegistryTls| Registry::new(RegistrySettings { tls, ..settings(&[stub.url()]) });
    let error = |tls: RegistryTls| with(tls).lookup(ID).unwrap_err();
    assert!(error(RegistryTls::default()).is_retriable(), "an unknown CA");
    let no_certificate = RegistryTls { certificate_file: None, ..tls.clone() };
    assert!(error(no_certificate).is_retriable(), "no client certificate");
    let wrong_password = RegistryTls { key_password: Some("other".to_owned()), ..tls.clone() };
    assert!(error(wrong_password).to_string().contains("the key has another password"));
    assert_eq!(text(with(tls).lookup(ID)), "\"int\"");
}

/// Frames the value of a record with one header.
fn framed(payload: &[u8], header: Option<(&str, &[u8])>) -> Result<(SchemaId, Vec<u8>), WireError> {
    let mut batch = Batch::new();
    let slot = batch.slot(&"t".into(), 0, 1);
    let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(payload) };
    let headers: Vec<_> = header.into_iter().map(|(name, value)| (name, Some(value))).collect();
    batch.push(slot, record, headers.into_iter());
    let record = batch.record(0).unwrap();
    let headers: Headers<'_> = record.headers();
    frame(Part::Value, record.value_bytes().unwrap(), headers, ApicurioId::Auto)
        .map(|framed| (framed.id, framed.data.to_vec()))
}

#[test]
fn every_form_of_a_schema_id_is_recognised() {
    let guid = [9; 16];
    let with_guid = [&[1][..], &guid].concat();
    for (payload, header, expected, data) in [
        (&b"\0\0\0\0\x07ab"[..], None, SchemaId::Id(7), &b"ab"[..]),
        (b"\0\0\0\0\x07", None, SchemaId::Id(7), b""),
        (b"\0\0\0\0\0\0\0\0\x07ab", None, SchemaId::Global(7), b"ab"),
        (&[&with_guid[..], b"ab"].concat(), None, SchemaId::Guid(guid), b"ab"),
        (b"ab", Some(("__value_schema_id", &with_guid[..])), SchemaId::Guid(guid), b"ab"),
        (b"ab", Some(("__value_schema_id", b"\0\0\0\0\x07")), SchemaId::Id(7), b"ab"),
        (b"ab", Some(("apicurio.value.globalId", &7u64.to_be_bytes())), SchemaId::Global(7), b"ab"),
        (b"ab", Some(("apicurio.value.contentId", &7u64.to_be_bytes())), SchemaId::Content(7), b"ab"),
        // The header of the key says nothing of the value.
        (b"\0\0\0\0\x07ab", Some(("__key_schema_id", &with_guid[..])), SchemaId::Id(7), b"ab"),
    ] {
        assert_eq!(framed(payload, header), Ok((expected, data.to_vec())), "{payload:?} {header:?}");
    }
}

#[test]
fn payloads_without_a_schema_id_are_rejected_with_the_reason() {
    for (payload, header, expected) in [
        (&b""[..], None, WireError::Empty),
        (b"{\"a\":1}", None, WireError::Magic(b'{')),
        (b"\0", None, WireError::Short(1)),
        (b"\0\0\0\x07", None, WireError::Short(4)),
        (b"\0\0\0\0\0\x07", None, WireError::Short(6)),
        (b"\x01ab", None, WireError::Short(3)),
        (
            b"ab",
            Some(("__value_schema_id", &b"7"[..])),
            WireError::Header { name: "__value_schema_id", len: 1 },
        ),
        (
            b"ab",
            Some(("apicurio.value.globalId", b"7")),
            WireError::Header { name: "apicurio.value.globalId", len: 1 },
        ),
        (
            b"{}",
            Some(("apicurio.value.encoding", b"JSON")),
            WireError::JsonEncoding("apicurio.value.encoding"),
        ),
    ] {
        assert_eq!(framed(payload, header), Err(expected), "{payload:?} {header:?}");
    }
}
