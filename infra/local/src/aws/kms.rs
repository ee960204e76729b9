//! KMS for the local run: envelope encryption under the template's keys, over the AWS JSON 1.1 protocol.
//!
//! What AWS does that this does not:
//! - Only GenerateDataKey, Encrypt, Decrypt and DescribeKey; no aliases, grants, key policies, rotation, disabled or
//!   deleted keys, asymmetric or HMAC keys, and no attestation documents.
//! - All keys share one master key, a file with 32 random bytes in place of the hardware: who can read the file can
//!   open everything. Ciphertexts are not those of AWS and cannot be taken there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::aws::error::AwsError;
use crate::template::KmsKey;

/// The first byte of a ciphertext, should its form ever change.
const FORM: u8 = 1;
const KEY_LEN: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct Kms {
    keys: Arc<[KmsKey]>,
    master: Arc<LessSafeKey>,
}

impl Kms {
    /// `master_key_file` is where the master key is kept, and made at the first start; None makes one that is
    /// forgotten at the end.
    pub(crate) fn new(keys: &[KmsKey], master_key_file: Option<PathBuf>) -> io::Result<Kms> {
        let bytes = match master_key_file {
            Some(file) => master_key(&file)?,
            None => random::<KEY_LEN>()?,
        };
        let unusable = |_| io::Error::other("AES-256-GCM is not available");
        let master = UnboundKey::new(&AES_256_GCM, &bytes).map_err(unusable)?;
        Ok(Kms { keys: keys.into(), master: Arc::new(LessSafeKey::new(master)) })
    }

    /// `operation` is what follows `TrentService.` in `X-Amz-Target`.
    pub(crate) async fn call(&self, operation: &str, body: Value) -> Result<Value, AwsError> {
        match operation {
            "GenerateDataKey" => self.generate_data_key(&body),
            "Encrypt" => self.encrypt(&body),
            "Decrypt" => self.decrypt(&body),
            "DescribeKey" => self.describe(&body),
            other => Err(AwsError::unknown_operation("KMS", other)),
        }
    }

    fn generate_data_key(&self, body: &Value) -> Result<Value, AwsError> {
        let key = self.key(body)?;
        let length = match (body["KeySpec"].as_str(), &body["NumberOfBytes"]) {
            (Some("AES_256"), Value::Null) => 32,
            (Some("AES_128"), Value::Null) => 16,
            (None, Value::Number(number)) => match number.as_u64().and_then(|number| usize::try_from(number).ok()) {
                Some(number @ 1..=1024) => number,
                _ => return Err(validation("NumberOfBytes must be from 1 to 1024")),
            },
            _ => return Err(validation("Please specify either number of bytes or key spec (AES_256 or AES_128).")),
        };
        let mut plaintext = vec![0; length];
        rand::fill(&mut plaintext).map_err(|_| AwsError::internal("no random bytes"))?;
        let blob = self.seal(key, &context(body)?, &plaintext)?;
        Ok(json!({ "CiphertextBlob": blob, "Plaintext": BASE64.encode(plaintext), "KeyId": key.arn }))
    }

    fn encrypt(&self, body: &Value) -> Result<Value, AwsError> {
        let key = self.key(body)?;
        symmetric(body)?;
        let plaintext = bytes(body, "Plaintext")?;
        if !(1..=4096).contains(&plaintext.len()) {
            return Err(validation("Plaintext must have from 1 to 4096 bytes"));
        }
        let blob = self.seal(key, &context(body)?, &plaintext)?;
        Ok(json!({ "CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }))
    }

    fn decrypt(&self, body: &Value) -> Result<Value, AwsError> {
        symmetric(body)?;
        let blob = bytes(body, "CiphertextBlob")?;
        let (id, nonce, sealed) = open_blob(&blob).ok_or_else(invalid_ciphertext)?;
        if !body["KeyId"].is_null() && self.key(body)?.id != id {
            let message = "The key ID in the request does not identify a CMK that can perform this operation.";
            return Err(AwsError::new(400, "IncorrectKeyException", message));
        }
        // AWS too says no more of a ciphertext whose key is not the account's.
        let key = self.keys.iter().find(|key| key.id == id).ok_or_else(invalid_ciphertext)?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(bound(key, &context(body)?));
        let plaintext = self.master.open_in_place(nonce, aad, &mut sealed).map_err(|_| invalid_ciphertext())?;
        Ok(json!({
            "Plaintext": BASE64.encode(plaintext),
            "KeyId": key.arn,
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        }))
    }

    fn describe(&self, body: &Value) -> Result<Value, AwsError> {
        let key = self.key(body)?;
        Ok(json!({ "KeyMetadata": {
            "AWSAccountId": key.arn.split(':').nth(4),
            "KeyId": key.id,
            "Arn": key.arn,
            "Enabled": true,
            "KeyState": "Enabled",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "KeyManager": "CUSTOMER",
            "Origin": "AWS_KMS",
            "MultiRegion": false,
        } }))
    }

    fn key(&self, body: &Value) -> Result<&KmsKey, AwsError> {
        let asked = body["KeyId"].as_str().ok_or_else(|| validation("KeyId must be given"))?;
        self.keys.iter().find(|key| key.id == asked || key.arn == asked).ok_or_else(|| {
            let what = if asked.contains("alias/") { "Alias" } else { "Key" };
            AwsError::new(400, "NotFoundException", format!("{what} '{asked}' does not exist"))
        })
    }

    fn seal(&self, key: &KmsKey, context: &BTreeMap<String, String>, plaintext: &[u8]) -> Result<String, AwsError> {
        let failed = |_| AwsError::internal("AES-256-GCM failed");
        let nonce = random::<NONCE_LEN>().map_err(|problem| AwsError::internal(problem.to_string()))?;
        let mut sealed = plaintext.to_vec();
        let aad = Aad::from(bound(key, context));
        let by = Nonce::assume_unique_for_key(nonce);
        self.master.seal_in_place_append_tag(by, aad, &mut sealed).map_err(failed)?;
        let id = key.id.as_bytes();
        let length = u8::try_from(id.len()).map_err(|_| AwsError::internal("the key's id is too long"))?;
        Ok(BASE64.encode([&[FORM, length], id, &nonce, &sealed].concat()))
    }
}

/// The parts of a ciphertext: the key's id, the nonce, and what is sealed.
fn open_blob(blob: &[u8]) -> Option<(&str, Nonce, &[u8])> {
    let (form, rest) = blob.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*length))?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    let id = std::str::from_utf8(id).ok()?;
    (*form == FORM).then_some((id, Nonce::assume_unique_for_key(*nonce), sealed))
}

/// What a ciphertext is bound to: the key and the context, each part with its length, so that no two are alike.
fn bound(key: &KmsKey, context: &BTreeMap<String, String>) -> Vec<u8> {
    let mut bound = Vec::new();
    let pairs = context.iter().flat_map(|(name, value)| [name, value]);
    for part in std::iter::once(&key.id).chain(pairs) {
        bound.extend((part.len() as u64).to_be_bytes());
        bound.extend(part.as_bytes());
    }
    bound
}

fn context(body: &Value) -> Result<BTreeMap<String, String>, AwsError> {
    let wrong = || AwsError::new(400, "SerializationException", "EncryptionContext must be a mapping of texts");
    match &body["EncryptionContext"] {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(members) => {
            let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            members.iter().map(|member| pair(member).ok_or_else(wrong)).collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(wrong()),
    }
}

fn symmetric(body: &Value) -> Result<(), AwsError> {
    match body["EncryptionAlgorithm"].as_str() {
        None | Some("SYMMETRIC_DEFAULT") => Ok(()),
        Some(other) => Err(AwsError::new(400, "InvalidKeyUsageException", format!("the key cannot do {other}"))),
    }
}

fn bytes(body: &Value, member: &str) -> Result<Vec<u8>, AwsError> {
    let text = body[member].as_str().ok_or_else(|| validation(format!("{member} must be given")))?;
    let wrong = |_| AwsError::new(400, "SerializationException", format!("{member} is not base64"));
    BASE64.decode(text).map_err(wrong)
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationException", message)
}

/// AWS gives no message: a wrong context and a spoilt ciphertext are not told apart.
fn invalid_ciphertext() -> AwsError {
    AwsError::new(400, "InvalidCiphertextException", "")
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the operating system gives no random bytes"))?;
    Ok(bytes)
}

fn master_key(file: &Path) -> io::Result<[u8; KEY_LEN]> {
    match fs::read(file) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            let problem =
                format!("{}: not {KEY_LEN} bytes; without it the data beside it cannot be read", file.display());
            io::Error::new(io::ErrorKind::InvalidData, problem)
        }),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let bytes = random()?;
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory)?;
            }
            // Renamed when it is whole: half a key would lock the data for ever.
            let beside = file.with_extension("new");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut out = options.open(&beside)?;
            out.write_all(&bytes)?;
            out.sync_all()?;
            fs::rename(&beside, file)?;
            Ok(bytes)
        }
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> KmsKey {
        let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{id}");
        KmsKey { logical_id: id.to_owned(), id: id.to_owned(), arn }
    }

    fn start(file: Option<PathBuf>) -> Kms {
        Kms::new(&[key("one"), key("two")], file).unwrap()
    }

    async fn refused(kms: &Kms, operation: &str, body: Value) -> String {
        kms.call(operation, body).await.unwrap_err().code
    }

    #[tokio::test]
    async fn a_data_key_comes_back_with_its_context_only() {
        let kms = start(None);
        let context = json!({ "table": "settings", "for": "signing" });
        let ask = json!({ "KeyId": key("one").arn, "KeySpec": "AES_256", "EncryptionContext": context });
        let made = kms.call("GenerateDataKey", ask).await.unwrap();
        assert_eq!(made["KeyId"], key("one").arn);
        assert_eq!(BASE64.decode(made["Plaintext"].as_str().unwrap()).unwrap().len(), 32);
        let blob = made["CiphertextBlob"].clone();
        let opened =
            kms.call("Decrypt", json!({ "CiphertextBlob": blob, "EncryptionContext": context })).await.unwrap();
        assert_eq!(opened["Plaintext"], made["Plaintext"]);
        for wrong in [json!({}), json!({ "table": "settings" }), json!({ "table": "settingsfor", "for": "signing" })] {
            let ask = json!({ "CiphertextBlob": blob, "EncryptionContext": wrong });
            assert_eq!(refused(&kms, "Decrypt", ask).await, "InvalidCiphertextException");
        }
        let ask = json!({ "CiphertextBlob": blob, "EncryptionContext": context, "KeyId": "two" });
        assert_eq!(refused(&kms, "Decrypt", ask).await, "IncorrectKeyException");
        let ask = json!({ "CiphertextBlob": BASE64.encode("nonsense") });
        assert_eq!(refused(&kms, "Decrypt", ask).await, "InvalidCiphertextException");
        let alone = Kms::new(&[key("two")], None).unwrap();
        let ask = json!({ "CiphertextBlob": blob, "EncryptionContext": context });
        assert_eq!(refused(&alone, "Decrypt", ask).await, "InvalidCiphertextException");
    }

    #[tokio::test]
    async fn encrypt_and_describe_take_an_id_or_an_arn() {
        let kms = start(None);
        for id in ["two".to_owned(), key("two").arn] {
            let ask = json!({ "KeyId": id, "Plaintext": BASE64.encode("secret") });
            let sealed = kms.call("Encrypt", ask).await.unwrap();
            let ask = json!({ "CiphertextBlob": sealed["CiphertextBlob"], "KeyId": id });
            assert_eq!(kms.call("Decrypt", ask).await.unwrap()["Plaintext"], BASE64.encode("secret"));
            let described = kms.call("DescribeKey", json!({ "KeyId": id })).await.unwrap();
            assert_eq!(described["KeyMetadata"]["Arn"], key("two").arn);
        }
        assert_eq!(refused(&kms, "DescribeKey", json!({ "KeyId": "three" })).await, "NotFoundException");
        assert_eq!(refused(&kms, "Encrypt", json!({ "KeyId": "alias/x" })).await, "NotFoundException");
        let ask = json!({ "KeyId": "one", "KeySpec": "AES_256", "NumberOfBytes": 5 });
        assert_eq!(refused(&kms, "GenerateDataKey", ask).await, "ValidationException");
        assert_eq!(refused(&kms, "Sign", json!({})).await, "UnknownOperationException");
    }

    #[tokio::test]
    async fn the_master_key_outlives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deeper/master-key");
        let ask = json!({ "KeyId": "one", "NumberOfBytes": 64 });
        let made = start(Some(file.clone())).call("GenerateDataKey", ask).await.unwrap();
        let ask = json!({ "CiphertextBlob": made["CiphertextBlob"] });
        let opened = start(Some(file.clone())).call("Decrypt", ask).await.unwrap();
        assert_eq!(opened["Plaintext"], made["Plaintext"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&file, "short").unwrap();
        assert!(Kms::new(&[], Some(file)).unwrap_err().to_string().contains("master-key"));
    }
}
