//! Private keys, converted from any format to unencrypted PKCS#8 in PEM, which the login requires.

use base64::{Engine, engine::general_purpose::STANDARD};
use pkcs1::DecodeRsaPrivateKey;
use pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{RsaPrivateKey, traits::PublicKeyParts};
use sha2::{Digest, Sha256};
use tidegate_plugin::Secret;

/// Minimum key size in bytes: 2048 bits.
const MIN_KEY_BYTES: usize = 256;
/// Maximum length of a PEM line.
const LINE: usize = 64;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// Not PEM.
    #[error(
        "private_key is not a PEM key: it must start with a line such as -----BEGIN PRIVATE KEY----- and contain the whole file"
    )]
    NoPem,
    /// PEM of something else.
    #[error("private_key contains a {0}: Snowflake requires an RSA private key in PKCS#8 or PKCS#1 format")]
    Label(String),
    /// Encrypted in OpenSSL's old format.
    #[error(
        "private_key is encrypted in OpenSSL's old format: convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out rsa_key.p8"
    )]
    OldEncryption,
    /// Encrypted, without a passphrase.
    #[error("private_key is encrypted: set private_key_passphrase")]
    NoPassphrase,
    /// Encrypted, with a wrong passphrase.
    #[error(
        "private_key cannot be decrypted: private_key_passphrase is wrong, or the encryption is not AES or 3DES with PBES2"
    )]
    Passphrase,
    /// Damaged, or of another algorithm.
    #[error("private_key cannot be read: it is damaged, or not an RSA key")]
    Damaged,
    /// Too short for Snowflake.
    #[error(
        "private_key has {0} bits, but Snowflake requires at least 2048: create one with openssl genrsa 2048"
    )]
    Short(usize),
}

/// A key for logging in.
pub(crate) struct Key {
    /// Unencrypted PKCS#8 in PEM.
    pub(crate) pem: String,
    /// Fingerprint of the public key, RSA_PUBLIC_KEY_FP in `DESC USER`. Not secret.
    pub(crate) fingerprint: String,
}

impl Key {
    /// Reads a key in any format.
    ///
    /// # Errors
    /// If it is not a key, cannot be decrypted, or is not suitable for Snowflake.
    pub(crate) fn read(pem: &Secret, passphrase: Option<&Secret>) -> Result<Self, KeyError> {
        let (label, pem) = tidy(pem.expose())?;
        let key = match label.as_str() {
            "PRIVATE KEY" => RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::Damaged)?,
            "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_pem(&pem).map_err(|_| KeyError::Damaged)?,
            "ENCRYPTED PRIVATE KEY" => decrypted(&pem, passphrase)?,
            _ => return Err(KeyError::Label(label)),
        };
        if key.size() < MIN_KEY_BYTES {
            return Err(KeyError::Short(key.size() * 8));
        }
        let public = key.to_public_key().to_public_key_der().map_err(|_| KeyError::Damaged)?;
        let fingerprint = format!("SHA256:{}", STANDARD.encode(Sha256::digest(public.as_bytes())));
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Damaged)?.to_string();
        Ok(Self { pem, fingerprint })
    }
}

fn decrypted(pem: &str, passphrase: Option<&Secret>) -> Result<RsaPrivateKey, KeyError> {
    let passphrase = passphrase.ok_or(KeyError::NoPassphrase)?;
    RsaPrivateKey::from_pkcs8_encrypted_pem(pem, passphrase.expose()).map_err(|_| KeyError::Passphrase)
}

/// The label, and the normalized PEM: environment variables and secret stores often have it on one line, or with `\n`.
fn tidy(pem: &str) -> Result<(String, String), KeyError> {
    let pem = pem.replace("\\n", "\n");
    let (_, rest) = pem.split_once("-----BEGIN ").ok_or(KeyError::NoPem)?;
    let (label, rest) = rest.split_once("-----").ok_or(KeyError::NoPem)?;
    let (body, _) = rest.split_once("-----END ").ok_or(KeyError::NoPem)?;
    if body.contains("ENCRYPTED") {
        return Err(KeyError::OldEncryption);
    }
    let mut tidied = format!("-----BEGIN {label}-----\n");
    for (place, character) in body.chars().filter(|character| !character.is_whitespace()).enumerate() {
        if place > 0 && place % LINE == 0 {
            tidied.push('\n');
        }
        tidied.push(character);
    }
    tidied.push_str(&format!("\n-----END {label}-----\n"));
    Ok((label.to_owned(), tidied))
}
