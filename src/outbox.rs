//! What was sent and not yet acknowledged, in order and bounded.

use std::collections::VecDeque;

/// The queue is at its limit; nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("outbox is full")]
pub struct Full;

/// An ordered, bounded queue of items that stay until their id is acknowledged.
#[derive(Clone, Debug)]
pub struct Outbox<K, V> {
    limit: usize,
    items: VecDeque<(K, V)>,
}

impl<K: PartialEq + Copy, V> Outbox<K, V> {
    /// An empty outbox that holds at most `limit` items.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, items: VecDeque::new() }
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    /// [`Full`] at the limit; the caller decides what the person is told.
    pub fn push(&mut self, id: K, item: V) -> Result<(), Full> {
        if self.items.len() >= self.limit {
            return Err(Full);
        }
        self.items.push_back((id, item));
        Ok(())
    }

    /// Removes the item with this id and returns it; `None` if it is not here (an acknowledgement that came twice).
    pub fn ack(&mut self, id: K) -> Option<V> {
        let at = self.items.iter().position(|(key, _)| *key == id)?;
        self.items.remove(at).map(|(_, item)| item)
    }

    /// Gives an item another id; it keeps its place.
    pub fn rename(&mut self, id: K, new: K) {
        if let Some((key, _)) = self.items.iter_mut().find(|(key, _)| *key == id) {
            *key = new;
        }
    }

    /// What still waits, oldest first.
    pub fn pending(&self) -> impl Iterator<Item = &(K, V)> {
        self.items.iter()
    }

    /// The same, to change them.
    pub fn pending_mut(&mut self) -> impl Iterator<Item = &mut (K, V)> {
        self.items.iter_mut()
    }

    /// The item with this id, to change it.
    pub fn get_mut(&mut self, id: K) -> Option<&mut V> {
        self.items.iter_mut().find(|(key, _)| *key == id).map(|(_, item)| item)
    }

    /// How many items wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_wait_in_order_until_acknowledged() {
        let mut outbox = Outbox::new(3);
        for id in 1..=3 {
            assert_eq!(outbox.push(id, id * 10), Ok(()));
        }
        assert_eq!(outbox.push(4, 40), Err(Full));
        assert_eq!(outbox.ack(2), Some(20));
        assert_eq!(outbox.ack(2), None);
        assert_eq!(outbox.pending().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3]);
        outbox.rename(1, 7);
        assert_eq!(outbox.pending().copied().collect::<Vec<_>>(), [(7, 10), (3, 30)]);
        outbox.clear();
        assert!(outbox.is_empty());
    }
}
