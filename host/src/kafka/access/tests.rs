//! Handshakes with servers whose certificates are wrong, and what is said of them.
