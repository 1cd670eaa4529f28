//! The archive in MongoDB, or what speaks its protocol.
//!
//! It is right without transactions: inserts are unordered, a duplicate key means 'already there' (unique `(room, id)`
//! and `(room, epoch, seq)`), messages go in before the room's head, the head only grows. Where the server offers
//! transactions a batch is one, and leaves out first what is there. Both ways end in the same documents.

mod documents;

use super::{Answer, Archive, Deleted, Known, RoomRecord, StoreError, Tombstone};
use crate::dependency::{DEADLINE, Dependency};
use crate::log::LogError;
use crate::queue::{Record, short};
use documents::{
    DUPLICATE, EntryDoc, GoneDoc, RoomDoc, head_text, head_update, heads, is_refusal, missing, number, reason,
    tombstone,
};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use holdfast::wire::{Entry, Name};
use holdfast::{ChatId, Millis, Offset, RoomId};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR};
use mongodb::options::{ClientOptions, IndexOptions, ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession, Collection, Database, IndexModel};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Tries of one transaction that met another.
const TRIES: usize = 3;

/// The archive. Cheap to clone.
#[derive(Clone)]
pub struct MongoArchive {
    client: Client,
    db: Database,
    entries: Collection<EntryDoc>,
    rooms: Collection<RoomDoc>,
    gone: Collection<GoneDoc>,
    dependency: Dependency,
    /// Whether the server offers transactions; asked once, when the indexes are made.
    ready: Arc<OnceCell<bool>>,
}

impl MongoArchive {
    /// Reads the URL; nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with it, without the password that may be in it.
    pub async fn new(uri: &str) -> Result<Self, String> {
        let parsed = tokio::time::timeout(Duration::from_secs(10), ClientOptions::parse(uri)).await;
        let mut options = parsed
            .map_err(|_| "MONGODB_URI: its name could not be looked up in time".to_owned())?
            .map_err(|_| "MONGODB_URI: not a MongoDB URL (mongodb://host:27017/holdfast)".to_owned())?;
        options.app_name = Some("holdfast".into());
        options.server_selection_timeout = Some(DEADLINE);
        options.connect_timeout = Some(DEADLINE);
        options.max_pool_size.get_or_insert(16);
        options.write_concern = Some(WriteConcern::majority());
        let db = options.default_database.clone().unwrap_or_else(|| "holdfast".into());
        let client = Client::with_options(options).map_err(|_| "MONGODB_URI: its options contradict each other")?;
        let db = client.database(&db);
        Ok(Self {
            client,
            entries: db.collection("entries"),
            rooms: db.collection("rooms"),
            gone: db.collection("gone"),
            db,
            dependency: Dependency::new("mongodb"),
            ready: Arc::default(),
        })
    }

    /// Its breaker.
    #[must_use]
    pub const fn dependency(&self) -> &Dependency {
        &self.dependency
    }

    /// Whether it answers now.
    pub async fn ping(&self) -> bool {
        self.dependency.ask(self.db.run_command(doc! { "ping": 1 }).into_future()).await.is_ok()
    }

    /// Makes the indexes, once, and answers whether there are transactions.
    async fn ready(&self) -> Result<bool, Error> {
        let made = self.ready.get_or_try_init(|| async {
            // One at a time and only what is missing: nodes start together, and not every server takes that well.
            let names = self.entries.list_index_names().await.unwrap_or_default();
            for (name, keys) in
                [("room_id", doc! { "room": 1, "id": 1 }), ("room_place", doc! { "room": 1, "epoch": 1, "seq": 1 })]
            {
                if !names.iter().any(|known| known == name) {
                    let options = IndexOptions::builder().unique(true).name(name.to_owned()).build();
                    self.entries.create_index(IndexModel::builder().keys(keys).options(options).build()).await?;
                }
            }
            self.gone.create_index(IndexModel::builder().keys(doc! { "room": 1 }).build()).await?;
            self.rooms.create_index(IndexModel::builder().keys(doc! { "unused_since": 1 }).build()).await?;
            let hello = self.db.run_command(doc! { "hello": 1 }).await?;
            Ok(hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid"))
        });
        made.await.copied()
    }

    fn ask<T, F>(&self, question: impl FnOnce(Self) -> F + Send + 'static) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send,
    {
        let this = self.clone();
        async move {
            let dependency = this.dependency.clone();
            let answer = dependency.ask(async {
                this.ready().await?;
                question(this).await
            });
            answer.await.map_err(|_| LogError::Away)
        }
        .boxed()
    }

    async fn tombstones(&self, records: &[Record]) -> Result<Vec<Tombstone>, Error> {
        let rooms: BTreeSet<&str> = records.iter().map(|record| record.room.as_str()).collect();
        let rooms: Vec<&str> = rooms.into_iter().collect();
        let found: Vec<GoneDoc> = self.gone.find(doc! { "room": { "$in": rooms } }).await?.try_collect().await?;
        Ok(found.into_iter().filter_map(tombstone).collect())
    }

    /// What is stored already at the places of these, or under their ids.
    async fn stored(&self, records: &[Record]) -> Result<Vec<EntryDoc>, Error> {
        type Wanted = (Vec<i64>, Vec<String>);
        let mut groups: BTreeMap<(&str, u64), Wanted> = BTreeMap::new();
        for record in records {
            let (seqs, ids) = groups.entry((record.room.as_str(), record.offset.epoch.number())).or_default();
            seqs.push(number(record.offset.seq));
            ids.push(EntryDoc::from(record).id);
        }
        if groups.is_empty() {
            return Ok(vec![]);
        }
        // One question for all rooms: many rooms must not cost many round trips.
        let any = groups.into_iter().flat_map(|((room, epoch), (seqs, ids))| {
            let by_place = doc! { "room": room, "epoch": number(epoch), "seq": { "$in": seqs } };
            [by_place, doc! { "room": room, "id": { "$in": ids } }]
        });
        let any: Vec<Document> = any.collect();
        self.entries.find(doc! { "$or": any }).await?.try_collect().await
    }

    /// Moves the heads of all these rooms in one command.
    async fn move_heads(&self, records: &[Record], mut session: Option<&mut ClientSession>) -> Result<(), Error> {
        let heads = heads(records);
        if heads.is_empty() {
            return Ok(());
        }
        let update = |(room, head, at): &(String, Offset, Millis)| doc! { "q": { "_id": room }, "u": head_update(*head, *at), "upsert": true };
        let updates: Vec<Document> = heads.iter().map(update).collect();
        let mut command = doc! { "update": self.rooms.name(), "updates": updates, "ordered": false };
        let reply = match session.as_deref_mut() {
            Some(session) => self.db.run_command(command).session(session).await?,
            None => {
                command.insert("writeConcern", doc! { "w": "majority" });
                self.db.run_command(command).await?
            }
        };
        if reply.get_array("writeErrors").is_ok_and(|errors| !errors.is_empty())
            || reply.contains_key("writeConcernError")
        {
            // One by one they say what is wrong, in the driver's own words.
            for (room, head, at) in heads {
                let update = self.rooms.update_one(doc! { "_id": room }, head_update(head, at)).upsert(true);
                match session.as_deref_mut() {
                    Some(session) => update.session(session).await?,
                    None => update.await?,
                };
            }
        }
        Ok(())
    }

    async fn store_batch(&self, records: &[Record]) -> Result<Result<(), String>, Error> {
        let transactions = self.ready().await?;
        let graves = self.tombstones(records).await?;
        let wanted: Vec<Record> =
            records.iter().filter(|record| !graves.iter().any(|grave| grave.covers(record))).cloned().collect();
        let docs: Vec<EntryDoc> = wanted.iter().map(EntryDoc::from).collect();
        let mut inserted = Ok(Ok(()));
        for _ in 0..TRIES {
            inserted = if transactions {
                self.in_transaction(&wanted, docs.clone()).await
            } else {
                self.unordered(&wanted, docs.clone()).await
            };
            // Two workers met at one room's document: that is no outage, and the next try goes through.
            if !inserted.as_ref().is_err_and(|error| error.contains_label(TRANSIENT_TRANSACTION_ERROR)) {
                break;
            }
        }
        match inserted {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => return Ok(Err(refusal)),
            Err(error) if is_refusal(&error) => return Ok(Err(reason(&error))),
            Err(error) => return Err(error),
        }
        // Whatever was deleted between the first look and the insert goes again.
        for grave in self.tombstones(records).await? {
            if records.iter().any(|record| grave.covers(record)) {
                self.delete_covered(&grave).await?;
            }
        }
        Ok(Ok(()))
    }

    /// Inserts what is not there; a place that another entry has is a refusal.
    async fn unordered(&self, records: &[Record], docs: Vec<EntryDoc>) -> Result<Result<(), String>, Error> {
        if !docs.is_empty()
            && let Err(error) = self.entries.insert_many(&docs).ordered(false).await
        {
            let ErrorKind::InsertMany(failure) = &*error.kind else { return Err(error) };
            let writes = failure.write_errors.as_deref().unwrap_or_default();
            if writes.is_empty() || writes.iter().any(|write| write.code != DUPLICATE) {
                return Err(error);
            }
            let doubled: Vec<Record> = writes.iter().filter_map(|write| records.get(write.index)).cloned().collect();
            if let Err(conflict) = missing(&doubled, &self.stored(&doubled).await?) {
                return Ok(Err(conflict));
            }
        }
        self.move_heads(records, None).await?;
        Ok(Ok(()))
    }

    async fn in_transaction(&self, records: &[Record], docs: Vec<EntryDoc>) -> Result<Result<(), String>, Error> {
        let mut fresh = match missing(records, &self.stored(records).await?) {
            Ok(fresh) => fresh,
            Err(conflict) => return Ok(Err(conflict)),
        };
        let docs: Vec<EntryDoc> =
            docs.into_iter().filter(|doc| fresh.remove(&(doc.room.clone(), doc.offset()))).collect();
        let mut session = self.client.start_session().await?;
        session.start_transaction().read_concern(ReadConcern::majority()).await?;
        let done = self.write_in(&mut session, records, &docs).await;
        match done {
            Ok(()) => session.commit_transaction().await?,
            Err(error) => {
                let _ = session.abort_transaction().await;
                return Err(error);
            }
        }
        Ok(Ok(()))
    }

    async fn write_in(&self, session: &mut ClientSession, records: &[Record], docs: &[EntryDoc]) -> Result<(), Error> {
        if !docs.is_empty() {
            self.entries.insert_many(docs).session(&mut *session).await?;
        }
        self.move_heads(records, Some(session)).await
    }

    /// Deletes what a tombstone covers of the entries just stored: at most a batch.
    async fn delete_covered(&self, grave: &Tombstone) -> Result<(), Error> {
        self.entries.delete_many(covered(grave)).await?;
        self.delete_record(grave).await
    }

    /// Deletes the record of a room that was deleted, unless it was used again since.
    async fn delete_record(&self, grave: &Tombstone) -> Result<(), Error> {
        if let Deleted::Room(epoch) = grave.what {
            let until = head_text(Offset { epoch, seq: u64::MAX });
            self.rooms.delete_one(doc! { "_id": grave.room.as_str(), "head": { "$lte": until } }).await?;
        }
        Ok(())
    }

    /// Deletes up to `limit` entries, oldest first; answers how many were found, whoever deleted them.
    async fn delete_some(&self, filter: Document, limit: usize) -> Result<u64, Error> {
        // Only where they are: an entry of a newer version is deleted too.
        let places = self.entries.clone_with_type::<Document>();
        let find = places.find(filter).projection(doc! { "room": 1, "epoch": 1, "seq": 1 });
        let find = find.sort(doc! { "epoch": 1, "seq": 1 }).limit(number(limit as u64));
        let doomed: Vec<Document> = find.await?.try_collect().await?;
        let found = doomed.len() as u64;
        let mut by_epoch: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
        for doc in doomed {
            let place = (doc.get_str("room"), doc.get_i64("epoch"), doc.get_i64("seq"));
            if let (Ok(room), Ok(epoch), Ok(seq)) = place {
                by_epoch.entry((room.to_owned(), epoch)).or_default().push(seq);
            }
        }
        for ((room, epoch), seqs) in by_epoch {
            let filter = doc! { "room": room, "epoch": epoch, "seq": { "$in": seqs } };
            self.entries.delete_many(filter).await?;
        }
        Ok(found)
    }

    fn messages(&self, filter: Document, newest: bool, limit: usize) -> Answer<Vec<(Offset, Entry)>> {
        self.ask(move |this| async move {
            let order = if newest { -1 } else { 1 };
            let find =
                this.entries.find(filter).sort(doc! { "epoch": order, "seq": order }).limit(number(limit as u64));
            let found: Vec<EntryDoc> = find.await?.try_collect().await?;
            let mut page: Vec<(Offset, Entry)> = found.into_iter().map(|doc| (doc.offset(), doc.entry)).collect();
            if newest {
                page.reverse();
            }
            Ok(page)
        })
    }
}

impl Archive for MongoArchive {
    fn create(&self, room: &RoomId, now: Millis) -> Answer<bool> {
        let (room, at) = (room.to_string(), number(now.as_unix()));
        self.ask(move |this| async move {
            let set = doc! { "$setOnInsert": { "created": at, "last_active": at, "head": "", "unused_since": at } };
            let done = this.rooms.update_one(doc! { "_id": room }, set).upsert(true).await?;
            Ok(done.upserted_id.is_some())
        })
    }

    fn forget_unused(&self, created_before: Millis, limit: usize) -> Answer<usize> {
        let due = doc! { "unused_since": { "$lt": number(created_before.as_unix()) } };
        self.ask(move |this| async move {
            let found: Vec<RoomDoc> = this.rooms.find(due).limit(number(limit as u64)).await?.try_collect().await?;
            let ids: Vec<&str> = found.iter().map(|doc| doc.room.as_str()).collect();
            if ids.is_empty() {
                return Ok(0);
            }
            let unused = doc! { "_id": { "$in": &ids }, "head": "", "name": Bson::Null, "retention_days": Bson::Null };
            this.rooms.delete_many(unused).await?;
            let looked_at = doc! { "$unset": { "unused_since": "" } };
            this.rooms.update_many(doc! { "_id": { "$in": &ids } }, looked_at).await?;
            Ok(found.len())
        })
    }

    fn room(&self, room: &RoomId) -> Answer<Option<RoomRecord>> {
        let room = room.to_string();
        self.ask(
            move |this| async move { Ok(this.rooms.find_one(doc! { "_id": room }).await?.and_then(RoomDoc::record)) },
        )
    }

    fn set_room(&self, room: &RoomId, name: Option<Name>, retention_days: Option<u32>) -> Answer<bool> {
        let room = room.to_string();
        self.ask(move |this| async move {
            let name = name.map(|name| name.as_str().to_owned());
            let set = doc! { "$set": { "name": name, "retention_days": retention_days.map(i64::from) } };
            Ok(this.rooms.update_one(doc! { "_id": room }, set).await?.matched_count > 0)
        })
    }

    fn rooms(&self, after: Option<RoomId>, limit: usize) -> Answer<Vec<RoomRecord>> {
        let after = after.map_or_else(String::new, String::from);
        self.ask(move |this| async move {
            let find = this.rooms.find(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
            let found: Vec<RoomDoc> = find.limit(number(limit as u64)).await?.try_collect().await?;
            Ok(found.into_iter().filter_map(RoomDoc::record).collect())
        })
    }

    fn store(&self, records: Vec<Record>) -> BoxFuture<'static, Result<(), StoreError>> {
        let this = self.clone();
        async move {
            match this.dependency.ask(this.store_batch(&records)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(refusal)) => Err(StoreError::Refused(refusal)),
                Err(silence) => Err(StoreError::Away(short(&silence.to_string()))),
            }
        }
        .boxed()
    }

    fn before(&self, room: &RoomId, before: Offset, limit: usize) -> Answer<Vec<(Offset, Entry)>> {
        let epoch = number(before.epoch.number());
        let place = doc! { "epoch": epoch, "seq": { "$lt": number(before.seq) } };
        let older = doc! { "epoch": { "$lt": epoch } };
        self.messages(doc! { "room": room.as_str(), "chat": true, "$or": [place, older] }, true, limit)
    }

    fn after(&self, room: &RoomId, after: Offset, until: Offset, limit: usize) -> Answer<Vec<(Offset, Entry)>> {
        let (low, high) = (number(after.epoch.number()), number(until.epoch.number()));
        let above = [doc! { "epoch": low, "seq": { "$gt": number(after.seq) } }, doc! { "epoch": { "$gt": low } }];
        let below = [doc! { "epoch": high, "seq": { "$lte": number(until.seq) } }, doc! { "epoch": { "$lt": high } }];
        let places = [doc! { "$or": above.to_vec() }, doc! { "$or": below.to_vec() }];
        self.messages(doc! { "room": room.as_str(), "chat": true, "$and": places.to_vec() }, false, limit)
    }

    fn find(&self, room: &RoomId, id: ChatId) -> Answer<Known> {
        let (filter, of_room) = (doc! { "room": room.as_str(), "id": id.to_string() }, doc! { "room": room.as_str() });
        self.ask(move |this| async move {
            if let Some(doc) = this.entries.find_one(filter).await? {
                return Ok(Known::Stored(doc.offset(), doc.entry));
            }
            let mut graves = this.gone.find(of_room).await?;
            while let Some(grave) = graves.try_next().await? {
                if tombstone(grave).is_some_and(|grave| grave.may_cover(id)) {
                    return Ok(Known::Deleted);
                }
            }
            Ok(Known::No)
        })
    }

    fn entomb(&self, tombstone: Tombstone) -> Answer<()> {
        self.ask(move |this| async move {
            let Tombstone { room, what, at } = &tombstone;
            let doc = GoneDoc {
                key: tombstone.key(),
                room: room.to_string(),
                at: number(at.as_unix()),
                unfinished: true,
                what: *what,
            };
            this.gone.replace_one(doc! { "_id": tombstone.key() }, doc).upsert(true).await?;
            Ok(())
        })
    }

    fn unfinished(&self, limit: usize) -> Answer<Vec<Tombstone>> {
        self.ask(move |this| async move {
            let find = this.gone.find(doc! { "unfinished": true }).sort(doc! { "at": 1 }).limit(number(limit as u64));
            let found: Vec<GoneDoc> = find.await?.try_collect().await?;
            Ok(found.into_iter().filter_map(tombstone).collect())
        })
    }

    fn remove_covered(&self, tombstone: Tombstone, limit: usize) -> Answer<bool> {
        self.ask(move |this| async move { Ok(this.delete_some(covered(&tombstone), limit).await? < limit as u64) })
    }

    fn bury(&self, tombstone: Tombstone, limit: usize) -> Answer<bool> {
        self.ask(move |this| async move {
            if this.delete_some(covered(&tombstone), limit).await? >= limit as u64 {
                return Ok(false);
            }
            this.delete_record(&tombstone).await?;
            this.gone.update_one(doc! { "_id": tombstone.key() }, doc! { "$set": { "unfinished": false } }).await?;
            Ok(true)
        })
    }

    fn expire(&self, room: &RoomId, older_than: Millis, limit: usize) -> Answer<u64> {
        let filter = doc! { "room": room.as_str(), "at": { "$lt": number(older_than.as_unix()) } };
        self.ask(move |this| async move { this.delete_some(filter, limit).await })
    }
}

/// The entries that a tombstone covers.
fn covered(grave: &Tombstone) -> Document {
    match grave.what {
        Deleted::Room(epoch) => doc! { "room": grave.room.as_str(), "epoch": { "$lte": number(epoch.number()) } },
        Deleted::Message(id) => doc! { "room": grave.room.as_str(), "id": id.to_string() },
    }
}
