//! Who sends a request, and whether they may: tokens, passwords, client certificates.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::config::{ApiConfig, ApiScope, ApiUser};

/// Passwords that were verified are remembered, up to this number: verifying one takes a part of a second on purpose.
const MAX_REMEMBERED: usize = 1000;
/// Passwords that are verified at the same time. Each one takes a processor, and the memory that its hash was made with.
const MAX_VERIFICATIONS: usize = 4;

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
    verifications: Arc<Semaphore>,
}

/// What a header says, before it is checked.
enum Claim {
    Token(String),
    Password(String, String),
}

impl Logins {
    pub(super) fn new(config: ApiConfig) -> Self {
        Self {
            config,
            verified: Mutex::default(),
            verifications: Arc::new(Semaphore::new(MAX_VERIFICATIONS)),
        }
    }

    /// Whether [`Logins::check`] has to verify a password, which is expensive.
    pub(super) fn has_to_verify(&self, peer: &Peer, headers: &HeaderMap) -> bool {
        if !matches!(peer, Peer::Network { certificate: None, .. }) || self.config.users.is_empty() {
            return false;
        }
        let Some(Claim::Password(name, password)) = claim(headers) else { return false };
        let user = self.config.users.iter().find(|user| user.name == name);
        user.is_none_or(|user| !self.is_remembered(&digest(user, &password)))
    }

    /// Who sends a request, if it is allowed.
    pub(super) async fn check(
        &self,
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
            (None, Some(Claim::Password(user, password))) => self.of_password(&user, password).await,
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

    async fn of_password(&self, name: &str, password: String) -> Option<Identity> {
        let user = self.config.users.iter().find(|user| user.name == name);
        let login = user.map(|user| digest(user, &password));
        let identity = user.map(|user| Identity { name: user.name.clone(), scope: user.scope });
        if login.is_some_and(|login| self.is_remembered(&login)) {
            return identity;
        }
        // For an unknown name, the hash of another user takes the time, so that the time does not tell which names there are.
        let hash = user.or_else(|| self.config.users.first())?.password_hash.clone();
        let permit = Arc::clone(&self.verifications).acquire_owned().await.ok()?;
        let verification = move || {
            let is_right = is_right(&password, &hash);
            // Only now, even if the client does not wait any longer.
            drop(permit);
            is_right
        };
        let is_right = tokio::task::spawn_blocking(verification).await.unwrap_or(false);
        let (login, identity) = (login?, identity?);
        if !is_right {
            return None;
        }
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() < MAX_REMEMBERED {
            verified.insert(login);
        }
        Some(identity)
    }

    fn is_remembered(&self, login: &[u8; 32]) -> bool {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(login)
    }
}

/// What a login with this password is remembered by.
fn digest(user: &ApiUser, password: &str) -> [u8; 32] {
    let digest = Sha256::new().chain_update(&user.password_hash).chain_update([0]).chain_update(password);
    digest.finalize().into()
}

fn is_right(password: &str, hash: &str) -> bool {
    let verified =
        |hash: PasswordHash<'_>| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    PasswordHash::new(hash).is_ok_and(verified)
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
    use std::net::Ipv4Addr;

    use argon2::PasswordHasher as _;
    use argon2::password_hash::SaltString;

    use super::*;
    use crate::config::ApiToken;

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
        let verifies = |login: &str| logins.has_to_verify(&peer(true), &headers(&basic(login)));
        assert!(verifies("ops:right") && verifies("nobody:right"));
        for _ in 0..2 {
            assert_eq!(check(&basic("ops:right"), write).await, Ok("ops".to_owned()));
            assert_eq!(check(&basic("ops:wrong"), write).await, Err(Denied::Login));
        }
        assert_eq!(
            check(&basic("nobody:right"), read).await,
            Err(Denied::Login),
            "it is the password of ops"
        );
        assert!(!verifies("ops:right"), "it is remembered");
        assert!(verifies("ops:wrong") && verifies("nobody:right"), "they are not");
    }
}
