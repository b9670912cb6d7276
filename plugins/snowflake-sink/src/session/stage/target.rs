//! Where a file is to be uploaded: what Snowflake answers to PUT, as a URL with what authenticates the upload.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use url::Url;

use super::sign::Keys;

/// Characters of a path that are encoded: all but those that S3 leaves as they are when it computes signatures.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// Google's region whose buckets have no other address.
const REGIONAL_ONLY: &str = "me-central2";

/// The response to PUT. It contains keys, so it does not implement `Debug`.
#[derive(Clone)]
pub(crate) struct Offer {
    stage: Map<String, Value>,
    encryption: Value,
}

/// A place for one file.
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) access: Access,
}

/// What authenticates an upload.
pub(super) enum Access {
    /// A signature with these keys.
    S3(Keys),
    /// The query of the URL, in Azure.
    Azure,
    /// The query of the URL, or this token, in Google's cloud.
    Google(Option<String>),
}

impl Offer {
    /// Takes what concerns the upload out of the data of a response; `None` if it is not one to PUT.
    pub(crate) fn take(data: &mut Map<String, Value>) -> Option<Self> {
        let stage = data.remove("stageInfo")?;
        let encryption = data.remove("encryptionMaterial").unwrap_or_default();
        match stage {
            Value::Object(stage) => Some(Self { stage, encryption }),
            _ => None,
        }
    }

    /// The place of a file with this name.
    ///
    /// # Errors
    /// Why nothing can be uploaded to the stage.
    pub(super) fn target(&self, file: &str, allows_http: bool) -> Result<Target, String> {
        if is_given(&self.encryption) {
            return Err(
                "the stage wants clients to encrypt files, which the sink does not: create the stage with \
                        ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')"
                    .to_owned(),
            );
        }
        let target = match self.text("locationType").unwrap_or_default() {
            "S3" => self.s3(file),
            "AZURE" => self.azure(file),
            "GCS" => self.google(file),
            other => return Err(format!("files of the stage are in a store of the unknown kind {other:?}")),
        };
        let target = target.ok_or("Snowflake's response does not say where to upload")?;
        match target.url.scheme() {
            "https" => Ok(target),
            "http" if allows_http => Ok(target),
            _ => Err("the address for uploads is not encrypted: it must begin with https".to_owned()),
        }
    }

    fn s3(&self, file: &str) -> Option<Target> {
        let (bucket, path) = self.place(file)?;
        let region = self.text("region")?.to_owned();
        let url = match self.text("endPoint") {
            Some(endpoint) if has_scheme(endpoint) => format!("{endpoint}/{bucket}{path}"),
            Some(endpoint) => format!("https://{bucket}.{endpoint}{path}"),
            None if region.starts_with("cn-") => {
                format!("https://{bucket}.s3.{region}.amazonaws.com.cn{path}")
            }
            None => format!("https://{bucket}.s3.{region}.amazonaws.com{path}"),
        };
        let (id, secret) = (self.key("AWS_KEY_ID")?.to_owned(), self.key("AWS_SECRET_KEY")?.to_owned());
        let token = self.key("AWS_TOKEN").map(str::to_owned);
        Some(Target { url: parsed(&url)?, access: Access::S3(Keys { id, secret, token, region }) })
    }

    fn azure(&self, file: &str) -> Option<Target> {
        let (container, path) = self.place(file)?;
        let (account, endpoint) = (self.text("storageAccount")?, self.text("endPoint")?);
        let url = match endpoint.strip_prefix("blob.") {
            _ if has_scheme(endpoint) => format!("{endpoint}/{account}/{container}{path}"),
            Some(domain) => format!("https://{account}.blob.{domain}/{container}{path}"),
            None => format!("https://{account}.blob.{endpoint}/{container}{path}"),
        };
        let mut url = parsed(&url)?;
        url.set_query(Some(self.key("AZURE_SAS_TOKEN")?.trim_start_matches('?')));
        Some(Target { url, access: Access::Azure })
    }

    fn google(&self, file: &str) -> Option<Target> {
        if let Some(url) = self.text("presignedUrl") {
            return Some(Target { url: parsed(url)?, access: Access::Google(None) });
        }
        let (bucket, path) = self.place(file)?;
        let region = self.text("region").unwrap_or_default();
        let url = match self.text("endPoint") {
            Some(endpoint) if has_scheme(endpoint) => format!("{endpoint}/{bucket}{path}"),
            Some(endpoint) => format!("https://{endpoint}/{bucket}{path}"),
            None if self.is_set("useVirtualUrl") => format!("https://{bucket}.storage.googleapis.com{path}"),
            None if self.is_set("useRegionalUrl") || region.eq_ignore_ascii_case(REGIONAL_ONLY) => {
                let region = region.to_ascii_lowercase();
                format!("https://storage.{region}.rep.googleapis.com/{bucket}{path}")
            }
            None => format!("https://storage.googleapis.com/{bucket}{path}"),
        };
        let token = self.key("GCS_ACCESS_TOKEN")?.to_owned();
        Some(Target { url: parsed(&url)?, access: Access::Google(Some(token)) })
    }

    /// The bucket or container, and the encoded path of the file in it, with a slash at the beginning.
    fn place(&self, file: &str) -> Option<(&str, String)> {
        let location = self.text("location")?;
        let (bucket, folder) = location.split_once('/').unwrap_or((location, ""));
        let slash = if folder.is_empty() || folder.ends_with('/') { "" } else { "/" };
        let path = format!("/{folder}{slash}{file}");
        Some((bucket, utf8_percent_encode(&path, ENCODED).to_string()))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.stage.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    fn is_set(&self, name: &str) -> bool {
        self.stage.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    fn key(&self, name: &str) -> Option<&str> {
        self.stage.get("creds")?.get(name)?.as_str().filter(|text| !text.is_empty())
    }
}

/// Whether there is a key for encryption. Without one, the member is missing, null or empty.
fn is_given(encryption: &Value) -> bool {
    match encryption {
        Value::Array(all) => all.iter().any(is_given),
        Value::Object(members) => members.values().any(|member| !member.is_null()),
        _ => false,
    }
}

fn has_scheme(endpoint: &str) -> bool {
    endpoint.contains("://")
}

fn parsed(url: &str) -> Option<Url> {
    Url::parse(url).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(stage: Value, encryption: Value) -> Result<Target, String> {
        let mut data = Map::new();
        data.insert("stageInfo".to_owned(), stage);
        data.insert("encryptionMaterial".to_owned(), encryption);
        let offer = Offer::take(&mut data).unwrap();
        assert!(data.is_empty(), "the library gets no keys");
        offer.target("1-0.json.gz", false)
    }

    fn url(stage: Value) -> String {
        target(stage, Value::Null).unwrap_or_else(|reason| panic!("{reason}")).url.to_string()
    }

    fn s3(more: &[(&str, Value)]) -> Value {
        let mut stage = json!({
            "locationType": "S3", "location": "sfc-ds1-customer/x y/stages/1/0-a/", "region": "eu-west-1",
            "endPoint": null, "creds": { "AWS_KEY_ID": "A", "AWS_SECRET_KEY": "S", "AWS_TOKEN": "T" },
        });
        more.iter().for_each(|(name, value)| stage[*name] = value.clone());
        stage
    }

    #[test]
    fn buckets_of_s3_have_the_address_of_their_region() {
        let path = "x%20y/stages/1/0-a/1-0.json.gz";
        let expected = format!("https://sfc-ds1-customer.s3.eu-west-1.amazonaws.com/{path}");
        assert_eq!(url(s3(&[])), expected);
        assert_eq!(url(s3(&[("endPoint", json!(""))])), expected);
        assert_eq!(
            url(s3(&[("region", json!("cn-northwest-1"))])),
            format!("https://sfc-ds1-customer.s3.cn-northwest-1.amazonaws.com.cn/{path}")
        );
        assert_eq!(
            url(s3(&[("endPoint", json!("s3-fips.us-gov-west-1.amazonaws.com"))])),
            format!("https://sfc-ds1-customer.s3-fips.us-gov-west-1.amazonaws.com/{path}")
        );
        let kept = target(s3(&[]), Value::Null).ok().unwrap();
        let Access::S3(keys) = kept.access else { panic!("other keys") };
        assert_eq!((keys.id.as_str(), keys.token.as_deref()), ("A", Some("T")));
    }

    #[test]
    fn azure_has_its_token_in_the_url() {
        let stage = |endpoint: &str| {
            json!({
                "locationType": "AZURE", "location": "container/stages/1", "storageAccount": "acc",
                "endPoint": endpoint, "creds": { "AZURE_SAS_TOKEN": "?sv=2024&sig=a%2Bb%3D" },
            })
        };
        let expected =
            "https://acc.blob.core.windows.net/container/stages/1/1-0.json.gz?sv=2024&sig=a%2Bb%3D";
        assert_eq!(url(stage("blob.core.windows.net")), expected);
        assert_eq!(url(stage("core.windows.net")), expected);
    }

    #[test]
    fn google_has_a_url_or_a_token() {
        let stage = |more: Value| {
            let mut stage = json!({
                "locationType": "GCS", "location": "bucket/stages/1/", "region": "US-CENTRAL1", "presignedUrl": "",
                "creds": { "GCS_ACCESS_TOKEN": "token" },
            });
            more.as_object().unwrap().iter().for_each(|(name, value)| stage[name] = value.clone());
            stage
        };
        let path = "stages/1/1-0.json.gz";
        assert_eq!(url(stage(json!({}))), format!("https://storage.googleapis.com/bucket/{path}"));
        assert_eq!(
            url(stage(json!({ "useVirtualUrl": true }))),
            format!("https://bucket.storage.googleapis.com/{path}")
        );
        assert_eq!(
            url(stage(json!({ "useRegionalUrl": true }))),
            format!("https://storage.us-central1.rep.googleapis.com/bucket/{path}")
        );
        assert_eq!(
            url(stage(json!({ "endPoint": "storage.example" }))),
            format!("https://storage.example/bucket/{path}")
        );
        let signed = "https://storage.googleapis.com/bucket/x?X-Goog-Signature=ab";
        assert_eq!(url(stage(json!({ "presignedUrl": signed }))), signed);
    }

    #[test]
    fn what_the_sink_cannot_do_is_said() {
        let reason = |stage, encryption| target(stage, encryption).err().unwrap();
        let key = json!({ "queryStageMasterKey": "k", "queryId": "q", "smkId": 1 });
        assert!(reason(s3(&[]), key).contains("SNOWFLAKE_SSE"));
        let empty = json!({ "queryStageMasterKey": null, "queryId": null, "smkId": null });
        for encryption in [Value::Null, json!({}), json!([]), empty] {
            assert!(target(s3(&[]), encryption).is_ok());
        }
        assert!(reason(s3(&[("locationType", json!("LOCAL_FS"))]), Value::Null).contains("LOCAL_FS"));
        assert!(reason(s3(&[("creds", json!({}))]), Value::Null).contains("where to upload"));
        let open = s3(&[("endPoint", json!("http://127.0.0.1:9000"))]);
        assert!(reason(open.clone(), Value::Null).contains("not encrypted"));
        let mut data = Map::from_iter([("stageInfo".to_owned(), open)]);
        let target = Offer::take(&mut data).unwrap().target("f", true).ok().unwrap();
        assert_eq!(target.url.as_str(), "http://127.0.0.1:9000/sfc-ds1-customer/x%20y/stages/1/0-a/f");
    }
}
