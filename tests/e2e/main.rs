//! End-to-end tests: the built host, real plugin libraries, a broker over TCP.

mod delivery;
