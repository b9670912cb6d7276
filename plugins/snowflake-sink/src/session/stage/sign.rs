//! Signatures of requests to S3, with temporary keys: AWS Signature Version 4.
//!
//! Source: "Authenticating Requests (AWS Signature Version 4)" in the API reference of Amazon S3.

use std::time::SystemTime;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use tidegate_plugin::Timestamp;

/// Keys for uploads.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    /// Keys without a token are not temporary.
    pub(super) token: Option<String>,
    pub(super) region: String,
}

/// A request to be signed, without a query.
pub(super) struct Unsigned<'u> {
    pub(super) method: &'u str,
    /// Host, with the port if it is not that of the scheme.
    pub(super) host: &'u str,
    /// Path, encoded.
    pub(super) path: &'u str,
    /// More headers to be signed, with names in lower case.
    pub(super) headers: &'u [(&'static str, String)],
    pub(super) body: &'u [u8],
}

/// The headers that authenticate a request, with those that were to be signed.
pub(super) fn signed(request: &Unsigned<'_>, keys: &Keys, time: SystemTime) -> Vec<(&'static str, String)> {
    let (day, time) = stamp(time);
    let hash = hex(&Sha256::digest(request.body));
    let mut headers = request.headers.to_vec();
    headers.push(("x-amz-content-sha256", hash.clone()));
    headers.push(("x-amz-date", time.clone()));
    headers.extend(keys.token.clone().map(|token| ("x-amz-security-token", token)));
    let mut all: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.trim())).collect();
    all.push(("host", request.host));
    all.sort_unstable();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("{}\n{}\n\n{lines}\n{names}\n{hash}", request.method, request.path);
    let scope = format!("{day}/{}/s3/aws4_request", keys.region);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = format!("AWS4{}", keys.secret).into_bytes();
    let parts = [day.as_str(), &keys.region, "s3", "aws4_request", &text];
    let signature = hex(&parts.iter().fold(key, |key, part| authenticated(&key, part)));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    );
    headers.push(("authorization", authorization));
    headers
}

fn authenticated(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC accepts keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Day and time, as `20261130` and `20261130T164500Z`.
fn stamp(time: SystemTime) -> (String, String) {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = Timestamp::from_parts(i64::try_from(seconds).unwrap_or_default(), 1, Some(0)).to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    let (day, clock) = digits.split_at(digits.len().min(8));
    (day.to_owned(), format!("{day}T{clock}Z"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The example "PUT Object" of the API reference of Amazon S3.
    #[test]
    fn the_example_of_amazon_has_its_signature() {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
            region: "us-east-1".to_owned(),
        };
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT".to_owned()),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned()),
        ];
        let request = Unsigned {
            method: "PUT",
            host: "examplebucket.s3.amazonaws.com",
            path: "/test%24file.text",
            headers: &headers,
            body: b"Welcome to Amazon S3.",
        };
        let signed = signed(&request, &keys, SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600));
        let expected = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, \
             Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        assert_eq!(signed.last(), Some(&("authorization", expected.to_owned())));
    }

    #[test]
    fn the_token_of_temporary_keys_is_signed() {
        let keys = Keys {
            id: "ASIA".to_owned(),
            secret: "s".to_owned(),
            token: Some("the token".to_owned()),
            region: "eu-central-1".to_owned(),
        };
        let request = Unsigned { method: "PUT", host: "b", path: "/k", headers: &[], body: b"" };
        let signed = signed(&request, &keys, SystemTime::UNIX_EPOCH);
        assert!(signed.contains(&("x-amz-security-token", "the token".to_owned())));
        assert!(signed.last().is_some_and(|(_, value)| value.contains("x-amz-date;x-amz-security-token,")));
    }
}
