//! What people are called: why a name is refused, and how people of the same name are told apart.

use super::Session;
use super::people::Person;
use crate::id::PeerId;
use crate::view::numbered;
use crate::wire::{Name, TextError};

/// Why this name cannot be used, in words.
pub(super) const fn problem(error: TextError) -> &'static str {
    match error {
        TextError::Empty => "Please enter a name.",
        TextError::TooLong => "That name is too long: a name has up to 40 characters.",
        TextError::Unseen | TextError::Character => "Nobody could see that name. Please enter another.",
    }
}

impl Person {
    /// Their name, told apart from others of the same name.
    pub(super) fn shown(&self) -> String {
        numbered(self.name.as_str(), self.number)
    }
}

impl Session {
    /// The number of somebody new: the least that nobody of the same name has. One's own name is the first of its kind.
    pub(super) fn free_number(&self, name: &Name) -> usize {
        let same = |other: &str| other.eq_ignore_ascii_case(name.as_str());
        let taken = |n: usize| self.people.values().any(|person| person.number == n && same(person.name.as_str()));
        let first = 1 + usize::from(same(&self.name));
        (first..).find(|n| !taken(*n)).unwrap_or(first)
    }

    /// The number of whoever has this seat.
    pub(super) fn number_of(&self, peer: PeerId) -> usize {
        self.people.get(&peer).map_or(1, |person| person.number)
    }
}
