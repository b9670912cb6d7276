//! Registers schemas through Confluent's API of the registry, as serializers do.

use serde_json::{Value as Json, json};
use ureq::Agent;

use super::Apicurio;
use crate::{Fixture, Reference};

/// The ids of a version of a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ids {
    /// Of the content, which is Confluent's id.
    pub content: u32,
    /// Of the version.
    pub global: u64,
}

impl Apicurio {
    /// Registers a schema. Its references are those of `references` that are registered already.
    ///
    /// # Errors
    /// The registry's answer, if it rejects the schema.
    ///
    /// # Panics
    /// When the registry does not answer.
    pub fn register(
        &self,
        subject: &str,
        kind: &str,
        schema: &str,
        references: &[Reference],
    ) -> Result<Ids, String> {
        let references: Vec<Json> = references
            .iter()
            .map(|reference| {
                let Reference { name, subject, version, .. } = reference;
                json!({ "name": name, "subject": subject, "version": version })
            })
            .collect();
        let body = json!({ "schema": schema, "schemaType": kind, "references": references });
        let url = format!("{}/subjects/{}/versions", self.url(), encoded(subject));
        let mut answer = agent()
            .post(url)
            .content_type("application/vnd.schemaregistry.v1+json")
            .send(body.to_string())
            .expect("the registry answers");
        let text = answer.body_mut().read_to_string().expect("an answer");
        if !answer.status().is_success() {
            return Err(text);
        }
        let answer: Json = serde_json::from_str(&text).expect("JSON");
        let content = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id");
        Ok(Ids { content, global: self.global_id(subject) })
    }

    /// Registers the schema of a fixture and all that it refers to, under a prefix of the subjects. With `descriptors`,
    /// Protobuf schemas are registered as serialized descriptors, as Confluent's client for Python does.
    ///
    /// # Errors
    /// The registry's answer, if it rejects the schema.
    pub fn register_fixture(
        &self,
        prefix: &str,
        fixture: &Fixture,
        descriptors: bool,
    ) -> Result<Ids, String> {
        let references = self.register_references(prefix, fixture, &fixture.references, descriptors)?;
        let descriptor = fixture.schema_base64.as_ref().filter(|_| descriptors);
        let subject = format!("{prefix}.{}", fixture.schema_id);
        let schema = descriptor.unwrap_or(&fixture.schema);
        self.register(&subject, &fixture.schema_type, schema, &references)
    }

    fn register_references(
        &self,
        prefix: &str,
        fixture: &Fixture,
        references: &[Reference],
        descriptors: bool,
    ) -> Result<Vec<Reference>, String> {
        let mut registered = Vec::new();
        for reference in references {
            let inner = self.register_references(prefix, fixture, &reference.references, descriptors)?;
            let descriptor = reference.schema_base64.as_ref().filter(|_| descriptors);
            // Subjects may be paths, such as `shop/customer.proto`.
            let subject = format!("{prefix}.{}/{}", fixture.schema_id, reference.subject);
            let schema = descriptor.unwrap_or(&reference.schema);
            self.register(&subject, &fixture.schema_type, schema, &inner)?;
            registered.push(Reference { subject, version: 1, ..reference.clone() });
        }
        Ok(registered)
    }

    /// The id of the latest version of a subject.
    fn global_id(&self, subject: &str) -> u64 {
        let url = format!("{}/groups/default/artifacts/{}/meta", self.own_url(), encoded(subject));
        let mut answer = agent().get(url).call().expect("the registry answers");
        let text = answer.body_mut().read_to_string().expect("an answer");
        let answer: Json = serde_json::from_str(&text).expect("JSON");
        answer["globalId"].as_u64().unwrap_or_else(|| panic!("no global id in {text}"))
    }

    /// Whether it answers.
    pub(super) fn answers(&self) -> bool {
        let answer = agent().get(format!("{}/subjects", self.url())).call();
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().into()
}

fn encoded(segment: &str) -> String {
    segment.replace('/', "%2F")
}
