//! Refusals that do not pass: what exactly is missing, and whom it is to be given to.

use rdkafka::error::RDKafkaErrorCode;

use super::core::Core;
use crate::kafka::access::{Refusal, without_state};
use crate::kafka::client::{Severity, severity};

/// Topics named in a message.
const NAMED: usize = 5;

impl Core {
    /// Explains an error of librdkafka or of a broker that does not get better by itself; none for one that may. `topics`
    /// are those that it may be about.
    pub(super) fn refusal(&self, code: RDKafkaErrorCode, reason: &str, topics: &[&str]) -> Option<Refusal> {
        use RDKafkaErrorCode as Code;
        let Severity::Permanent(fix) = severity(code) else { return None };
        let fix = match code {
            Code::Authentication | Code::SaslAuthenticationFailed => {
                return Some(self.context().access.refused_login(reason));
            }
            Code::GroupAuthorizationFailed => self.grant("READ", &format!("consumer group {}", self.group)),
            // Whoever may not even see a topic is told so about the subscription; reading it is another right.
            Code::TopicAuthorizationFailed if reason.contains("Subscribed topic not available") => {
                self.grant("READ and DESCRIBE", &one_of(topics))
            }
            Code::TopicAuthorizationFailed => self.grant("READ", &one_of(topics)),
            _ => fix.to_owned(),
        };
        Some(Refusal { reason: without_state(reason).to_owned(), fix })
    }

    fn grant(&self, right: &str, on: &str) -> String {
        format!("grant {} {right} on {on}", self.context().access.principal())
    }
}

fn one_of(topics: &[&str]) -> String {
    match topics {
        [] => "the topic".to_owned(),
        [topic] => format!("topic {topic}"),
        topics => {
            let more = if topics.len() > NAMED { ", .." } else { "" };
            format!(
                "those of these topics where it is missing: {}{more}",
                topics[..topics.len().min(NAMED)].join(", ")
            )
        }
    }
}
