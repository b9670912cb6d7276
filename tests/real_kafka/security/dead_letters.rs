//! Dead letters are written, shown and replayed with the consumer's security properties.

use serde_json::Value as Json;
use tidegate_tests::Home;

use super::{
    cluster::{SECURE, Secure, USER},
    oidc::CLIENT,
    {endpoint, password, sasl},
};
use crate::{dead_letters::DEAD_LETTERS, support::PLUGINS};

#[test]
fn dead_letters_are_produced_with_the_consumers_credentials() {
    let Some(secure) = Secure::shared() else { return };
    let logins = [
        ("letters-scram", sasl(&secure.ca, "SCRAM-SHA-512", &password(USER.0, USER.1))),
        ("letters-token", sasl(&secure.ca, "OAUTHBEARER", &endpoint(&secure.oidc.token_endpoint(), CLIENT))),
    ];
    for (topic, login) in logins {
        secure.kafka.create_topic(topic, 1, 1);
        secure.kafka.produce(topic, [(None, Some("no JSON")), (None, Some("{}"))]);
        let home = Home::new(&PLUGINS);
        home.connector(
            "a",
            &format!(
                "[source]\ntopics = [\"{topic}\"]\nbootstrap_servers = \"{}\"\n[source.properties]\n\
                 \"fetch.min.bytes\" = 1\n\"session.timeout.ms\" = 20000\n{login}\n[sink]\nplugin = \"discard\"\n{DEAD_LETTERS}",
                secure.kafka.listener(SECURE)
            ),
        );
        let finished = home.run(&["run", "--once"]).expect_code(0);
        // There is no warning about consumer properties.
        assert_eq!(finished.count_log("WARN"), 1, "{}", finished.stderr);
        finished.expect_log("record sent to ");
        let shown = home.run(&["dead-letters", "show", "a", "--json"]).expect_code(0);
        let shown: Json = serde_json::from_str(&shown.stdout).expect("JSON");
        assert_eq!(shown[0]["value"], "no JSON");
        let replayed = home.run(&["dead-letters", "replay", "a"]).expect_code(0);
        assert!(replayed.stdout.contains("replayed: 1 to "), "{}", replayed.stdout);
    }
}
