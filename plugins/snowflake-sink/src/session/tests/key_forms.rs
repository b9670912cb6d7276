//! Keys in all formats, created with `openssl` for these tests.

use super::{super::key::Key, secret};

const PKCS8: &str = include_str!("keys/pkcs8.pem");
const FINGERPRINT: &str = "SHA256:tNr3dpi4uMpSba6dFjgDlK4KyKaT8avJRdUcwGpXPNc=";

#[test]
fn every_format_of_a_key_is_converted_to_the_same_key() {
    let passphrase = secret("throw-away");
    let forms = [
        PKCS8,
        include_str!("keys/pkcs1.pem"),
        include_str!("keys/pkcs8_aes.pem"),
        include_str!("keys/pkcs8_des3.pem"),
        include_str!("keys/pkcs8_sha1.pem"),
    ];
    for form in forms {
        let key = Key::read(&secret(form), Some(&passphrase)).unwrap();
        assert_eq!(key.pem.trim(), PKCS8.trim(), "{}", form.lines().next().unwrap());
        assert_eq!(key.fingerprint, FINGERPRINT);
    }
}

#[test]
fn keys_with_modified_line_breaks_are_accepted() {
    let forms = [
        PKCS8.replace('\n', "\\n"),
        PKCS8.replace('\n', " "),
        PKCS8.replace('\n', "\r\n"),
        PKCS8.replace('\n', ""),
    ];
    for form in forms {
        assert_eq!(Key::read(&secret(&form), None).unwrap().fingerprint, FINGERPRINT);
    }
}

#[test]
fn unusable_keys_are_errors() {
    let error = |pem: &str, passphrase: Option<&str>| {
        let passphrase = passphrase.map(secret);
        Key::read(&secret(pem), passphrase.as_ref()).map(|key| key.fingerprint).unwrap_err().to_string()
    };
    let encrypted = include_str!("keys/pkcs8_aes.pem");
    assert!(error(encrypted, None).contains("set private_key_passphrase"));
    assert!(error(encrypted, Some("wrong")).contains("private_key_passphrase is wrong"));
    assert!(error(include_str!("keys/pkcs1_old.pem"), Some("throw-away")).contains("openssl pkcs8 -topk8"));
    assert!(error(include_str!("keys/ec.pem"), None).contains("not an RSA key"));
    assert!(error(include_str!("keys/short.pem"), None).contains("1024 bits"));
    assert!(error("/etc/keys/rsa_key.p8", None).contains("not a PEM key"));
    assert!(error(&PKCS8.replace("PRIVATE KEY", "PUBLIC KEY"), None).contains("contains a PUBLIC KEY"));
    let (head, tail) = PKCS8.split_at(200);
    assert!(error(&format!("{head}AAAA{tail}"), None).contains("damaged"));
}
