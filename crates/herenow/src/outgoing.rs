//! Requests to others, and only to addresses that are configured: one small answer, in a limited time, without redirects,
//! and not to places that a name must not lead to. Proxies of the environment are not used.
use crate::address_kind::{AddressKind, kind_of};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tower::Service;

/// Where requests may go: an absolute `http` or `https` address without credentials and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAddress(Uri);

impl WebAddress {
    /// Bytes that it may have.
    pub const BYTES_MAX: usize = 2048;

    /// Takes an address; `None` where it is none that may be asked.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::BYTES_MAX || text.contains(['#', '@']) {
            return None;
        }
        let uri: Uri = text.parse().ok()?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        (is_web && uri.host().is_some_and(|host| !host.is_empty())).then_some(Self(uri))
    }

    fn is_plain(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTP)
    }

    /// The IP address that stands in it in place of a name.
    fn literal(&self) -> Option<IpAddr> {
        let host = self.0.host()?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.parse().ok()
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which addresses a name may lead to. Link-local ones, where clouds keep their metadata, are never asked, nor those that
/// are nobody's. Public ones are asked by `https` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public ones.
    Public,
    /// Also this machine and private networks.
    Private,
}

/// What is asked, and how long and large the answer may be.
#[derive(Clone, Debug)]
pub struct OutgoingSetup {
    /// Where.
    pub address: WebAddress,
    /// Where that may lead to.
    pub reach: Reach,
    /// How long the whole call may take.
    pub timeout: Duration,
    /// Bytes that the body of the answer may have.
    pub body_bytes_max: usize,
}

/// One address that can be asked. Connections to it are kept for the next call.
pub struct Outgoing {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    setup: OutgoingSetup,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

impl Answer {
    /// Whether it says that it is JSON of some kind.
    pub fn is_json(&self) -> bool {
        let essence = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = essence.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    }
}

/// Why there is no answer. Nothing of what was sent or received is in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutgoingError {
    /// It took too long.
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The address leads to a place that is not asked.
    Forbidden {
        /// Which.
        address: IpAddr,
    },
    /// The connection failed, or broke before the answer was whole.
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// The answer is larger than it may be.
    TooLarge {
        /// Bytes that it may have.
        bytes_max: usize,
    },
    /// The answer sends to another address; that is not followed.
    Redirect,
}

impl Outgoing {
    /// Makes ready to ask; nothing is sent yet.
    ///
    /// # Errors
    /// Where `https` is to be spoken and this system has no certificates to trust (the package `ca-certificates`; or name a
    /// file in `SSL_CERT_FILE`).
    pub fn new(setup: OutgoingSetup) -> io::Result<Self> {
        let mut http = HttpConnector::new_with_resolver(Resolver { setup: setup.clone() });
        http.enforce_http(false);
        http.set_connect_timeout(Some(setup.timeout));
        let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into());
        let tls = tls.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let tls = if setup.address.is_plain() {
            // None are needed, and none need be there.
            tls.with_root_certificates(rustls::RootCertStore::empty())
        } else {
            tls.with_native_roots()?
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEADER_BYTES_MAX)
            .build(connector);
        Ok(Self { client, setup })
    }

    /// What is asked.
    pub fn setup(&self) -> &OutgoingSetup {
        &self.setup
    }

    /// Asks with `GET`.
    ///
    /// # Errors
    /// See [`OutgoingError`]. A status that says no is an answer.
    pub async fn get(&self, headers: HeaderMap) -> Result<Answer, OutgoingError> {
        self.ask(Method::GET, headers, Bytes::new()).await
    }

    /// Asks with `POST` and a body of JSON.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post_json(&self, mut headers: HeaderMap, body: Bytes) -> Result<Answer, OutgoingError> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.ask(Method::POST, headers, body).await
    }

    /// As [`Self::post_json`], where only the head of the answer matters: a body that is too large, or breaks off, is left
    /// unread, and is not in the answer.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn deliver_json(&self, mut headers: HeaderMap, body: Bytes) -> Result<Answer, OutgoingError> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = self.request(Method::POST, headers, body)?;
        let call = async {
            let (parts, body) = self.send(request).await?;
            // The connection can be used again once the body is read.
            let _ = tokio::time::timeout(UNREAD_TIMEOUT, self.read(body)).await;
            Ok(Answer { status: parts.status, headers: parts.headers, body: Bytes::new() })
        };
        self.in_time(call).await
    }

    async fn ask(&self, method: Method, headers: HeaderMap, body: Bytes) -> Result<Answer, OutgoingError> {
        let request = self.request(method, headers, body)?;
        let call = async {
            let (parts, body) = self.send(request).await?;
            let body = self.read(body).await?;
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        self.in_time(call).await
    }

    fn request(
        &self,
        method: Method,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, OutgoingError> {
        if let Some(address) = self.setup.address.literal().filter(|address| !self.setup.may_reach(*address)) {
            return Err(OutgoingError::Forbidden { address });
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("herenow/", env!("CARGO_PKG_VERSION"))));
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut()) = (method, self.setup.address.0.clone());
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(http::response::Parts, Incoming), OutgoingError> {
        let response = self.client.request(request).await.map_err(|error| broken(error.into()))?;
        let (parts, body) = response.into_parts();
        if parts.status.is_redirection() && parts.status != StatusCode::NOT_MODIFIED {
            return Err(OutgoingError::Redirect);
        }
        Ok((parts, body))
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, OutgoingError>>) -> Result<T, OutgoingError> {
        let after = self.setup.timeout;
        tokio::time::timeout(after, call).await.unwrap_or(Err(OutgoingError::Timeout { after }))
    }

    /// Reads the body, and stops where it is too large: what its length says counts no more than what comes.
    async fn read(&self, mut body: Incoming) -> Result<Bytes, OutgoingError> {
        let bytes_max = self.setup.body_bytes_max;
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| broken(error.into()))?.into_data() else { continue };
            if whole.len() + data.len() > bytes_max {
                return Err(OutgoingError::TooLarge { bytes_max });
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl OutgoingSetup {
    fn may_reach(&self, address: IpAddr) -> bool {
        match kind_of(address) {
            AddressKind::Nobody => false,
            AddressKind::Private => self.reach == Reach::Private,
            AddressKind::Public => !self.address.is_plain(),
        }
    }
}

fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> OutgoingError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(error) = cause {
        if let Some(forbidden) = error.downcast_ref::<ForbiddenAddress>() {
            return OutgoingError::Forbidden { address: forbidden.0 };
        }
        // An error inside an `io::Error` is not its source, but itself.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    OutgoingError::Broken(error)
}

impl fmt::Display for OutgoingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { after } => write!(f, "no answer within {} ms", after.as_millis()),
            Self::Forbidden { address } => write!(
                f,
                "the address leads to {address}, which is not asked: private ones have to be allowed in \
                 auth.private_addresses or webhooks.private_addresses, public ones need https"
            ),
            Self::Broken(error) => {
                write!(f, "the connection failed: {error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::TooLarge { bytes_max } => write!(f, "the answer has more than {bytes_max} bytes"),
            Self::Redirect => write!(f, "the answer sends to another address, which is not followed"),
        }
    }
}

impl std::error::Error for OutgoingError {}

/// Looks names up, and gives only addresses that may be asked: a check of the name alone would not do, since whoever owns
/// it decides where it leads.
#[derive(Clone)]
struct Resolver {
    setup: OutgoingSetup,
}

#[derive(Debug)]
struct ForbiddenAddress(IpAddr);

impl fmt::Display for ForbiddenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not asked", self.0)
    }
}

impl std::error::Error for ForbiddenAddress {}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let setup = self.setup.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.iter().copied().filter(|found| setup.may_reach(found.ip())).collect();
            match (allowed.is_empty(), found.first()) {
                (true, Some(first)) => Err(io::Error::other(ForbiddenAddress(first.ip()))),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

/// How long a body is read that does not matter.
const UNREAD_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a connection that nobody uses is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections to one address that are kept.
const IDLE_MAX: usize = 8;
/// Bytes that the head of an answer may have.
const HEADER_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> WebAddress {
        WebAddress::parse(text).unwrap()
    }

    #[test]
    fn addresses_are_absolute_and_of_the_web() {
        for text in ["https://a.example/x?y=1", "http://127.0.0.1:8080", "http://[::1]/x", "HTTPS://A.example"] {
            assert!(WebAddress::parse(text).is_some(), "{text}");
        }
        for text in ["", "a.example", "/x", "ftp://a/x", "https://", "https://u:p@a/x", "https://a/#x", "file:///etc"] {
            assert!(WebAddress::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn names_lead_only_where_they_may() {
        let may = |url: &str, reach, ip: &str| {
            let setup =
                OutgoingSetup { address: address(url), reach, timeout: Duration::from_secs(1), body_bytes_max: 1 };
            setup.may_reach(ip.parse().unwrap())
        };
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ];
        let nobody = [
            "0.0.0.0",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "192.0.2.1",
            "::",
            "fe80::1",
            "ff02::1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
            "2001:0:1::1",
            "2001:db8::1",
            "fec0::1",
        ];
        let public = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111"];
        let mut reached = 0;
        for ip in private.iter().chain(&nobody) {
            reached += usize::from(may("https://a.example", Reach::Public, ip));
        }
        println!("addresses: {reached}/{} reached", private.len() + nobody.len());
        assert_eq!(reached, 0);
        for ip in private {
            assert!(
                may("http://a.example", Reach::Private, ip) && may("https://a.example", Reach::Private, ip),
                "{ip}"
            );
        }
        for ip in nobody {
            assert!(!may("https://a.example", Reach::Private, ip), "{ip}");
        }
        for ip in public {
            assert!(
                may("https://a.example", Reach::Public, ip) && may("https://a.example", Reach::Private, ip),
                "{ip}"
            );
            assert!(!may("http://a.example", Reach::Public, ip), "plain http could be answered by anybody on the way");
            assert!(!may("http://a.example", Reach::Private, ip));
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_asked_unless_that_is_allowed() {
        for url in ["https://localhost:1/x", "https://127.0.0.1:1/x", "https://[::1]:1/x", "http://[::ffff:7f00:1]:1/"]
        {
            let setup = OutgoingSetup {
                address: address(url),
                reach: Reach::Public,
                timeout: Duration::from_secs(5),
                body_bytes_max: 1,
            };
            // Without certificates of the system, https is not even begun.
            let Ok(outgoing) = Outgoing::new(setup) else { continue };
            let error = outgoing.get(HeaderMap::new()).await.unwrap_err();
            assert!(matches!(error, OutgoingError::Forbidden { .. }), "{url}: {error}");
        }
    }
}
