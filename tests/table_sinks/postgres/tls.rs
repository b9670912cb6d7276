//! Encrypted connections: which servers and clients are trusted.

use serde_json::json;
use tidegate_tests::{
    Database, Finished,
    certificates::{Authority, Issued, Valid},
    change_events::Source,
};

use super::Schema;
use crate::{pipe::Pipe, probe::Probe as _};

/// A server with a certificate for this name, which asks clients for one of the same authority.
fn secure_server(name: &str, authority: &Authority, host: &str, valid: Valid) -> Option<&'static Database> {
    let server = Database::postgres(name, &[])?;
    let issued = authority.issue("the server", Some(host), valid);
    for (setting, file, text) in [
        ("ssl_cert_file", "server.crt", issued.certificate),
        ("ssl_key_file", "server.key", issued.key),
        ("ssl_ca_file", "clients.crt", authority.certificate()),
    ] {
        let path = server.give_file(file, &text);
        server.execute(&format!("ALTER SYSTEM SET {setting} = '{}'", path.display()));
    }
    server.execute("ALTER SYSTEM SET ssl = on");
    server.stop();
    server.start();
    Some(Box::leak(Box::new(server)))
}

/// A table to write, and a connector that connects to `host` with these options for TLS.
struct Scene(Pipe<Schema>);

impl Scene {
    fn new(server: &'static Database) -> Self {
        let scene = Self(Pipe::with(Schema::of(server, "secure")));
        let mut orders = Source::new("orders", &["id"]);
        let events = [orders.insert(json!({ "id": 1 }))];
        orders.send(&scene.0.broker, events);
        scene
    }

    /// Writes a file, and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        self.0.home.write(name, text);
        self.0.home.path(name).display().to_string()
    }

    fn run(&self, host: &str, options: &str) -> Finished {
        let pipe = &self.0;
        // Verification is the default.
        let sink =
            pipe.probe.sink(options).replace("ssl_mode = \"disable\"\n", "").replace("127.0.0.1", host);
        let source = "restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n";
        pipe.home.connector(crate::pipe::NAME, &format!("{source}{sink}\n[errors.retry]\nmax = \"1s\"\n"));
        pipe.home.run_once(&pipe.broker)
    }

    #[track_caller]
    fn expect_refused(&self, host: &str, options: &str, reason: &str) {
        let finished = self.run(host, options).expect_code(3);
        let line = finished.expect_log(reason);
        assert!(line.contains(" ERROR "), "{line}");
        assert_eq!(finished.count_log("retry_in_ms"), 0, "{}", finished.stderr);
    }
}

#[test]
fn servers_are_verified_by_default() {
    let authority = Authority::new("Databases");
    let Some(server) = secure_server("verified", &authority, "127.0.0.1", Valid::Now) else { return };
    let scene = Scene::new(server);
    scene.expect_refused("127.0.0.1", "", "invalid peer certificate: UnknownIssuer");
    let other = scene.file("other.crt", &Authority::new("Others").certificate());
    scene.expect_refused(
        "127.0.0.1",
        &format!("ssl_root_cert = \"{other}\""),
        "set ssl_root_cert to the certificate of its authority",
    );
    let trusted = format!("ssl_root_cert = \"{}\"", scene.file("trusted.crt", &authority.certificate()));
    scene.expect_refused("localhost", &trusted, "certificate not valid for name \"localhost\"");
    let _finished = scene.run("127.0.0.1", &trusted).expect_code(0);
    assert_eq!(scene.0.select("id", "orders"), ["1"]);
    let expired = secure_server("aged", &authority, "127.0.0.1", Valid::Expired).expect("a server");
    let scene = Scene::new(expired);
    let trusted = format!("ssl_root_cert = \"{}\"", scene.file("trusted.crt", &authority.certificate()));
    scene.expect_refused("127.0.0.1", &trusted, "renew the certificate of the server");
}

#[test]
fn clients_log_in_with_a_certificate() {
    let authority = Authority::new("Databases");
    let Some(server) = secure_server("mutual", &authority, "127.0.0.1", Valid::Now) else { return };
    // Everything but the harness's own statements.
    let rules = "host postgres all 127.0.0.1/32 scram-sha-256\nhostnossl all all 127.0.0.1/32 scram-sha-256\n\
                 hostssl all all 127.0.0.1/32 cert\n";
    let _path = server.give_file("data/pg_hba.conf", rules);
    server.execute("SELECT pg_reload_conf()");
    let scene = Scene::new(server);
    let trusted = format!("ssl_root_cert = \"{}\"", scene.file("trusted.crt", &authority.certificate()));
    let client = |name: &str, Issued { certificate, key }: Issued| {
        let certificate = scene.file(&format!("{name}.crt"), &certificate);
        let key = scene.file(&format!("{name}.key"), &key);
        format!("{trusted}\nssl_cert = \"{certificate}\"\nssl_key = \"{key}\"")
    };
    scene.expect_refused("127.0.0.1", &trusted, "connection requires a valid client certificate");
    let stranger = client("stranger", authority.issue("somebody", None, Valid::Now));
    scene.expect_refused("127.0.0.1", &stranger, "certificate authentication failed");
    let user = client("user", authority.issue("mutual", None, Valid::Now));
    let _finished = scene.run("127.0.0.1", &user).expect_code(0);
    assert_eq!(scene.0.select("id", "orders"), ["1"]);
}
