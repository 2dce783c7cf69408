//! How long the system goes on sending to a peer that acknowledges nothing.
use std::time::Duration;
use tokio::net::TcpStream;

/// Has the system end a connection whose peer acknowledges nothing of what it was sent for this long, or takes nothing more;
/// `None` leaves it to the system, where that takes a quarter of an hour. Does nothing on other systems than Linux.
pub fn end_when_unacknowledged(stream: &TcpStream, within: Option<Duration>) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(within) {
        // A socket that refuses this is as good as gone.
        tracing::debug!(%error, "cannot bound the time that a peer acknowledges nothing");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, within);
}
