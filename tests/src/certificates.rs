//! Certificates for servers and clients, valid and invalid.

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{
        X509, X509Builder, X509Name,
        extension::{BasicConstraints, KeyUsage, SubjectAlternativeName},
    },
};

const DAY: i64 = 24 * 60 * 60;

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM.
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub enum Valid {
    /// Since yesterday, and until tomorrow.
    Now,
    /// Until yesterday.
    Expired,
}

impl Authority {
    /// An authority with this name, which trusts itself.
    ///
    /// # Panics
    /// If OpenSSL fails, here and below.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let key = key();
        let mut builder = builder(name, &key, Valid::Now);
        builder.set_issuer_name(&subject(name)).expect("a name");
        let authority = BasicConstraints::new().critical().ca().build().expect("an extension");
        builder.append_extension(authority).expect("an extension");
        let usage = KeyUsage::new().critical().key_cert_sign().build().expect("an extension");
        builder.append_extension(usage).expect("an extension");
        builder.sign(&key, MessageDigest::sha256()).expect("a signature");
        Self { certificate: builder.build(), key }
    }

    /// The certificate of the authority, as PEM.
    ///
    /// # Panics
    /// As for [`Authority::new`].
    #[must_use]
    pub fn certificate(&self) -> String {
        pem(self.certificate.to_pem())
    }

    /// Issues a certificate for a client, or for a server with this host name or address.
    ///
    /// # Panics
    /// As for [`Authority::new`].
    #[must_use]
    pub fn issue(&self, name: &str, host: Option<&str>, valid: Valid) -> Issued {
        let key = key();
        let mut builder = builder(name, &key, valid);
        builder.set_issuer_name(self.certificate.subject_name()).expect("a name");
        if let Some(host) = host {
            let mut names = SubjectAlternativeName::new();
            let is_address = host.parse::<std::net::IpAddr>().is_ok();
            if is_address {
                names.ip(host)
            } else {
                names.dns(host)
            };
            let names = names.build(&builder.x509v3_context(Some(&self.certificate), None));
            builder.append_extension(names.expect("an extension")).expect("an extension");
        }
        builder.sign(&self.key, MessageDigest::sha256()).expect("a signature");
        Issued { certificate: pem(builder.build().to_pem()), key: pem(key.private_key_to_pem_pkcs8()) }
    }
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn builder(name: &str, key: &PKey<Private>, valid: Valid) -> X509Builder {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let now = now.as_secs() as i64;
    let (from, until) = match valid {
        Valid::Now => (now - DAY, now + DAY),
        Valid::Expired => (now - 3 * DAY, now - DAY),
    };
    let mut serial = BigNum::new().expect("a number");
    serial.rand(127, openssl::bn::MsbOption::MAYBE_ZERO, false).expect("a number");
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("a version");
    builder.set_serial_number(&serial.to_asn1_integer().expect("a number")).expect("a number");
    builder.set_subject_name(&subject(name)).expect("a name");
    builder.set_not_before(&Asn1Time::from_unix(from).expect("a time")).expect("a time");
    builder.set_not_after(&Asn1Time::from_unix(until).expect("a time")).expect("a time");
    builder.set_pubkey(key).expect("a key");
    builder
}

fn subject(name: &str) -> X509Name {
    let mut builder = X509Name::builder().expect("a builder");
    builder.append_entry_by_nid(Nid::COMMONNAME, name).expect("a name");
    builder.build()
}

fn pem(bytes: Result<Vec<u8>, openssl::error::ErrorStack>) -> String {
    String::from_utf8(bytes.expect("PEM")).expect("PEM is text")
}
