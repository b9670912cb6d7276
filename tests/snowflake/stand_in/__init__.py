"""A stand-in for Snowflake: its wire protocol in front of fakesnow, with logins, sessions, locks, a log and faults."""
