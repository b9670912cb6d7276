//! Explains permanent errors, such as missing permissions.

use rdkafka::error::RDKafkaErrorCode;

use super::core::Core;
use crate::kafka::access::{PermanentError, without_state};
use crate::kafka::client::{Severity, severity};

/// Maximum number of topics in a message.
const NAMED: usize = 5;

impl Core {
    /// Explains an error of librdkafka or of a broker if retrying does not help. `topics` are those that it may concern.
    pub(super) fn permanent_error(
        &self,
        code: RDKafkaErrorCode,
        reason: &str,
        topics: &[&str],
    ) -> Option<PermanentError> {
        use RDKafkaErrorCode as Code;
        let Severity::Permanent(fix) = severity(code) else { return None };
        let fix = match code {
            Code::Authentication | Code::SaslAuthenticationFailed => {
                return Some(self.context().access.login_error(reason));
            }
            Code::GroupAuthorizationFailed => self.grant("READ", &format!("consumer group {}", self.group)),
            // This error occurs when DESCRIBE is missing. READ is reported separately when it is missing.
            Code::TopicAuthorizationFailed if reason.contains("Subscribed topic not available") => {
                self.grant("READ and DESCRIBE", &one_of(topics))
            }
            Code::TopicAuthorizationFailed => self.grant("READ", &one_of(topics)),
            _ => fix.to_owned(),
        };
        Some(PermanentError { reason: without_state(reason).to_owned(), fix })
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
                "the topics in this list that lack it: {}{more}",
                topics[..topics.len().min(NAMED)].join(", ")
            )
        }
    }
}
