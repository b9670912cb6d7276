//! Which address cannot be reached: that of `bootstrap_servers`, or one that the brokers advertise.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long a connection may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The address in a connection error of librdkafka, such as `ssl://host:9093/2: Connect to .. failed` or
/// `GroupCoordinator: host:9093: ..`.
pub(super) fn failed_address(reason: &str) -> Option<&str> {
    let (name, rest) = reason.split_once(": ")?;
    if name == "GroupCoordinator" {
        let is_address = |text: &&str| text.contains(':') && !text.contains(' ');
        return rest.split_once(": ").map(|(address, _)| address).filter(is_address);
    }
    let name = name.split_once("://").map_or(name, |(_, name)| name);
    name.rsplit_once('/').map(|(address, _)| address).filter(|address| address.contains(':'))
}

/// The address in a connection error, unless it is one of `bootstrap_servers`.
pub(super) fn advertised_address<'r>(reason: &'r str, bootstrap_servers: &str) -> Option<&'r str> {
    failed_address(reason).filter(|address| !servers(bootstrap_servers).any(|server| server == *address))
}

/// Whether a TCP connection to at least one of these addresses can be opened. Blocks for up to a second for each.
pub(super) fn is_any_reachable<'a>(addresses: impl IntoIterator<Item = &'a str>) -> bool {
    addresses.into_iter().any(|address| {
        let resolved = address.to_socket_addrs().into_iter().flatten();
        resolved.take(2).any(|address| TcpStream::connect_timeout(&address, TIMEOUT).is_ok())
    })
}

/// The addresses in `bootstrap_servers`, without protocols.
pub(super) fn servers(bootstrap_servers: &str) -> impl Iterator<Item = &str> {
    let address =
        |server: &'_ str| server.split_once("://").map_or(server.len(), |(_, address)| address.len());
    bootstrap_servers.split(',').map(str::trim).map(move |server| &server[server.len() - address(server)..])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_address_is_read_from_librdkafkas_errors() {
        let refused = "Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)";
        for (name, address) in [
            ("b1:9092/1", Some("b1:9092")),
            ("sasl_ssl://b1:9092/bootstrap", Some("b1:9092")),
            ("GroupCoordinator: b1:9092", Some("b1:9092")),
            ("GroupCoordinator", None),
            ("2/2 brokers are down", None),
        ] {
            assert_eq!(failed_address(&format!("{name}: {refused}")), address, "{name}");
        }
        assert_eq!(failed_address("2/2 brokers are down"), None);
    }

    #[test]
    fn only_other_addresses_than_the_bootstrap_servers_are_advertised() {
        let reason = "b2:9092/2: Connection refused";
        assert_eq!(advertised_address(reason, "b1:9092"), Some("b2:9092"));
        assert_eq!(advertised_address(reason, "b1:9092, SSL://b2:9092"), None);
    }

    #[test]
    fn one_address_that_accepts_connections_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap().to_string();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        assert!(is_any_reachable([closed.as_str(), &open]));
        assert!(!is_any_reachable([closed.as_str()]));
    }
}
