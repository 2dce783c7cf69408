//! The `herenow` binary.
#![expect(clippy::print_stdout, reason = "the banner and the lines of dev mode are what this program prints")]

use anyhow::Context;
use herenow::{
    auth, banner,
    config::{
        keys::Key,
        load::{Flag, Inputs, environment, load},
        mode::Mode,
    },
    serve::{Server, stop_signal},
};
use std::sync::Arc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut flags = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--listen" {
            let key = Key::named("server.listen").context("key")?;
            flags.push(Flag { name: "--listen", key, value: args.next().unwrap_or_default() });
        }
    }
    let loaded = load(&Inputs { file: None, variables: environment()?, flags })?;
    let mode = Mode::decide(&loaded.config, None)?;
    let server = Server::bind(&loaded.config, &mode, Arc::new(|_, _| {})).await?;
    let server = server.with_demo(None)?;
    println!(
        "{}",
        banner::banner(banner::BannerFacts {
            address: server.address(),
            is_dev: mode.is_dev(),
            has_demo: true,
            file: None
        })
    );
    let _ = auth::name::GRAPHEMES_MAX;
    server.run(stop_signal()?).await;
    Ok(())
}
