//! The parts of a certificate that error messages show.

use std::net::{Ipv4Addr, Ipv6Addr};

use openssl::asn1::Asn1Time;
use openssl::x509::{X509, X509NameRef, X509Ref};

#[derive(Debug, Clone)]
pub(super) struct CertificateInfo {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// Host names and addresses that the certificate is valid for.
    pub(super) names: Vec<String>,
    pub(super) not_before: String,
    pub(super) not_after: String,
    pub(super) has_expired: bool,
}

impl CertificateInfo {
    pub(super) fn of(certificate: &X509Ref) -> Self {
        let now = Asn1Time::days_from_now(0).ok();
        let subject = name(certificate.subject_name());
        let mut names = hosts(certificate);
        if names.is_empty() {
            names.push(subject.clone());
        }
        Self {
            subject,
            issuer: name(certificate.issuer_name()),
            names,
            not_before: certificate.not_before().to_string(),
            not_after: certificate.not_after().to_string(),
            has_expired: now.is_some_and(|now| certificate.not_after() < now),
        }
    }

    /// Reads the first certificate of a PEM file.
    pub(super) fn of_pem(pem: &[u8]) -> Option<Self> {
        X509::from_pem(pem).ok().map(|certificate| Self::of(&certificate))
    }
}

fn hosts(certificate: &X509Ref) -> Vec<String> {
    let names = certificate.subject_alt_names();
    let names = names.iter().flatten().filter_map(|name| {
        let address = name.ipaddress().and_then(|bytes| {
            let four = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string())).ok()
        });
        address.or_else(|| name.dnsname().map(str::to_owned))
    });
    names.collect()
}

fn name(name: &X509NameRef) -> String {
    let entries = name.entries().map(|entry| {
        let value = entry.data().to_string().map_or_else(|_| "?".to_owned(), |text| text.to_string());
        format!("{}={value}", entry.object().nid().short_name().unwrap_or("?"))
    });
    entries.collect::<Vec<_>>().join(", ")
}
