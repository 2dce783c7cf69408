//! What a person sees in the terminal: where to look, and in dev mode who comes and goes.
use herenow_core::{event::Notice, time::Time};
use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

/// What the banner tells of a server.
#[derive(Clone, Copy, Debug)]
pub struct BannerFacts<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// Whether tokens are free.
    pub is_dev: bool,
    /// Whether the demo is served.
    pub has_demo: bool,
    /// Whether the operators' page is served.
    pub has_admin: bool,
    /// What opens that page once, where nothing else does.
    pub admin_code: Option<&'a str>,
    /// The configuration file in use.
    pub file: Option<&'a str>,
}

/// The lines printed at start; the last says that the server is ready.
pub fn banner(facts: BannerFacts<'_>) -> String {
    let BannerFacts { address, is_tls, is_dev, has_demo, has_admin, admin_code, file } = facts;
    let base = format!("http{}://{}:{}", if is_tls { "s" } else { "" }, host(address), address.port());
    let mode = if is_dev { "dev mode" } else { "production mode" };
    let file = file.map_or_else(|| "no config file".to_owned(), |file| format!("config {file}"));
    let mut text = format!("\n  herenow {}  {mode} · memory only · {file}\n\n", env!("CARGO_PKG_VERSION"));
    let mut row = |name: &str, what: &str, about: &str| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  ▸ {name:<10} {what:<40} {about}");
    };
    if has_demo {
        row("Demo", &format!("{base}/demo"), "Alice and Bob side by side");
    }
    row("WebSocket", &format!("ws{}/ws", base.trim_start_matches("http")), "board.v1 or herenow.v1");
    row("API", &format!("{base}/docs"), "HTTP, for backends and bots");
    if has_admin && admin_code.is_none() {
        row("Admin", &format!("{base}/admin"), "rooms, who is in them, and what happens");
    }
    row("Health", &format!("{base}/healthz"), "");
    if let Some(code) = admin_code.filter(|_| has_admin) {
        // A line of its own, because it is long, and is to be copied.
        let _ = write!(
            text,
            "\n  ▸ Admin      {base}/admin#k={code}\n    This link opens the operators' page once, within 30 minutes. A key \
             that stays:\n      herenow key --name operator --can read,write,admin\n"
        );
    }
    if is_dev {
        text.push_str("\n  ! Dev mode hands a token to whoever asks on this machine. For everybody else:\n");
        text.push_str("      herenow serve --listen 0.0.0.0:4280    prints a secret to sign tokens with\n");
    }
    text.push_str("\n  herenow is ready. Ctrl-C stops it.\n");
    text
}

/// The host of an address as it stands in a URL; where it listens everywhere, one that reaches it from here.
pub fn host(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".into(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".into(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A line on what happened, with the time of day in UTC; `None` for what happens too often to be shown.
pub fn notice_line(now: Time, notice: &Notice) -> Option<String> {
    let second = now.as_millis() / 1000 % 86_400;
    let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let viewers = |users: usize| if users == 1 { "1 viewer".to_owned() } else { format!("{users} viewers") };
    let line = match notice {
        Notice::Joined { room, profile, count, .. } => {
            format!("  {time}  join    {room}  {}  ({})", profile.name, viewers(count.users))
        }
        Notice::Left { room, profile, count, .. } => {
            format!("  {time}  leave   {room}  {}  ({})", profile.name, viewers(count.users))
        }
        Notice::Typing { room, profile, target } => {
            let target = target.as_ref().map_or(String::new(), |target| format!("  {target}"));
            format!("  {time}  typing  {room}  {}{target}", profile.name)
        }
        Notice::Updated { .. } | Notice::Online { .. } | Notice::Offline { .. } => return None,
    };
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::{BannerFacts, banner, host, notice_line};
    use herenow_core::{
        event::{Count, Notice},
        id::{RoomId, UserId},
        profile::Profile,
        time::Time,
        version::{Epoch, Version},
    };
    use std::sync::Arc;

    #[test]
    fn names_the_address_to_open() {
        let facts = BannerFacts {
            address: "127.0.0.1:4280".parse().unwrap(),
            is_tls: false,
            is_dev: true,
            has_demo: true,
            has_admin: true,
            admin_code: None,
            file: None,
        };
        assert!(banner(facts).contains("http://127.0.0.1:4280/demo"));
        assert!(banner(facts).contains("ws://127.0.0.1:4280/ws"));
        assert!(banner(facts).contains("Dev mode hands a token"));
        let plain = banner(BannerFacts { is_dev: false, has_demo: false, ..facts });
        assert!(!plain.contains("/demo") && !plain.contains("Dev mode"));
        assert!(banner(facts).contains("http://127.0.0.1:4280/admin "));
        let link = banner(BannerFacts { admin_code: Some("abc"), ..facts });
        assert!(link.contains("http://127.0.0.1:4280/admin#k=abc\n") && link.contains("once, within 30 minutes"));
        assert!(!banner(BannerFacts { has_admin: false, admin_code: Some("abc"), ..facts }).contains("/admin"));
        let over_tls = banner(BannerFacts { is_tls: true, ..facts });
        assert!(over_tls.contains("https://127.0.0.1:4280/demo") && over_tls.contains("wss://127.0.0.1:4280/ws"));
        assert_eq!(host("0.0.0.0:1".parse().unwrap()), "127.0.0.1");
        assert_eq!(host("[::]:1".parse().unwrap()), "[::1]");
    }

    #[test]
    fn tells_who_came() {
        let profile = Profile { user: UserId::parse("alice").unwrap(), name: "Alice".into(), avatar: None };
        let room = RoomId::parse("board-1").unwrap();
        let version = Version { epoch: Epoch::parse("e1").unwrap(), number: 1 };
        let (profile, count) = (Arc::new(profile), Count { users: 1, sessions: 1 });
        let notice = Notice::Joined { room, profile, version, count };
        let line = notice_line(Time::from_millis((3600 + 60 + 1) * 1000 + 86_400_000), &notice);
        assert_eq!(line.unwrap(), "  01:01:01  join    board-1  Alice  (1 viewer)");
    }
}
