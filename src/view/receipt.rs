//! What happened in a call, as the page shows it when the call is over.

use serde::Serialize;

/// Something that was wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interruption {
    /// Whose media did not come, or that it was the server.
    pub what: String,
    /// How long after the beginning of the call.
    pub after_ms: u64,
    /// How long it took.
    pub ms: u64,
}

/// The account of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// When it began, in milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// How long it was.
    pub duration_ms: u64,
    /// How often something was wrong.
    pub interruptions: u32,
    /// The first hundred of them.
    pub details: Vec<Interruption>,
    /// How long nobody could be heard though somebody was there.
    pub silent_ms: u64,
    /// The share of the connected time that went through a relay.
    pub relay_percent: u64,
    /// Messages that were sent again.
    pub resent: u32,
}

impl Receipt {
    /// The lines a person reads.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let times = match self.interruptions {
            0 => "Nothing interrupted it.".to_owned(),
            1 => "One interruption.".to_owned(),
            n => format!("{n} interruptions."),
        };
        let longest = self.details.iter().max_by_key(|one| one.ms).filter(|one| one.ms >= 100);
        let longest = longest.map(|one| format!("The longest: {}, {}.", one.what, span(one.ms)));
        let silent = (self.silent_ms >= 1_000).then(|| format!("Without sound for {}.", span(self.silent_ms)));
        let relay = (self.relay_percent > 0).then(|| format!("{} % of the time through a relay.", self.relay_percent));
        let resent = (self.resent > 0).then(|| format!("Messages sent again: {}; none was lost.", self.resent));
        let first = format!("The call took {}.", span(self.duration_ms));
        [Some(first), Some(times), longest, silent, relay, resent].into_iter().flatten().collect()
    }

    /// The address of the receipt as a file: all of it as JSON.
    #[must_use]
    pub fn file(&self) -> String {
        let json = serde_json::to_string(self).expect("a receipt holds only strings and numbers");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b',');
        let encoded =
            json.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") });
        format!("data:application/json,{}", encoded.collect::<String>())
    }
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        0 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        s @ 1..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_by_people_and_by_programs() {
        let broken = Interruption { what: "Ana & Bo".into(), after_ms: 5_000, ms: 2_400 };
        let receipt = Receipt {
            began_ms: 1,
            duration_ms: 125_000,
            interruptions: 1,
            details: vec![broken],
            silent_ms: 0,
            relay_percent: 40,
            resent: 2,
        };
        assert_eq!(
            receipt.lines(),
            [
                "The call took 2 min 5 s.",
                "One interruption.",
                "The longest: Ana & Bo, 2 s.",
                "40 % of the time through a relay.",
                "Messages sent again: 2; none was lost."
            ]
        );
        let file = receipt.file();
        assert!(
            file.starts_with("data:application/json,%7B") && file.contains("Ana%20%26%20Bo") && !file.contains('"')
        );
    }
}
