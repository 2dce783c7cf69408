//! Connections to the store. One for what is asked, one for what is heard; who renews opens one of its own, which nothing else
//! uses. Each is opened once: what is wrong with it ends all, and somebody opens new ones.
use super::{
    address::{RedisAddress, Way},
    error::{CallError, ConnectError},
    fit::Fit,
    script::Script,
};
use futures_util::future;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisError, ServerErrorKind,
    TlsCertificates, Value,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// How to reach the store.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where it is.
    pub address: RedisAddress,
    /// Certificates to trust, in PEM, in place of those of the system.
    pub roots: Option<Vec<u8>>,
    /// How long opening a connection, or an answer, may take. Must stay far below the lease.
    pub answer_timeout: Duration,
}

/// A connection, or one to each primary of a Redis Cluster. Cheap to clone; calls are written together where they come together.
#[derive(Clone)]
pub struct Link(Pipe);

#[derive(Clone)]
enum Pipe {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Something that came by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// Somebody published something on a channel that is subscribed to.
    Message {
        /// Which channel.
        channel: Vec<u8>,
        /// What.
        payload: Vec<u8>,
    },
    /// A subscription ended: because it was asked for, or because the slot of the channel moved.
    Unsubscribed {
        /// Which channel.
        channel: Vec<u8>,
    },
}

/// What comes by itself over a connection, until something is lost.
pub struct Inbox {
    pushes: mpsc::Receiver<Push>,
    loss: Arc<Loss>,
}

#[derive(Default)]
struct Loss {
    happened: AtomicBool,
    told: Notify,
}

impl Inbox {
    /// The next thing; `None` once anything may have been lost: the connection was cut, or it came faster than it was taken.
    pub async fn next(&mut self) -> Option<Push> {
        loop {
            if self.loss.happened.load(Ordering::Acquire) {
                return None;
            }
            tokio::select! {
                push = self.pushes.recv() => return push,
                () = self.loss.told.notified() => {}
            }
        }
    }
}

impl Loss {
    fn tell(&self) {
        self.happened.store(true, Ordering::Release);
        self.told.notify_one();
    }
}

impl Link {
    /// Opens a connection, looks whether the server fits, and loads the scripts.
    ///
    /// # Errors
    /// Says what stands in the way.
    pub async fn open(route: &Route) -> Result<(Self, Fit), ConnectError> {
        within(route, Self::open_checked(route)).await
    }

    /// Opens a connection for what comes by itself.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_ear(route: &Route, is_cluster: bool) -> Result<(Self, Inbox), ConnectError> {
        let (sender, pushes) = mpsc::channel(PUSHES_MAX);
        let loss = Arc::new(Loss::default());
        let told = Arc::clone(&loss);
        let hear: Hear = Arc::new(move |info| match read_push(info) {
            Heard::Push(push) => {
                if sender.try_send(push).is_err() {
                    told.tell();
                }
            }
            Heard::Loss => told.tell(),
            Heard::Nothing => {}
        });
        let pipe = within(route, async { Ok(pipe(route, is_cluster, Some(hear)).await?) }).await?;
        Ok((Self(pipe), Inbox { pushes, loss }))
    }

    async fn open_checked(route: &Route) -> Result<(Self, Fit), ConnectError> {
        let mut link = Self(pipe(route, route.address.way == Way::Cluster, None).await?);
        let mut fit = link.look(route).await?;
        if !fit.is_new_enough {
            return Err(ConnectError::TooOld(fit.version));
        }
        if fit.is_cluster && !link.is_cluster() {
            link = Self(pipe(route, true, None).await?);
        }
        fit.is_cluster = link.is_cluster();
        link.load().await?;
        Ok((link, fit))
    }

    /// Whether it leads to a Redis Cluster.
    pub const fn is_cluster(&self) -> bool {
        matches!(self.0, Pipe::Cluster(_))
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// Where the server did not do it, or nobody knows.
    pub async fn ask(&self, command: &Cmd) -> Result<Value, CallError> {
        match self.send(command).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                // It was not carried out, so it can be asked again: somebody emptied the server of scripts.
                self.load().await?;
                Ok(self.send(command).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Makes the server know the scripts.
    async fn load(&self) -> Result<(), RedisError> {
        let loads = Script::ALL.map(|script| async move {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(script.text());
            self.send(&load).await
        });
        future::try_join_all(loads).await.map(drop)
    }

    async fn look(&self, route: &Route) -> Result<Fit, RedisError> {
        let mut all = String::new();
        for section in ["server", "cluster", "memory"] {
            let mut info = redis::cmd("INFO");
            info.arg(section);
            // Each node of a Redis Cluster is as good as any other; one has to be named.
            let answer = match &self.0 {
                Pipe::One(_) => self.send(&info).await?,
                Pipe::Cluster(_) => Self(pipe(route, false, None).await?).send(&info).await?,
            };
            all.push_str(&redis::from_redis_value::<String>(answer)?);
            all.push('\n');
        }
        Ok(Fit::read(&all))
    }

    async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = match &self.0 {
            Pipe::One(connection) => connection.clone().send_packed_command(command).await,
            Pipe::Cluster(connection) => {
                use redis::aio::ConnectionLike;
                connection.clone().req_packed_command(command).await
            }
        };
        answer?.extract_error()
    }
}

/// Takes what comes by itself, on the connection's own time.
type Hear = Arc<dyn Fn(PushInfo) + Send + Sync>;

async fn within<T>(route: &Route, open: impl Future<Output = Result<T, ConnectError>>) -> Result<T, ConnectError> {
    // Opening takes several round trips.
    let longest = route.answer_timeout * OPEN_ROUND_TRIPS;
    let late = |_| ConnectError::Unreachable(format!("no answer within {} ms", longest.as_millis()));
    tokio::time::timeout(longest, open).await.map_err(late)?
}

async fn pipe(route: &Route, is_cluster: bool, hear: Option<Hear>) -> Result<Pipe, RedisError> {
    if is_cluster {
        return cluster(route, hear).await.map(Pipe::Cluster);
    }
    let none = || RedisError::from((ErrorKind::InvalidClientConfig, "the address names no server"));
    let client = match &route.address.way {
        Way::Sentinel(name) => {
            let first = route.address.first().ok_or_else(none)?;
            let settings = first.redis_settings().clone();
            let mut node = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings);
            if matches!(first.addr(), redis::ConnectionAddr::TcpTls { .. }) {
                node = node.set_tls_mode(redis::TlsMode::Secure);
            }
            let sentinels = sentinels(route);
            let mut sentinel = SentinelClient::build(sentinels, name, Some(node), SentinelServerType::Master)?;
            sentinel.async_get_client().await?
        }
        Way::Single | Way::Cluster => client(route, route.address.first().ok_or_else(none)?)?,
    };
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(route.answer_timeout))
        .set_response_timeout(Some(route.answer_timeout));
    if let Some(hear) = hear {
        config = config.set_push_sender(move |info| {
            hear(info);
            Ok::<(), ()>(())
        });
    }
    client.get_multiplexed_async_connection_with_config(&config).await.map(Pipe::One)
}

/// The Sentinels of an address; the password in it is that of the server, Sentinels have none.
fn sentinels(route: &Route) -> Vec<redis::ConnectionInfo> {
    let without = |info: redis::ConnectionInfo| {
        let plain = redis::RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
        info.set_redis_settings(plain)
    };
    route.address.all().into_iter().map(without).collect()
}

fn client(route: &Route, info: redis::ConnectionInfo) -> Result<Client, RedisError> {
    match certificates(route) {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

async fn cluster(route: &Route, hear: Option<Hear>) -> Result<ClusterConnection, RedisError> {
    let mut builder = ClusterClientBuilder::new(route.address.all())
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(route.answer_timeout)
        .response_timeout(route.answer_timeout)
        .retries(CLUSTER_RETRIES);
    if let Some(certificates) = certificates(route) {
        builder = builder.certs(certificates);
    }
    if let Some(hear) = hear {
        builder = builder.push_sender(move |info| {
            hear(info);
            Ok::<(), ()>(())
        });
    }
    builder.build()?.get_async_connection().await
}

fn certificates(route: &Route) -> Option<TlsCertificates> {
    Some(TlsCertificates { client_tls: None, root_cert: Some(route.roots.clone()?) })
}

enum Heard {
    Push(Push),
    Loss,
    Nothing,
}

fn read_push(PushInfo { kind, data }: PushInfo) -> Heard {
    let mut data = data.into_iter();
    let mut text = || match data.next() {
        Some(Value::BulkString(bytes)) => Some(bytes),
        _ => None,
    };
    match kind {
        PushKind::SMessage => match (text(), text()) {
            (Some(channel), Some(payload)) => Heard::Push(Push::Message { channel, payload }),
            _ => Heard::Loss,
        },
        PushKind::SUnsubscribe => text().map_or(Heard::Loss, |channel| Heard::Push(Push::Unsubscribed { channel })),
        PushKind::Disconnection => Heard::Loss,
        _ => Heard::Nothing,
    }
}

/// Messages that wait to be taken at the most; whoever is slower than that takes snapshots instead.
const PUSHES_MAX: usize = 16 * 1024;
/// Round trips that opening a connection may take, a check of the server and the loading of scripts with it.
const OPEN_ROUND_TRIPS: u32 = 4;
/// How often a Redis Cluster is asked the same again where a slot has moved. Scripts do the same thing once only.
const CLUSTER_RETRIES: u32 = 2;
