//! TLS: everything is served over it as without it, certificates change while it runs, and wrong files are told apart.
use crate::{
    common::{LIMIT, TestServer, token},
    process::{Process, herenow},
};
use futures_util::{SinkExt, StreamExt};
use herenow::{config::settings::TlsConfig, tls::Certified};
use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};
use std::{error::Error, fs, net::SocketAddr, path::Path, process::Command, sync::Arc, time::Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// A certificate for `localhost` that nobody else knows, written where a server finds it.
struct Files {
    config: TlsConfig,
    root: CertificateDer<'static>,
}

impl Files {
    fn write(folder: &Path) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&cert_file, cert.pem()).unwrap();
        fs::write(&key_file, signing_key.serialize_pem()).unwrap();
        Self { config: TlsConfig { cert: Some(cert_file), key: Some(key_file) }, root: cert.der().clone() }
    }
}

/// A connection whose peer has shown this certificate.
async fn connect(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

async fn socket(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    user: &str,
) -> WebSocketStream<TlsStream<TcpStream>> {
    let mut request = format!("wss://localhost/ws?token={}", token(user)).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "herenow.v1".parse().unwrap());
    let stream = connect(address, root, &[&TLS13]).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    assert_eq!(hear(&mut socket).await["type"], "welcome");
    socket
}

async fn hear(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> Value {
    loop {
        let next = tokio::time::timeout(LIMIT, socket.next()).await.unwrap();
        if let Message::Text(text) = next.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// Sends a request, and reads until the answer holds this.
async fn ask(stream: &mut TlsStream<TcpStream>, head: &str, until: &str) -> String {
    stream.write_all(format!("{head}\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains(until) {
        let mut piece = [0; 4096];
        let bytes = tokio::time::timeout(LIMIT, stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(bytes, 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..bytes]));
    }
    answer
}

#[tokio::test]
async fn everything_is_served_over_tls_and_nothing_without() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::write(folder.path());
    let server = TestServer::start(|config| config.tls = files.config.clone()).await;
    let mut alice = socket(server.address, &files.root, "alice").await;
    alice.send(Message::text(json!({"type":"join","room":"r","id":1}).to_string())).await.unwrap();
    assert_eq!(hear(&mut alice).await["type"], "roster");

    for version in [&TLS12, &TLS13] {
        let mut stream = connect(server.address, &files.root, &[version]).await.unwrap();
        let answer = ask(&mut stream, "GET /healthz HTTP/1.1", "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let mut stream = connect(server.address, &files.root, &[&TLS13]).await.unwrap();
    let bearer = token("stan");
    let events = format!("GET /v1/rooms/r/events?present=1 HTTP/1.1\r\nAuthorization: Bearer {bearer}");
    let told = ask(&mut stream, &events, "\"alice\"").await;
    assert!(told.contains("text/event-stream") && told.contains("event: roster"), "{told}");
    let diff = hear(&mut alice).await;
    assert_eq!((&diff["type"], &diff["joined"][0]["user"]["id"]), (&json!("diff"), &json!("stan")), "{diff}");
    // More than one record of TLS, both ways.
    let large = "x".repeat(3000);
    for n in 0..40 {
        let message = json!({"type":"message","room":"r","event":"e","data":large,"echo":true,"id":n});
        alice.send(Message::text(message.to_string())).await.unwrap();
    }
    let mut echoed = 0;
    while echoed < 20 {
        let frame = hear(&mut alice).await;
        echoed += usize::from(frame["type"] == "message" && frame["data"] == json!(large));
    }

    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // An alert of TLS, then the end, or a reset where not all was read.
    let _ = tokio::time::timeout(LIMIT, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));

    // A close is answered, and the stream ended in good order.
    alice.close(None).await.unwrap();
    while let Some(Ok(_)) = tokio::time::timeout(LIMIT, alice.next()).await.unwrap() {}
    println!("tls: WebSocket, HTTP and SSE over TLS 1.2 and 1.3; plain HTTP answered with 0 bytes of HTTP");
}

#[tokio::test]
async fn a_new_certificate_is_shown_at_a_signal_and_a_wrong_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let first = Files::write(folder.path());
    let text = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n[log]\nformat = \"json\"\n";
    fs::write(path("herenow.toml"), text).unwrap();
    let mut command = herenow(folder.path(), &["--listen", "127.0.0.1:0"]);
    command.env("HERENOW_SECRET", crate::common::SECRET);
    let process = Process::start(command);
    let address: SocketAddr = process.address().parse().unwrap();
    let mut alice = socket(address, &first.root, "alice").await;
    let hang_up = || {
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };

    let second = Files::write(folder.path());
    assert!(connect(address, &second.root, &[&TLS13]).await.is_err(), "nobody has told the server yet");
    hang_up();
    let began = Instant::now();
    while connect(address, &second.root, &[&TLS13]).await.is_err() {
        assert!(began.elapsed() < LIMIT, "the new certificate is not shown");
    }
    let old = connect(address, &first.root, &[&TLS13]).await.unwrap_err();
    assert!(old.to_string().contains("certificate"), "{old}");

    // A wrong file changes nothing; that it was read is seen by what a right one after it changes.
    fs::write(path("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    hang_up();
    for _ in 0..20 {
        connect(address, &second.root, &[&TLS13]).await.unwrap();
    }
    let third = Files::write(folder.path());
    hang_up();
    let began = Instant::now();
    while connect(address, &third.root, &[&TLS13]).await.is_err() {
        assert!(began.elapsed() < LIMIT, "the third certificate is not shown");
    }

    alice.send(Message::text(json!({"type":"ping","id":1}).to_string())).await.unwrap();
    assert_eq!(hear(&mut alice).await["type"], "pong", "who is connected stays");
}

#[test]
fn wrong_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let good = Files::write(folder.path()).config;
    let other = KeyPair::generate().unwrap();
    fs::write(path("other.pem"), other.serialize_pem()).unwrap();
    fs::write(path("text.pem"), "not PEM").unwrap();
    fs::write(path("broken.pem"), "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n").unwrap();
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(path("junk.pem"), junk).unwrap();
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(path("locked.pem"), locked).unwrap();
    fs::write(path("large.pem"), vec![b' '; (1 << 20) + 1]).unwrap();
    let ca_only = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&other).unwrap();
    fs::write(path("foreign.pem"), ca_only.pem()).unwrap();
    let file = |name: &str| Some(path(name));
    for (what, cert, key, words) in [
        ("no key", good.cert.clone(), None, "tls.key is not set"),
        ("no certificate", None, good.key.clone(), "tls.cert is not set"),
        ("a file that is not there", file("nowhere.pem"), good.key.clone(), "of tls.cert cannot be read"),
        ("a key that is not there", good.cert.clone(), file("nowhere.pem"), "of tls.key cannot be read"),
        ("a folder", file(""), good.key.clone(), "of tls.cert cannot be read"),
        ("no PEM", file("text.pem"), good.key.clone(), "of tls.cert does not hold a certificate in PEM"),
        ("broken PEM", file("broken.pem"), good.key.clone(), "of tls.cert does not hold a certificate in PEM"),
        ("the key as certificate", good.key.clone(), good.key.clone(), "of tls.cert does not hold a certificate"),
        ("the certificate as key", good.cert.clone(), good.cert.clone(), "of tls.key does not hold a private key"),
        ("a key with a password", good.cert.clone(), file("locked.pem"), "a private key without a password"),
        ("a large file", file("large.pem"), good.key.clone(), "of tls.cert has more than 1048576 bytes"),
        ("no certificate in PEM", file("junk.pem"), good.key.clone(), "cannot be used with the key of tls.key"),
        ("another key", good.cert.clone(), file("other.pem"), "is not that of the first certificate"),
        ("another certificate", file("foreign.pem"), good.key.clone(), "is not that of the first certificate"),
    ] {
        let error = Certified::read(&TlsConfig { cert, key }).unwrap_err();
        println!("tls {what:24} {error}");
        assert!(error.to_string().contains(words), "{what}: {error}");
        assert_eq!(error.source().is_some(), words.contains("cannot"), "{what}");
    }
    assert!(Certified::read(&good).unwrap().is_some());
    assert!(Certified::read(&TlsConfig::default()).unwrap().is_none());
}

#[tokio::test]
async fn who_says_nothing_over_tls_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::write(folder.path());
    let server = TestServer::start(|config| config.tls = files.config.clone()).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LIMIT * 2, silent.read_to_end(&mut answer)).await.expect("it has to end");
    assert!(began.elapsed().as_secs() >= 4 && answer.is_empty(), "{:?} {answer:?}", began.elapsed());
}
