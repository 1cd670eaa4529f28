//! What stands before the relay: every datagram is judged here before the TURN library sees it.
//!
//! The library authenticates and relays; it has no peer filter, no quota, keeps a nonce for every stranger and answers
//! a bad credential with 400. So challenges, refusals and quotas are ours, and only what passes goes on.

use super::addresses::is_public;
use super::answers::Answers;
use super::credentials::{Credentials, hmac_sha1, owner};
use super::shares;
use crate::throttle::subscriber;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use holdfast::Millis;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use stun::attributes::{
    ATTR_EVEN_PORT, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_RESERVATION_TOKEN, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, AttrType, Attributes,
};
use stun::error_code::{
    CODE_ADDR_FAMILY_NOT_SUPPORTED, CODE_ALLOC_QUOTA_REACHED, CODE_BAD_REQUEST, CODE_FORBIDDEN,
    CODE_INSUFFICIENT_CAPACITY, CODE_STALE_NONCE, CODE_UNAUTHORIZED, ErrorCode,
};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, Getter, METHOD_ALLOCATE, METHOD_BINDING,
    METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageType, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute};
use stun::xoraddr::XorMappedAddress;
use turn::allocation::AllocationInfo;
use turn::allocation::five_tuple::FiveTuple;
use turn::proto::chandata::ChannelData;
use turn::proto::channum::ChannelNumber;

/// A nonce is good for this long.
const NONCE_S: u64 = 3_600;

/// What to do with a datagram.
pub enum Verdict {
    /// Give it to the library; a request comes with the nonce it was made with.
    Pass(Option<String>),
    /// Say nothing.
    Drop,
    /// Answer this.
    Reply(Vec<u8>),
    /// Give it to the library unless the owner has as many allocations as the quota allows; else answer this.
    Allocate {
        /// Room and seat.
        owner: String,
        /// What the request was made with.
        nonce: String,
        /// The answer that says no.
        refusal: Vec<u8>,
    },
}

/// The rules.
pub struct Guard {
    credentials: Credentials,
    nonce_key: [u8; 32],
    /// Our own addresses, one a family.
    public: Vec<IpAddr>,
    ports: RangeInclusive<u16>,
    quota: usize,
    answers: Answers,
}

impl Guard {
    /// A guard of a relay with these addresses and ports. An owner may have so many allocations.
    #[must_use]
    pub fn new(credentials: Credentials, public: Vec<IpAddr>, ports: RangeInclusive<u16>, quota: usize) -> Self {
        Self { credentials, nonce_key: rand::random(), public, ports, quota, answers: Answers::new() }
    }

    pub(super) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Whether the relay may exchange datagrams with this address.
    pub(super) fn allows(&self, peer: SocketAddr) -> bool {
        self.may_permit(peer.ip())
            && peer.port() != 0
            && (!self.public.contains(&peer.ip()) || self.ports.contains(&peer.port()))
    }

    /// Whether an address may be a peer at all. Our own network is not for strangers: what is private in IPv4 has public
    /// addresses in IPv6.
    fn may_permit(&self, ip: IpAddr) -> bool {
        let near = |own: &IpAddr| own.is_ipv6() && subscriber(*own) == subscriber(ip);
        is_public(ip) && (self.public.contains(&ip) || !self.public.iter().any(near))
    }

    /// Whether an owner has all the allocations it may have. A repeated request for one that exists is not counted.
    pub(super) fn is_over_quota(
        &self,
        allocations: &HashMap<FiveTuple, AllocationInfo>,
        from: SocketAddr,
        asking: &str,
    ) -> bool {
        shares::is_over(allocations, from, asking, self.quota)
    }

    /// Judges a datagram.
    #[must_use]
    pub fn judge(&self, datagram: &[u8], from: SocketAddr, now: Millis) -> Verdict {
        if ChannelData::is_channel_data(datagram) {
            return Verdict::Pass(None);
        }
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() {
            return Verdict::Drop;
        }
        match (message.typ.class, message.typ.method) {
            (CLASS_INDICATION, METHOD_SEND) => {
                let allowed =
                    peers(&message).is_ok_and(|all| !all.is_empty() && all.iter().all(|one| self.allows(*one)));
                if allowed { Verdict::Pass(None) } else { Verdict::Drop }
            }
            (CLASS_REQUEST, METHOD_BINDING) => self.if_answered(from, now, || Verdict::Pass(None)),
            (CLASS_REQUEST, METHOD_ALLOCATE | METHOD_REFRESH | METHOD_CREATE_PERMISSION | METHOD_CHANNEL_BIND) => {
                self.judge_request(&message, from, now)
            }
            _ => Verdict::Drop,
        }
    }

    /// Who proves nothing is answered only so often.
    fn if_answered(&self, from: SocketAddr, now: Millis, answer: impl FnOnce() -> Verdict) -> Verdict {
        if self.answers.take(from.ip(), now) {
            return answer();
        }
        metrics::counter!("holdfast_relay_dropped_total", "why" => "unproven").increment(1);
        Verdict::Drop
    }

    fn judge_request(&self, request: &Message, from: SocketAddr, now: Millis) -> Verdict {
        let now_s = now.as_unix() / 1_000;
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return self.challenge(request, CODE_UNAUTHORIZED, from, now);
        }
        let text = |attr: AttrType| TextAttribute::get_from_as(request, attr).map(|found| found.text);
        let (Ok(user), Ok(realm), Ok(nonce)) = (text(ATTR_USERNAME), text(ATTR_REALM), text(ATTR_NONCE)) else {
            return self.if_answered(from, now, || refuse(request, CODE_BAD_REQUEST, None));
        };
        if !self.nonce_is_good(&nonce, from, now_s) {
            return self.challenge(request, CODE_STALE_NONCE, from, now);
        }
        let Some(key) = self.credentials.key_of(&user, &realm, now_s) else {
            return self.challenge(request, CODE_UNAUTHORIZED, from, now);
        };
        if MessageIntegrity(key.clone()).check(&mut request.clone()).is_err() {
            return self.challenge(request, CODE_UNAUTHORIZED, from, now);
        }
        match request.typ.method {
            METHOD_CREATE_PERMISSION => self.judge_peers(request, &key, nonce, |peer| self.may_permit(peer.ip())),
            METHOD_CHANNEL_BIND => {
                let mut number = ChannelNumber::default();
                if number.get_from(request).is_err() || !number.valid() {
                    return refuse(request, CODE_BAD_REQUEST, Some(&key));
                }
                self.judge_peers(request, &key, nonce, |peer| self.allows(peer))
            }
            METHOD_ALLOCATE => self.judge_allocate(request, &key, &user, nonce),
            _ => Verdict::Pass(Some(nonce)),
        }
    }

    /// Every peer of the request counts, not only the first, which is the one the library would read.
    fn judge_peers(
        &self,
        request: &Message,
        key: &[u8],
        nonce: String,
        allowed: impl Fn(SocketAddr) -> bool,
    ) -> Verdict {
        match peers(request) {
            Ok(all) if all.is_empty() => refuse(request, CODE_BAD_REQUEST, Some(key)),
            Ok(all) if all.iter().all(|peer| allowed(*peer)) => Verdict::Pass(Some(nonce)),
            Ok(_) => refuse(request, CODE_FORBIDDEN, Some(key)),
            Err(_) => refuse(request, CODE_BAD_REQUEST, Some(key)),
        }
    }

    fn challenge(&self, request: &Message, code: ErrorCode, from: SocketAddr, now: Millis) -> Verdict {
        self.if_answered(from, now, || {
            let extra: Vec<Box<dyn Setter>> = vec![
                Box::new(Nonce::new(ATTR_NONCE, self.nonce(from, now.as_unix() / 1_000))),
                Box::new(Realm::new(ATTR_REALM, self.credentials.realm().to_owned())),
            ];
            count_refusal(code);
            error_response(request, code, extra, None).map_or(Verdict::Drop, Verdict::Reply)
        })
    }

    fn judge_allocate(&self, request: &Message, key: &[u8], user: &str, nonce: String) -> Verdict {
        if request.contains(ATTR_EVEN_PORT) || request.contains(ATTR_RESERVATION_TOKEN) {
            return refuse(request, CODE_INSUFFICIENT_CAPACITY, Some(key));
        }
        if let Ok(family) = request.get(ATTR_REQUESTED_ADDRESS_FAMILY) {
            let has = |family: fn(&IpAddr) -> bool| self.public.iter().any(family);
            let known = match family.first() {
                Some(1) => has(IpAddr::is_ipv4),
                Some(2) => has(IpAddr::is_ipv6),
                Some(_) | None => false,
            };
            if !known {
                return refuse(request, CODE_ADDR_FAMILY_NOT_SUPPORTED, Some(key));
            }
        }
        match error_response(request, CODE_ALLOC_QUOTA_REACHED, vec![], Some(key)) {
            Some(refusal) => Verdict::Allocate { owner: owner(user).to_owned(), nonce, refusal },
            None => Verdict::Drop,
        }
    }

    /// A nonce that nobody has to remember: its time, signed for the address it was given to.
    fn nonce(&self, from: SocketAddr, now_s: u64) -> String {
        let mac = hmac_sha1(&self.nonce_key, format!("{now_s}|{from}").as_bytes());
        format!("{now_s:x}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
    }

    fn nonce_is_good(&self, nonce: &str, from: SocketAddr, now_s: u64) -> bool {
        let made_s = nonce.split_once('.').and_then(|(time, _)| u64::from_str_radix(time, 16).ok());
        made_s.is_some_and(|made_s| {
            now_s.checked_sub(made_s).is_some_and(|age| age < NONCE_S) && self.nonce(from, made_s) == nonce
        })
    }
}

/// Every XOR-PEER-ADDRESS of a message, decoded the way the library decodes the first.
fn peers(message: &Message) -> Result<Vec<SocketAddr>, stun::Error> {
    let all = message.attributes.0.iter().filter(|attribute| attribute.typ == ATTR_XOR_PEER_ADDRESS);
    all.map(|attribute| {
        let attributes = Attributes(vec![attribute.clone()]);
        let one = Message { transaction_id: message.transaction_id, attributes, ..Default::default() };
        let mut address = XorMappedAddress::default();
        address.get_from_as(&one, ATTR_XOR_PEER_ADDRESS)?;
        Ok(SocketAddr::new(address.ip, address.port))
    })
    .collect()
}

/// Counts an answer that says no.
pub(super) fn count_refusal(code: ErrorCode) {
    metrics::counter!("holdfast_relay_refused_total", "code" => code.0.to_string()).increment(1);
}

fn refuse(request: &Message, code: ErrorCode, key: Option<&[u8]>) -> Verdict {
    count_refusal(code);
    error_response(request, code, vec![], key).map_or(Verdict::Drop, Verdict::Reply)
}

fn error_response(
    request: &Message,
    code: ErrorCode,
    extra: Vec<Box<dyn Setter>>,
    key: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let mut parts: Vec<Box<dyn Setter>> = vec![
        Box::new(request.transaction_id),
        Box::new(MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE)),
        Box::new(code),
    ];
    parts.extend(extra);
    if let Some(key) = key {
        parts.push(Box::new(MessageIntegrity(key.to_vec())));
    }
    parts.push(Box::new(FINGERPRINT)); // Last: it covers what comes before it.
    let mut response = Message::new();
    response.build(&parts).ok()?;
    Some(response.raw)
}
