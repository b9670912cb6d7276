//! Who sends a request, and whether they may: tokens, passwords, client certificates.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::config::{ApiConfig, ApiScope};

/// Passwords that were verified are remembered, up to this number: verifying one takes a part of a second on purpose.
const MAX_REMEMBERED: usize = 1000;

/// How a request reached the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Through the control socket, which only the owner of the state folder can use.
    Owner,
    /// Over TCP.
    Network {
        /// Address of the client.
        address: std::net::IpAddr,
        /// The API listens on a loopback address only.
        is_local: bool,
        /// The subject of the client's certificate, if it has sent one.
        certificate: Option<String>,
    },
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// For the audit log.
    pub(super) name: String,
    pub(super) scope: ApiScope,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No valid login.
    Login,
    /// The login allows reading only.
    ReadOnly,
    /// Changes over the network need logins, and none are configured.
    NoLogins,
}

/// Checks logins.
pub(super) struct Logins {
    config: ApiConfig,
    /// Hashes of user and password.
    verified: Mutex<HashSet<[u8; 32]>>,
}

/// What a header says, before it is checked.
enum Claim {
    Token(String),
    Password(String, String),
}

impl Logins {
    pub(super) fn new(config: ApiConfig) -> Self {
        Self { config, verified: Mutex::default() }
    }

    /// Who sends a request, if it is allowed.
    pub(super) async fn check(
        self: &std::sync::Arc<Self>,
        peer: &Peer,
        headers: &HeaderMap,
        needed: ApiScope,
    ) -> Result<Identity, Denied> {
        let Peer::Network { address, is_local, certificate } = peer else {
            return Ok(Identity { name: "owner of the state folder".to_owned(), scope: ApiScope::Write });
        };
        let login = match (certificate, claim(headers)) {
            (Some(subject), _) => Some(Identity { name: subject.clone(), scope: ApiScope::Write }),
            (None, Some(Claim::Token(token))) => self.of_token(&token),
            (None, Some(Claim::Password(user, password))) => {
                let logins = std::sync::Arc::clone(self);
                let verified = tokio::task::spawn_blocking(move || logins.of_password(&user, &password));
                verified.await.ok().flatten()
            }
            (None, None) => None,
        };
        let anonymous = || Identity { name: address.to_string(), scope: ApiScope::Write };
        decide(login, self.config.has_logins(), *is_local, needed, anonymous)
    }

    fn of_token(&self, token: &str) -> Option<Identity> {
        // Hashes are compared, so that the time does not tell how much of a token is right.
        let given = Sha256::digest(token);
        let known = self.config.tokens.iter().find(|known| Sha256::digest(&known.token) == given)?;
        Some(Identity { name: known.name.clone(), scope: known.scope })
    }

    fn of_password(&self, name: &str, password: &str) -> Option<Identity> {
        let user = self.config.users.iter().find(|user| user.name == name)?;
        let identity = Identity { name: user.name.clone(), scope: user.scope };
        let login: [u8; 32] = Sha256::new()
            .chain_update(&user.password_hash)
            .chain_update([0])
            .chain_update(password)
            .finalize()
            .into();
        if self.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(&login) {
            return Some(identity);
        }
        let hash = PasswordHash::new(&user.password_hash).ok()?;
        Argon2::default().verify_password(password.as_bytes(), &hash).ok()?;
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() < MAX_REMEMBERED {
            verified.insert(login);
        }
        Some(identity)
    }
}

fn decide(
    login: Option<Identity>,
    has_logins: bool,
    is_local: bool,
    needed: ApiScope,
    anonymous: impl FnOnce() -> Identity,
) -> Result<Identity, Denied> {
    match login {
        Some(login) if login.scope >= needed => Ok(login),
        Some(_) => Err(Denied::ReadOnly),
        None if has_logins => Err(Denied::Login),
        None if is_local || needed == ApiScope::Read => Ok(anonymous()),
        None => Err(Denied::NoLogins),
    }
}

fn claim(headers: &HeaderMap) -> Option<Claim> {
    let (scheme, value) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Claim::Token(value.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Claim::Password(user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Arc};

    use argon2::PasswordHasher as _;
    use argon2::password_hash::SaltString;

    use super::*;
    use crate::config::{ApiToken, ApiUser};

    fn logins(with: bool) -> Arc<Logins> {
        let mut config = ApiConfig::default();
        if with {
            let salt = SaltString::encode_b64(b"salt-of-a-test").unwrap();
            let hash = Argon2::default().hash_password(b"right", &salt).unwrap().to_string();
            config.users =
                vec![ApiUser { name: "ops".to_owned(), password_hash: hash, scope: ApiScope::Write }];
            config.tokens = vec![ApiToken {
                name: "dashboard".to_owned(),
                token: "0123456789abcdef".to_owned(),
                scope: ApiScope::Read,
            }];
        }
        Arc::new(Logins::new(config))
    }

    fn peer(is_local: bool) -> Peer {
        Peer::Network { address: Ipv4Addr::LOCALHOST.into(), is_local, certificate: None }
    }

    fn headers(authorization: &str) -> HeaderMap {
        [(AUTHORIZATION, authorization.parse().unwrap())].into_iter().collect()
    }

    #[tokio::test]
    async fn without_logins_only_local_clients_may_write() {
        let (none, logins) = (HeaderMap::new(), logins(false));
        assert!(logins.check(&peer(true), &none, ApiScope::Write).await.is_ok());
        assert!(logins.check(&peer(false), &none, ApiScope::Read).await.is_ok());
        assert_eq!(logins.check(&peer(false), &none, ApiScope::Write).await, Err(Denied::NoLogins));
        assert!(logins.check(&Peer::Owner, &none, ApiScope::Write).await.is_ok());
    }

    #[tokio::test]
    async fn with_logins_everybody_needs_one() {
        let logins = logins(true);
        let check = async |text: &str, needed| {
            let headers = if text.is_empty() { HeaderMap::new() } else { headers(text) };
            logins.check(&peer(true), &headers, needed).await.map(|identity| identity.name)
        };
        let (read, write) = (ApiScope::Read, ApiScope::Write);
        assert_eq!(check("", read).await, Err(Denied::Login));
        assert_eq!(check("Bearer 0123456789abcdef", read).await, Ok("dashboard".to_owned()));
        assert_eq!(check("Bearer 0123456789abcdef", write).await, Err(Denied::ReadOnly));
        assert_eq!(check("Bearer 0123456789abcdeX", read).await, Err(Denied::Login));
        let basic = |login: &str| format!("Basic {}", STANDARD.encode(login));
        for _ in 0..2 {
            assert_eq!(check(&basic("ops:right"), write).await, Ok("ops".to_owned()));
            assert_eq!(check(&basic("ops:wrong"), write).await, Err(Denied::Login));
        }
        assert_eq!(check(&basic("nobody:right"), read).await, Err(Denied::Login));
    }
}
