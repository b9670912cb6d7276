//! Private keys: whatever form the user has, the form that logging in wants, which is unencrypted PKCS#8 in PEM.

use base64::{Engine, engine::general_purpose::STANDARD};
use pkcs1::DecodeRsaPrivateKey;
use pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{RsaPrivateKey, traits::PublicKeyParts};
use sha2::{Digest, Sha256};
use tidegate_plugin::Secret;

/// Snowflake's smallest key, in bytes: 2048 bits.
const SMALLEST: usize = 256;
/// What a line of PEM may hold.
const LINE: usize = 64;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// No PEM.
    #[error(
        "private_key is no key in PEM: it has to begin with -----BEGIN PRIVATE KEY----- or the like and hold the whole file"
    )]
    NoPem,
    /// A PEM of something else.
    #[error("private_key holds a {0}: Snowflake wants an RSA private key, as PKCS#8 or PKCS#1")]
    Label(String),
    /// Encrypted in the old way, which nobody should use.
    #[error(
        "private_key is encrypted in OpenSSL's old format: convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out rsa_key.p8"
    )]
    OldEncryption,
    /// Encrypted, and nothing to open it with.
    #[error("private_key is encrypted: set private_key_passphrase")]
    NoPassphrase,
    /// Encrypted, and does not open.
    #[error(
        "private_key cannot be opened: private_key_passphrase is wrong, or the encryption is none of AES, 3DES with PBES2"
    )]
    Passphrase,
    /// Damaged, or of another algorithm.
    #[error("private_key cannot be read: it is damaged, or not an RSA key")]
    Damaged,
    /// Too short for Snowflake.
    #[error("private_key has {0} bits: Snowflake wants 2048 at least, make one with openssl genrsa 2048")]
    Short(usize),
}

/// A key that is ready to log in with.
pub(crate) struct Key {
    /// Unencrypted PKCS#8 in PEM.
    pub(crate) pem: String,
    /// What `DESC USER` shows as RSA_PUBLIC_KEY_FP if the user has this key; no secret.
    pub(crate) fingerprint: String,
}

impl Key {
    /// Reads a key of any form.
    ///
    /// # Errors
    /// When it is none, cannot be opened, or is not for Snowflake.
    pub(crate) fn read(pem: &Secret, passphrase: Option<&Secret>) -> Result<Self, KeyError> {
        let (label, pem) = tidy(pem.expose())?;
        let key = match label.as_str() {
            "PRIVATE KEY" => RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::Damaged)?,
            "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_pem(&pem).map_err(|_| KeyError::Damaged)?,
            "ENCRYPTED PRIVATE KEY" => decrypted(&pem, passphrase)?,
            _ => return Err(KeyError::Label(label)),
        };
        if key.size() < SMALLEST {
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

/// The label, and the PEM as the parser wants it: environments and secret stores make one line of it, or write `\n`.
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
