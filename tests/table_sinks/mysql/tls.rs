//! Encrypted connections, with a certificate of the server and one of the client.

use std::fs;

use serde_json::json;
use tidegate_tests::{
    Database,
    certificates::{Authority, Issued, Valid},
    change_events::Source,
};

use super::Schema;
use crate::{
    pipe::{NAME, Pipe},
    probe::Probe as _,
};

#[test]
fn certificates_of_server_and_client_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("Databases");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: String| fs::write(file(name), text).expect("a new file");
    write("authority.crt", authority.certificate());
    for (name, host) in [("server", Some("localhost")), ("client", None)] {
        let Issued { certificate, key } = authority.issue(name, host, Valid::Now);
        write(&format!("{name}.crt"), certificate);
        write(&format!("{name}.key"), key);
    }
    let settings = [("ssl-ca", "authority.crt"), ("ssl-cert", "server.crt"), ("ssl-key", "server.key")];
    let settings = settings.map(|(setting, name)| format!("{setting}={}", file(name)));
    let Some(server) = Database::mariadb("encrypted", &settings.each_ref().map(String::as_str)) else {
        return;
    };
    server
        .execute("CREATE USER certified IDENTIFIED BY 's3cret' REQUIRE X509; GRANT ALL ON *.* TO certified");
    let pipe = Pipe::<Schema>::with(Schema::of(Box::leak(Box::new(server))));
    let mut orders = Source::new("orders", &["id"]);
    let insert = orders.insert(json!({ "id": 1 }));
    orders.send(&pipe.broker, [insert]);
    let run = |host: &str, encryption: &str| {
        let sink =
            pipe.probe.sink("").replace("ssl_mode = \"disable\"", encryption).replace("127.0.0.1", host);
        let login = ["user = \"encrypted\"", "password = \"encrypted\""];
        let sink = sink.replace(login[0], "user = \"certified\"").replace(login[1], "password = \"s3cret\"");
        let source = "restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n";
        pipe.home.connector(NAME, &format!("{source}{sink}"));
        pipe.home.run_once(&pipe.broker)
    };
    let root = format!("ssl_root_cert = \"{}\"", file("authority.crt"));
    let client = format!("ssl_cert = \"{}\"\nssl_key = \"{}\"", file("client.crt"), file("client.key"));
    for (host, encryption, reason) in [
        ("localhost", client.as_str(), "set ssl_root_cert to the certificate of its authority"),
        ("127.0.0.1", &format!("{root}\n{client}"), "invalid peer certificate"),
        ("localhost", &root, "Access denied for user"),
        ("localhost", "ssl_mode = \"disable\"", "Access denied for user"),
    ] {
        let finished = run(host, encryption).expect_code(3);
        finished.expect_log(reason);
        assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    }
    let _finished = run("localhost", &format!("{root}\n{client}\nconnect_timeout = \"9s\"")).expect_code(0);
    assert_eq!(pipe.select("\"id\"", "orders"), ["1"]);
}
