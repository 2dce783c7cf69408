//! Echoes texts and binaries over the server's own codec and stack, for the Autobahn suite. Never part of the server.
//!
//! `cargo run -p herenow --example echo -- --listen 127.0.0.1:9001`
#![expect(clippy::print_stdout, reason = "says where it listens")]

use axum::{Router, body::Body, response::IntoResponse, routing::any};
use herenow::{
    doors::Doors,
    server::{self, Entrance},
    tls::Tls,
    transport::ws,
};
use herenow_wire::websocket::{
    decoder::Decoder,
    encoder::{binary, close, close_answer, pong, text},
    incoming::Incoming,
};
use http::Request;
use std::ops::ControlFlow;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Larger than the largest message of the suite, 16 MiB.
const MESSAGE_BYTES_MAX: u32 = 64 * 1024 * 1024;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, flag, address] = arguments.as_slice() else { anyhow::bail!("say --listen ADDRESS") };
    anyhow::ensure!(flag == "--listen", "say --listen ADDRESS");
    let listener = TcpListener::bind(address).await?;
    println!("echo listens on ws://{}", listener.local_addr()?);
    let router = Router::new().fallback(any(upgrade));
    let doors = Doors::new(usize::MAX, Vec::new());
    server::serve(Entrance { listener, router, tls: Tls::default(), doors }, std::future::pending()).await;
    Ok(())
}

async fn upgrade(mut request: Request<Body>) -> axum::response::Response {
    let upgrading = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let (choice, key) = match ws::offer(&parts) {
        Ok(offer) => offer,
        Err(problem) => return problem.into_response(),
    };
    tokio::spawn(async move {
        let Ok(upgraded) = upgrading.await else { return };
        let (stream, early) = ws::taken_back::<TcpStream>(upgraded).expect("the server has no other kind of stream");
        // A peer that is gone ends its own connection only.
        let _ = echo(stream, early.to_vec()).await;
    });
    ws::accepted(&key, choice)
}

async fn echo(mut stream: TcpStream, early: Vec<u8>) -> std::io::Result<()> {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut buffer = early;
    let mut read = vec![0; 64 * 1024];
    loop {
        let mut out = Vec::new();
        let mut over = false;
        let fed = decoder.feed(&mut buffer, |incoming| {
            match incoming {
                Incoming::Text(payload) => out.push(text(payload.as_bytes())),
                Incoming::Binary(payload) => out.push(binary(payload)),
                Incoming::Ping(payload) => out.push(pong(payload)),
                Incoming::Pong(_) => {}
                Incoming::Close(frame) => {
                    out.push(close_answer(&frame));
                    over = true;
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = fed {
            out.push(close(error.close_code(), &error.to_string()));
            over = true;
        }
        for frame in out {
            stream.write_all(&frame).await?;
        }
        if over {
            stream.shutdown().await?;
            while stream.read(&mut read).await? > 0 {}
            return Ok(());
        }
        let bytes = stream.read(&mut read).await?;
        if bytes == 0 {
            return Ok(());
        }
        buffer.clear();
        buffer.extend_from_slice(&read[..bytes]);
    }
}
