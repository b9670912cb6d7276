//! Explains errors that a consumer does not recover from, such as missing permissions.

use rdkafka::error::RDKafkaErrorCode;

use super::core::Core;
use crate::kafka::access::{FatalError, without_state};
use crate::kafka::error_rules::{self, Operation, Subject};

/// Maximum number of topics in a message.
const NAMED: usize = 5;

impl Core {
    /// Explains an error of librdkafka or of a broker if it ends the task. `topics` are those that it may concern.
    pub(super) fn fatal_error(
        &self,
        code: RDKafkaErrorCode,
        reason: &str,
        topics: &[&str],
    ) -> Option<FatalError> {
        use RDKafkaErrorCode as Code;
        let rule = error_rules::rule(code, Operation::Read).filter(|rule| rule.class.is_fatal())?;
        let access = &self.context().access;
        if matches!(code, Code::Authentication | Code::SaslAuthenticationFailed) {
            return Some(access.login_error(reason));
        }
        let subject = Subject {
            user: &access.principal(),
            topic: &one_of(topics),
            group: &format!("consumer group {}", self.group),
        };
        let mut fix = rule.remedy(&subject);
        if code == Code::BadCompression && reason.contains("codec 0x4") {
            // Only zstd, codec 4, has a limit of librdkafka's own, which may be lower than that of the host.
            "the batch is damaged, or it unpacks to more than `receive.message.max.bytes`: raise it in `[source.properties]`"
                .clone_into(&mut fix);
        } else if code == Code::BadCompression && reason.contains("unpacks to more than") {
            "raise `limits.memory` or lower `tasks`, or set `on_oversized_batch = \"skip\"` in `[source]` to continue behind it"
                .clone_into(&mut fix);
        }
        // librdkafka reports this when DESCRIBE is missing. A missing READ is reported later, by the fetch.
        if code == Code::TopicAuthorizationFailed && reason.contains("Subscribed topic not available") {
            fix = fix.replace(" READ on ", " READ and DESCRIBE on ");
        }
        Some(FatalError { reason: without_state(reason).to_owned(), fix, class: rule.class })
    }
}

fn one_of(topics: &[&str]) -> String {
    match topics {
        [] => String::new(),
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
