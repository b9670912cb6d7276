//! Keys in every form that users have; made for these tests alone, with `openssl`.

use super::{super::key::Key, secret};

const PKCS8: &str = include_str!("keys/pkcs8.pem");
const FINGERPRINT: &str = "SHA256:tNr3dpi4uMpSba6dFjgDlK4KyKaT8avJRdUcwGpXPNc=";

#[test]
fn every_form_of_a_key_is_the_same_key() {
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
fn a_key_survives_what_environments_do_to_lines() {
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
fn a_key_that_cannot_be_used_says_why() {
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
    assert!(error("/etc/keys/rsa_key.p8", None).contains("no key in PEM"));
    assert!(error(&PKCS8.replace("PRIVATE KEY", "PUBLIC KEY"), None).contains("holds a PUBLIC KEY"));
    let (head, tail) = PKCS8.split_at(200);
    assert!(error(&format!("{head}AAAA{tail}"), None).contains("damaged"));
}
