//! Frames of HTTP/2, written by hand (RFC 9113, 4.1 and 6): no library would send what these tests need.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
/// No type that anybody knows.
pub(super) const UNKNOWN: u8 = 0xfa;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// The client's preface, before its first frame.
const PREFACE: usize = 24;

/// `:status: 200`, from the static table; `:status: 100`, as a literal that is not indexed (RFC 7541, 6).
pub(super) const STATUS_200: &[u8] = &[0x88];
pub(super) const STATUS_100: &[u8] = &[0x08, 3, b'1', b'0', b'0'];

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The server's own preface.
pub(super) fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

/// `:status: 200`, one field of 4,000 bytes, which the dynamic table takes in, and that field again and again, in a byte
/// each.
pub(super) fn amplified(times: usize) -> Vec<u8> {
    let mut block = STATUS_200.to_vec();
    // A literal with a new name, indexed: `a` and a value whose length, 4,000, is 127 and 3,873 in two bytes of seven bits.
    block.extend([0x40, 1, b'a', 0x7f, 0x80 | (3_873 % 128) as u8, (3_873 / 128) as u8]);
    block.extend([b'b'; 4_000]);
    block.extend(std::iter::repeat_n(0xbe, times));
    block
}

/// Whether what a client sent holds the head of a request.
pub(super) fn holds_a_request(sent: &[u8]) -> bool {
    let mut at = PREFACE;
    while let Some(head) = sent.get(at..at + 9) {
        if head[3] == HEADERS {
            return true;
        }
        at += 9 + usize::from(head[1]) * 256 + usize::from(head[2]);
    }
    false
}
