//! A request as it came over the wire.

/// The headers, and the body byte for byte.
pub(super) struct Request<'a> {
    headers: Vec<(String, String)>,
    pub(super) body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads headers, an empty line and the body. A request line may come first; lines end as in HTTP, or as in a text file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let (head, body) = split(bytes).ok_or("there is no empty line between headers and body")?;
        let head = std::str::from_utf8(head).map_err(|_| "the headers are no text")?;
        let mut headers = Vec::new();
        for (number, line) in head.lines().enumerate() {
            match line.split_once(':') {
                Some((name, value)) if is_name(name) => {
                    headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                _ if number == 0 => {}
                _ => return Err("a line of the headers is not `Name: value`"),
            }
        }
        if headers.is_empty() {
            return Err("it has no headers");
        }
        Ok(Self { headers, body })
    }

    /// The first header of a name, which is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn needs_secret(&self) -> bool {
        self.header("webhook-signature").is_some() || self.header("teller-signature").is_some()
    }

    pub(super) fn needs_keys(&self) -> bool {
        self.header("plaid-verification").is_some() || self.header("moneykit-signature").is_some()
    }
}

/// A token of HTTP: `POST /a HTTP/1.1` and `http://…` are none.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// What stands before the first empty line, and what after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut start = 0;
    for (place, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if matches!(&bytes[start..place], b"" | b"\r") {
            return Some((&bytes[..start], &bytes[place + 1..]));
        }
        start = place + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_stays_as_it_is() {
        for (wire, body) in [
            ("POST /hook HTTP/1.1\r\nHost: a:1\r\nX-A:  b \r\n\r\n{\"a\":\r\n\r\n1}\n", "{\"a\":\r\n\r\n1}\n"),
            ("x-a: b\n\nbody", "body"),
            ("x-a: b\r\n\r\n", ""),
        ] {
            let request = Request::parse(wire.as_bytes()).unwrap();
            assert_eq!((request.header("x-a"), request.body), (Some("b"), body.as_bytes()), "{wire:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for wire in ["", "{\"a\": 1}", "POST /hook HTTP/1.1\n\nbody", "a: b\nnonsense\n\n"] {
            assert!(Request::parse(wire.as_bytes()).is_err(), "{wire:?}");
        }
    }
}
