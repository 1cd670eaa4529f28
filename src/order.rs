//! Short lists in order. A general sort costs a page kilobytes for each kind of list.

/// Puts an item behind all those that are not greater.
pub fn put<T, K: Ord>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    let place = list.partition_point(|known| key(known) <= key(&item));
    list.insert(place, item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_in_order_and_equal_ones_in_the_order_they_came() {
        let mut list = vec![];
        for item in [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (1, 'e')] {
            put(&mut list, item, |(key, _)| *key);
        }
        assert_eq!(list, [(1, 'b'), (1, 'e'), (2, 'd'), (3, 'a'), (3, 'c')]);
    }
}
