//! DynamoDB: `dynoxide-rs` in this process. What functions ask is asked of the database itself; what others ask, and what
//! is refused, goes through its own HTTP server on a loopback port, which knows how DynamoDB words it. Tables, indexes and
//! TTL are the template's.
//!
//! What AWS does that this does not: capacity, throttling, streams to functions, backups and encryption; reads are
//! always consistent, indexes too. TTL deletes within seconds, not within days, by the run's movable clock.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dynoxide::{Database, DynoxideError, ImportOptions};
use http::{HeaderName, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    clock::Clock,
    serve::{self, Answer},
    template::Table,
};

/// Between two searches for expired items, at least.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// DynamoDB leaves alone what claims to have expired longer ago.
const FIVE_YEARS: i64 = 5 * 365 * 86_400;

/// Attributes of an item, with other values, as DynamoDB's API writes them.
pub(crate) type Changes = Vec<(&'static str, Value)>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DynamoError {
    #[error("{0}")]
    Database(#[from] DynoxideError),
    #[error("cannot listen on a loopback port: {0}")]
    Listen(#[from] io::Error),
    #[error(
        "table {table} in {} was made with other keys or indexes than the template has now; remove that directory, or \
         name another with --data", .directory.display()
    )]
    Changed { table: String, directory: PathBuf },
    #[error("the template's table {table} cannot be read: {problem}")]
    Table { table: String, problem: serde_json::Error },
}

#[derive(Clone)]
pub(crate) struct DynamoDb {
    database: Database,
    client: Client<HttpConnector, Full<Bytes>>,
    origin: String,
    tables: Vec<Table>,
    clock: Clock,
}

impl DynamoDb {
    /// Opens the database, makes the tables that it does not have, and serves it.
    pub(crate) async fn start(tables: &[Table], directory: Option<&Path>, clock: Clock) -> Result<Self, DynamoError> {
        let database = match directory {
            None => Database::memory()?,
            Some(directory) => {
                let database = Database::new(&directory.join("dynamodb.sqlite").to_string_lossy())?;
                // Leaves SQLite at synchronous=NORMAL: what was answered survives the end of this process, though
                // perhaps not a power cut, and a write costs a thirtieth.
                database.disable_bulk_loading()?;
                database
            }
        };
        for table in tables {
            prepare(&database, table, directory)?;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database.clone(), std::future::pending()));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        #[expect(clippy::disallowed_methods, reason = "the local run's way to its own database")]
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { database, client, origin, tables: tables.to_vec(), clock })
    }

    /// What a function's request is answered with, without a second way over the network and a second server; that was
    /// half of the emulator's time. None for what is not asked often, and for what is refused: the server says how, for
    /// nothing was done yet.
    pub(crate) fn direct(&self, operation: &str, request: Value) -> Option<String> {
        let database = &self.database;
        match operation {
            "GetItem" => asked(request, |request| database.get_item(request)),
            "PutItem" => asked(request, |request| database.put_item(request)),
            "UpdateItem" => asked(request, |request| database.update_item(request)),
            "DeleteItem" => asked(request, |request| database.delete_item(request)),
            "Query" => asked(request, |request| database.query(request)),
            "BatchGetItem" => asked(request, |request| database.batch_get_item(request)),
            "BatchWriteItem" => asked(request, |request| database.batch_write_item(request)),
            "TransactWriteItems" => asked(request, |request| database.transact_write_items(request)),
            _ => None,
        }
    }

    /// Passes a request on as it came.
    pub(crate) async fn forward(&self, parts: &Parts, body: Bytes) -> Answer {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = parts.method.clone();
        // Its own address, which is one.
        *request.uri_mut() = self.origin.parse().unwrap_or_default();
        for (name, value) in &parts.headers {
            if !about_the_connection(name) {
                request.headers_mut().append(name, value.clone());
            }
        }
        let unreachable = |problem: String| {
            let body = json!({ "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": problem });
            serve::answer(StatusCode::INTERNAL_SERVER_ERROR, "application/x-amz-json-1.0", body.to_string())
        };
        let (parts, body) = match self.client.request(request).await {
            Ok(response) => response.into_parts(),
            Err(error) => return unreachable(error.to_string()),
        };
        let mut answer = match body.collect().await {
            Ok(body) => Response::new(Full::new(body.to_bytes())),
            Err(error) => return unreachable(error.to_string()),
        };
        *answer.status_mut() = parts.status;
        for (name, value) in &parts.headers {
            if !about_the_connection(name) {
                answer.headers_mut().append(name, value.clone());
            }
        }
        answer
    }

    /// Writes copies of an item, each with some attributes changed: all or none, in bulk, and not through the API, so that
    /// nothing counts them.
    pub(crate) async fn copy(&self, table: &str, key: Value, copies: Vec<Changes>) -> io::Result<()> {
        let get = serde_json::from_value(json!({ "TableName": table, "Key": key }))?;
        let original = self.database.get_item(get).map_err(io::Error::other)?.item;
        let original = original.ok_or_else(|| io::Error::other(format!("table {table} has no item {key}")))?;
        let (database, table) = (self.database.clone(), table.to_owned());
        let writing = tokio::task::spawn_blocking(move || {
            let copied = |changes: Changes| {
                let mut item = original.clone();
                for (name, value) in changes {
                    item.insert(name.to_owned(), serde_json::from_value(value)?);
                }
                Ok(item)
            };
            let items = copies.into_iter().map(copied).collect::<io::Result<_>>()?;
            database.import_items(&table, items, ImportOptions::default()).map_err(io::Error::other)
        });
        writing.await?.map(|_| ())
    }

    /// Deletes what has expired, now and then, for ever.
    pub(crate) async fn sweep_for_ever(self) {
        let mut pause = SWEEP_EVERY;
        loop {
            tokio::time::sleep(pause).await;
            let began = Instant::now();
            self.sweep().await;
            // A large table is searched less often, so that the search stays a fiftieth of the time.
            pause = SWEEP_EVERY.max(began.elapsed() * 50);
        }
    }

    /// Deletes what has expired by the local clock. Answers how many items went.
    pub(crate) async fn sweep(&self) -> usize {
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let now = this.clock.now_ms() / 1000;
            this.tables.iter().map(|table| this.sweep_table(table, now).unwrap_or(0)).sum()
        })
        .await
        .unwrap_or(0)
    }

    fn sweep_table(&self, table: &Table, now: i64) -> Result<usize, DynamoError> {
        let Some(attribute) = &table.ttl_attribute else { return Ok(0) };
        let typed = |problem| DynamoError::Table { table: table.name.clone(), problem };
        let mut deleted = 0;
        let mut from = None;
        loop {
            let mut scan: dynoxide::actions::scan::ScanRequest = serde_json::from_value(json!({
                "TableName": table.name,
                "Limit": 200,
                "FilterExpression": "#at < :now AND #at > :floor",
                "ExpressionAttributeNames": { "#at": attribute },
                "ExpressionAttributeValues": {
                    ":now": { "N": now.to_string() },
                    ":floor": { "N": (now - FIVE_YEARS).to_string() },
                },
            }))
            .map_err(typed)?;
            scan.exclusive_start_key = from;
            let page = self.database.scan(scan)?;
            for item in page.items.unwrap_or_default() {
                let key: BTreeMap<_, _> =
                    keys(table).filter_map(|name| item.get(name).map(|value| (name, value))).collect();
                let delete = serde_json::from_value(json!({
                    "TableName": table.name,
                    "Key": key,
                    // Unless it was given more time since.
                    "ConditionExpression": "#at = :at",
                    "ExpressionAttributeNames": { "#at": attribute },
                    "ExpressionAttributeValues": { ":at": item.get(attribute) },
                }))
                .map_err(typed)?;
                deleted += usize::from(self.database.delete_item(delete).is_ok());
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(deleted);
            }
        }
    }
}

/// One request as it was parsed, and its answer as it goes; None if it cannot be read, or is refused.
fn asked<Q: DeserializeOwned, A: Serialize>(
    request: Value,
    answer: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Option<String> {
    let answer = answer(serde_json::from_value(request).ok()?).ok()?;
    // An answer always can be: its members have names.
    serde_json::to_string(&answer).ok()
}

fn keys(table: &Table) -> impl Iterator<Item = &str> {
    let schema = table.create_table["KeySchema"].as_array().map(Vec::as_slice).unwrap_or_default();
    schema.iter().filter_map(|key| key["AttributeName"].as_str())
}

/// What belongs to one connection is not passed on to the next.
fn about_the_connection(name: &HeaderName) -> bool {
    [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name)
}

fn prepare(database: &Database, table: &Table, directory: Option<&Path>) -> Result<(), DynamoError> {
    let typed = |problem| DynamoError::Table { table: table.name.clone(), problem };
    let describe = serde_json::from_value(json!({ "TableName": table.name })).map_err(typed)?;
    match database.describe_table(describe) {
        Ok(found) => {
            let found = serde_json::to_value(&found.table).map_err(typed)?;
            if shape(&found) != shape(&table.create_table) {
                let directory = directory.unwrap_or(Path::new("memory")).to_owned();
                return Err(DynamoError::Changed { table: table.name.clone(), directory });
            }
        }
        Err(DynoxideError::ResourceNotFoundException(_)) => {
            database.create_table(serde_json::from_value(table.create_table.clone()).map_err(typed)?)?;
        }
        Err(other) => return Err(other.into()),
    }
    if let Some(attribute) = &table.ttl_attribute {
        let enable = serde_json::from_value(json!({
            "TableName": table.name,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        }))
        .map_err(typed)?;
        match database.update_time_to_live(enable) {
            // "already enabled", in a directory that has been used before
            Ok(_) | Err(DynoxideError::ValidationException(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}

/// What cannot be changed about a table that holds data, in an order of its own.
fn shape(table: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let sorted = |mut values: Vec<Value>| {
        values.sort_by_key(Value::to_string);
        values
    };
    let indexes = |name: &str| {
        let indexes = list(&table[name]).into_iter().map(|index| {
            json!({
                "IndexName": index["IndexName"],
                "KeySchema": index["KeySchema"],
                "ProjectionType": index["Projection"]["ProjectionType"],
                "NonKeyAttributes": sorted(list(&index["Projection"]["NonKeyAttributes"])),
            })
        });
        sorted(indexes.collect())
    };
    json!({
        "AttributeDefinitions": sorted(list(&table["AttributeDefinitions"])),
        "KeySchema": table["KeySchema"],
        "GlobalSecondaryIndexes": indexes("GlobalSecondaryIndexes"),
        "LocalSecondaryIndexes": indexes("LocalSecondaryIndexes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(extra: Option<&str>) -> Table {
        let mut create = json!({
            "TableName": "events",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" }, { "AttributeName": "sk", "AttributeType": "S" }
            ],
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }
            ],
        });
        if let Some(index) = extra {
            create["GlobalSecondaryIndexes"] = json!([{
                "IndexName": index,
                "KeySchema": [{ "AttributeName": "sk", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "ALL" },
            }]);
        }
        Table {
            logical_id: "EventsTable".into(),
            name: "events".into(),
            arn: String::new(),
            create_table: create,
            ttl_attribute: Some("expiresAt".into()),
        }
    }

    fn put(db: &DynamoDb, sk: &str, expires_at: Option<i64>) {
        let mut item = json!({ "pk": { "S": "a" }, "sk": { "S": sk } });
        if let Some(at) = expires_at {
            item["expiresAt"] = json!({ "N": at.to_string() });
        }
        let put = serde_json::from_value(json!({ "TableName": "events", "Item": item })).unwrap();
        db.database.put_item(put).unwrap();
    }

    fn count(db: &DynamoDb) -> usize {
        let scan = serde_json::from_value(json!({ "TableName": "events" })).unwrap();
        db.database.scan(scan).unwrap().count
    }

    #[tokio::test]
    async fn expired_items_go_by_the_local_clock() {
        let clock = Clock::new(None).unwrap();
        let db = DynamoDb::start(&[table(None)], None, clock.clone()).await.unwrap();
        let now = clock.now_ms() / 1000;
        put(&db, "for-ever", None);
        put(&db, "an-hour", Some(now + 3600));
        for number in 0..450 {
            put(&db, &format!("past-{number}"), Some(now - 10));
        }
        put(&db, "older than DynamoDB believes", Some(now - FIVE_YEARS - 10));
        assert_eq!(db.sweep().await, 450);
        assert_eq!(count(&db), 3);
        clock.advance(Duration::from_secs(3700)).unwrap();
        assert_eq!(db.sweep().await, 1);
        assert_eq!(count(&db), 2);
    }

    #[tokio::test]
    async fn copies_differ_in_what_was_asked_for_and_need_an_original() {
        let db = DynamoDb::start(&[table(None)], None, Clock::new(None).unwrap()).await.unwrap();
        put(&db, "first", Some(4_102_444_800));
        let key = |sk: &str| json!({ "pk": { "S": "a" }, "sk": { "S": sk } });
        let copies = (0..2_500).map(|number| vec![("sk", json!({ "S": format!("copy-{number}") }))]).collect();
        db.copy("events", key("first"), copies).await.unwrap();
        assert_eq!(count(&db), 2_501);
        let get = serde_json::from_value(json!({ "TableName": "events", "Key": key("copy-2499") })).unwrap();
        let copy = db.database.get_item(get).unwrap().item.unwrap();
        assert_eq!(json!(copy["expiresAt"]), json!({ "N": "4102444800" }));
        let missing = db.copy("events", key("second"), Vec::new()).await.unwrap_err().to_string();
        assert!(missing.contains("second"), "{missing}");
    }

    #[tokio::test]
    async fn a_directory_is_used_again_unless_the_table_changed() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::new(None).unwrap();
        let db = DynamoDb::start(&[table(Some("by-sk"))], Some(dir.path()), clock.clone()).await.unwrap();
        put(&db, "kept", None);
        drop(db);
        let db = DynamoDb::start(&[table(Some("by-sk"))], Some(dir.path()), clock.clone()).await.unwrap();
        assert_eq!(count(&db), 1);
        drop(db);
        let problem = DynamoDb::start(&[table(None)], Some(dir.path()), clock).await.err().unwrap().to_string();
        assert!(problem.contains("remove that directory"), "{problem}");
    }
}
