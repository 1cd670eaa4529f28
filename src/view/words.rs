//! How times, names and messages are put into words.

use crate::time::Millis;
use crate::wire::first_sign;

const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn local_minutes(at: Millis, utc_offset_min: i32) -> u64 {
    (at.as_unix() / 60_000).saturating_add_signed(i64::from(utc_offset_min))
}

/// The time of day on the person's clock, such as `14:05`.
#[must_use]
pub fn clock_text(at: Millis, utc_offset_min: i32) -> String {
    let minutes = local_minutes(at, utc_offset_min) % 1_440;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Which day it is on the person's clock: days since 1 January 1970.
#[must_use]
pub fn day_of(at: Millis, utc_offset_min: i32) -> u64 {
    local_minutes(at, utc_offset_min) / 1_440
}

/// A day in words, such as `Wednesday, 25 November 2026`.
#[must_use]
pub fn day_text(day: u64) -> String {
    let (year, month, of_month) = date(day);
    format!("{}, {of_month} {} {year}", DAYS[(day % 7) as usize], MONTHS[month - 1])
}

/// A time as machines read it, such as `2026-11-25T16:53Z`.
#[must_use]
pub fn machine_time(at: Millis) -> String {
    let (year, month, of_month) = date(day_of(at, 0));
    format!("{year:04}-{month:02}-{of_month:02}T{}Z", clock_text(at, 0))
}

/// Year, month and day of the month: Howard Hinnant's `civil_from_days`, for days since 1970.
const fn date(day: u64) -> (u64, usize, u64) {
    let days = day + 719_468; // From 1 March of year 0, where years end with the leap day.
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + (month <= 2) as u64, month as usize, of_month)
}

/// A name, told apart from others of the same name: `Ana`, `Ana (2)`.
#[must_use]
pub fn numbered(name: &str, number: usize) -> String {
    if number < 2 { name.to_owned() } else { format!("{name} ({number})") }
}

/// Up to two letters that stand for a name, or one sign where it has no letters. The page writes them in capitals.
#[must_use]
pub fn initials(name: &str) -> String {
    let (mut first, mut last, mut other) = ("", "", "");
    for whole in name.split_whitespace() {
        let word = whole.trim_start_matches(|c: char| c.is_ascii_punctuation());
        let sign = first_sign(word);
        if !word.starts_with(is_spelled) {
            other = if other.is_empty() { sign } else { other };
        } else if whole.starts_with('(') {
            other = sign; // What stands in brackets says more of the person than of the name.
        } else if first.is_empty() {
            first = sign;
        } else {
            last = sign;
        }
    }
    if first.is_empty() {
        first = other;
    }
    // Arabic letters would join into a word; this keeps them apart and shows nothing.
    let apart = if last.starts_with(|c| ('\u{600}'..='\u{8FF}').contains(&c)) { "\u{200C}" } else { "" };
    [first, apart, last].concat().to_ascii_uppercase()
}

/// Whether it is a letter or a digit rather than an emoji or punctuation, as far as ranges tell.
const fn is_spelled(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '\u{C0}'..='\u{1FFF}' | '\u{2C00}'..='\u{2DFF}' | '\u{3040}'..='\u{D7FF}' | '\u{F900}'..='\u{FDFF}' | '\u{FE70}'..='\u{FFDC}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_initials_read_well() {
        assert_eq!(clock_text(Millis::from_unix(3_600_000 * 23), 90), "00:30");
        assert_eq!(clock_text(Millis::from_unix(60_000), -120), "00:00");
        assert_eq!(initials("ana maria lópez"), "AL");
        assert_eq!((initials("bo"), initials("")), ("B".into(), String::new()));
        for (name, letters) in [
            ("🇩🇪 Jörg", "J"),
            ("👩\u{200D}👩\u{200D}👧\u{200D}👦 Family", "F"),
            ("👩\u{200D}👩\u{200D}👧\u{200D}👦", "👩\u{200D}👩\u{200D}👧\u{200D}👦"),
            ("🇩🇪", "🇩🇪"),
            ("(Ana)", "A"),
            ("Ana (Berlin)", "A"),
            ("Ana Maria (Berlin)", "AM"),
            ("e\u{301}lise", "E\u{301}"),
            ("محمد علي", "م\u{200C}ع"),
            ("...", ""),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }

    #[test]
    fn days_are_told_by_the_persons_clock() {
        let at = Millis::from_unix(1_795_627_980_000); // 2026-11-25T17:33Z
        assert_eq!(machine_time(at), "2026-11-25T17:33Z");
        assert_eq!(day_text(day_of(at, 60)), "Wednesday, 25 November 2026");
        assert_eq!(day_text(day_of(at, 7 * 60)), "Thursday, 26 November 2026");
        assert_eq!(day_text(0), "Thursday, 1 January 1970");
        assert_eq!(machine_time(Millis::from_unix(951_782_400_000)), "2000-02-29T00:00Z");
        assert_eq!((numbered("Ana", 1), numbered("Ana", 3)), ("Ana".into(), "Ana (3)".into()));
    }
}
