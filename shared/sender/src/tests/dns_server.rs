//! A name server whose answers change as a test wants them to.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// All addresses of the name, of either family, and their time to live in seconds.
    Addresses(Vec<IpAddr>, u32),
    NoSuchName,
    Silence,
}

pub(super) struct DnsServer {
    pub(super) address: SocketAddr,
    reply: Arc<Mutex<Reply>>,
    /// Names and record types that were asked for.
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

const A: u16 = 1;
const AAAA: u16 = 28;

impl DnsServer {
    pub(super) async fn start(first: Reply) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let reply = Arc::new(Mutex::new(first));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (replies, questions) = (Arc::clone(&reply), Arc::clone(&asked));
        tokio::spawn(async move {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                let (name, kind, end) = question(&packet[..length]);
                questions.lock().unwrap().push((name, kind));
                let reply = replies.lock().unwrap().clone();
                if let Some(answer) = answer(&packet[..end], kind, &reply) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, reply, asked }
    }

    /// With these addresses and a TTL of 0, which nobody may keep.
    pub(super) async fn with(addresses: &[&str]) -> Self {
        Self::start(fleeting(addresses)).await
    }

    pub(super) fn change(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// How many questions of each family were asked.
    pub(super) fn questions(&self) -> (usize, usize) {
        let asked = self.asked.lock().unwrap();
        let count = |wanted| asked.iter().filter(|(_, kind)| *kind == wanted).count();
        (count(A), count(AAAA))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }
}

pub(super) fn fleeting(addresses: &[&str]) -> Reply {
    Reply::Addresses(addresses.iter().map(|text| text.parse().unwrap()).collect(), 0)
}

/// The name and type of a packet's question, and where the question ends (RFC 1035, 4.1.2).
fn question(packet: &[u8]) -> (String, u16, usize) {
    let (mut at, mut labels) = (12, Vec::new());
    while packet[at] != 0 {
        let length = usize::from(packet[at]);
        labels.push(String::from_utf8_lossy(&packet[at + 1..at + 1 + length]).to_lowercase());
        at += 1 + length;
    }
    (labels.join("."), u16::from_be_bytes([packet[at + 1], packet[at + 2]]), at + 5)
}

fn answer(question: &[u8], kind: u16, reply: &Reply) -> Option<Vec<u8>> {
    let (addresses, ttl, code): (&[IpAddr], u32, u8) = match reply {
        Reply::Addresses(addresses, ttl) => (addresses, *ttl, 0),
        Reply::NoSuchName => (&[], 0, 3),
        Reply::Silence => return None,
    };
    let wanted: Vec<&IpAddr> = addresses.iter().filter(|ip| kind == if ip.is_ipv4() { A } else { AAAA }).collect();
    let mut packet = question.to_vec();
    // A response, recursion desired and available; one question, the answers, nothing else.
    packet[2..4].copy_from_slice(&[0x81, 0x80 | code]);
    packet[4..12].copy_from_slice(&[0, 1, 0, u8::try_from(wanted.len()).unwrap(), 0, 0, 0, 0]);
    for address in wanted {
        // The name is the question's, at byte 12; the class is Internet.
        packet.extend([0xc0, 12]);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1]);
        packet.extend(ttl.to_be_bytes());
        match address {
            IpAddr::V4(v4) => packet.extend([&[0, 4][..], &v4.octets()].concat()),
            IpAddr::V6(v6) => packet.extend([&[0, 16][..], &v6.octets()].concat()),
        }
    }
    Some(packet)
}
