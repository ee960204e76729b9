//! The least that a call of AWS can be: a signature (Signature Version 4, which the IAM guide describes) and one request.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Call;

const REGION: &str = "us-east-1";
const HEADERS: &str = "content-type;host;x-amz-date;x-amz-target";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Makes a call, and reads its answer.
///
/// # Errors
/// When there is no answer, or none that says that it was done.
pub async fn call(client: &reqwest::Client, call: &Call) -> Result<(), reqwest::Error> {
    let at = Timestamp::now().to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let authorization = authorization(call, &at);
    let request = client
        .post(&call.url)
        .header("content-type", CONTENT_TYPE)
        .header("x-amz-date", at)
        .header("x-amz-target", &call.target)
        .header("authorization", authorization)
        .body(call.body.clone());
    request.send().await?.error_for_status()?.bytes().await?;
    Ok(())
}

fn authorization(call: &Call, at: &str) -> String {
    let Call { url, service, target, body } = call;
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let day = &at[..8];
    let hash = |text: &str| hex(digest(&SHA256, text.as_bytes()).as_ref());
    let canonical = format!(
        "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:{at}\nx-amz-target:{target}\n\n{HEADERS}\n{}",
        hash(body)
    );
    let scope = format!("{day}/{REGION}/{service}/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hash(&canonical));
    let parts = [day, REGION, service, "aws4_request", &signed];
    let signature = parts
        .iter()
        .fold(b"AWS4local".to_vec(), |key, part| sign(&Key::new(HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec());
    format!("AWS4-HMAC-SHA256 Credential=LOCALBench.1/{scope}, SignedHeaders={HEADERS}, Signature={}", hex(&signature))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}
