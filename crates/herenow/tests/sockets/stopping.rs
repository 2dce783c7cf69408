//! How a server stops: everybody is told to come back, and nobody is waited for too long.
use crate::common::{LIMIT, TestServer};
use herenow_client::error::Ended;
use std::time::Duration;
use tokio::{io::AsyncReadExt, net::TcpStream};

#[tokio::test]
async fn a_stop_closes_everybody_with_1001_and_is_over_soon() {
    for shards in [1, 7] {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut peers = Vec::new();
        for n in 0..40 {
            let user = format!("user-{n}");
            peers.push(match n % 4 {
                0 => server.native_raw(&user).await,
                1 => server.board(&user).await,
                _ => server.board_in(&user, "board-1").await,
            });
        }
        let told = tokio::spawn(async move {
            for peer in &mut peers {
                let ended = peer.end().await;
                let going = Ended::Closed { code: Some(1001), reason: "server is stopping".to_owned() };
                assert_eq!(ended, going);
                peer.end().await;
            }
        });
        let address = server.address;
        let took = server.stop().await;
        told.await.unwrap();
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(TcpStream::connect(address).await.is_err(), "nobody is let in any more");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_does_not_answer() {
    let server = TestServer::start(|config| config.server.shutdown_grace = Duration::from_millis(500)).await;
    let silent = server.board_in("silent", "board-1").await;
    let mut without_request = TcpStream::connect(server.address).await.unwrap();
    let took = server.stop().await;
    // Two seconds for requests under way, half a second for connections.
    assert!(took < Duration::from_secs(4), "{took:?}");
    drop(silent);
    let read = tokio::time::timeout(LIMIT, without_request.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
