//! Dead letters are written, shown and replayed with the consumer's security properties.

use serde_json::Value as Json;
use tidegate_tests::{Home, kafka::Resource};

use super::{
    cluster::{READER, SECURE, Secure, USER},
    oidc::CLIENT,
    {endpoint, password, sasl, start, wait_for_reason},
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

#[test]
fn rights_on_the_dead_letter_topic_are_named_and_the_task_continues_once_they_are_granted() {
    let Some(secure) = Secure::shared() else { return };
    let (kafka, topic, dead) = (&secure.kafka, "letters-rights", "dlq.letters-rights");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, ["no JSON"]);
    let (user, group) = (READER.0, "connect-a");
    kafka.grant(user, "Read", Resource::Topic(topic));
    kafka.grant(user, "Read", Resource::Group(group));
    let home = Home::new(&PLUGINS);
    home.connector(
        "a",
        &format!(
            "[source]\ntopics = [\"{topic}\"]\nbootstrap_servers = \"{}\"\n[source.properties]\n{}\n[sink]\nplugin = \"discard\"\n\
             {DEAD_LETTERS}\n[restart]\ninitial = \"1s\"\nmax = \"1s\"\nmax_restarts = 1000\n",
            kafka.listener(SECURE),
            sasl(&secure.ca, "SCRAM-SHA-512", &password(READER.0, READER.1))
        ),
    );
    let mut host = start(&home);
    wait_for_reason(
        &home,
        &mut host,
        "a",
        "; create it, or grant User:reader CREATE, DESCRIBE and WRITE on it",
    );
    kafka.create_topic(dead, 1, 1);
    kafka.grant(user, "Describe", Resource::Topic(dead));
    wait_for_reason(
        &home,
        &mut host,
        "a",
        "; grant User:reader WRITE and DESCRIBE on topic dlq.letters-rights",
    );
    kafka.grant(user, "Write", Resource::Topic(dead));
    home.wait_for_status(&mut host, "a", |status| status["counts"]["dead_lettered"] == 1);
    host.terminate().expect_code(0);
    assert_eq!(kafka.records(dead).len(), 1);
}
