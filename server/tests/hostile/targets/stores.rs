//! What stands in Redis: rows of a log and entries of a queue, written by another version, another program, or nobody.

use holdfast::wire::Entry;
use server::redis::{log::parse_row, queue::record_of};

/// Lines: the id of a row, then names and values in turn.
pub(super) fn redis_records(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').map(str::to_owned);
    let id = lines.next().unwrap_or_default();
    let fields: Vec<String> = lines.collect();

    // What cannot be read still has its place: a log has no holes.
    let number = id.split('-').next().and_then(|seq| seq.parse::<u64>().ok());
    let row = (id, fields);
    let read = parse_row(&row);
    assert_eq!(read.as_ref().map(|(seq, _)| *seq), number);
    if let Some((_, entry)) = read {
        let written = serde_json::to_string(&entry).expect("an entry");
        let again = parse_row(&("7-0".to_owned(), vec!["v".to_owned(), written]));
        assert_eq!(again, Some((7, entry)));
    }

    let pairs: Vec<(&str, String)> =
        row.1.as_chunks::<2>().0.iter().map(|[name, value]| (name.as_str(), value.clone())).collect();
    match record_of(&pairs) {
        Ok(record) => {
            let again = [
                ("room", record.room.to_string()),
                ("epoch", record.offset.epoch.to_string()),
                ("seq", record.offset.seq.to_string()),
                ("v", serde_json::to_string::<Entry>(&record.entry).expect("an entry")),
            ];
            assert_eq!(record_of(&again), Ok(record));
        }
        Err(payload) => {
            let shown = payload.chars().count();
            assert!(shown <= 500, "{shown} characters for an operator to read");
        }
    }
}
