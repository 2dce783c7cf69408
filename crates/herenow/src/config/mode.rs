//! Dev or production. Dev mode lets in whoever asks, so it is for this machine only; anything else needs a secret.
use super::settings::Config;
use crate::auth::secret::Secret;
use std::{fmt, net::SocketAddr};

/// How the server runs, with the secret it verifies tokens with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For one machine: tokens are free at `POST /dev/token`.
    Dev {
        /// The configured one, or one drawn at random for this run.
        secret: Secret,
    },
    /// For all others.
    Prod {
        /// The configured one; where tokens are verified with other keys alone, one drawn at random for this run.
        secret: Secret,
    },
}

/// What the command line says about the mode, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForcedMode {
    /// `--dev`
    Dev,
    /// `--prod`
    Prod,
}

/// Why the server does not start. To be told as a usage error (exit code 2).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ModeError {
    /// There is no secret, and none may be made up.
    NoSecret {
        /// Where it was to listen.
        listen: SocketAddr,
        /// Whether that is reachable from this machine only, so that production mode was asked for.
        is_loopback: bool,
        /// A new secret, to use if one likes.
        proposal: Secret,
    },
    /// Dev mode was asked for on an address that others can reach.
    DevElsewhere {
        /// Which.
        listen: SocketAddr,
    },
    /// The operating system has no randomness for a secret.
    Random(getrandom::Error),
}

impl Mode {
    /// Production mode with a configured secret or other keys, dev mode without, unless the command line says which; dev mode on
    /// loopback addresses only.
    ///
    /// # Errors
    /// See [`ModeError`].
    pub fn decide(config: &Config, forced: Option<ForcedMode>) -> Result<Self, ModeError> {
        let (listen, is_loopback) = (config.server.listen, config.is_loopback());
        match (forced, config.auth.secret.clone()) {
            (Some(ForcedMode::Dev), _) if !is_loopback => Err(ModeError::DevElsewhere { listen }),
            (Some(ForcedMode::Dev), Some(secret)) => Ok(Self::Dev { secret }),
            (Some(ForcedMode::Prod) | None, Some(secret)) => Ok(Self::Prod { secret }),
            // Nothing is signed with it, unless this server makes tokens; it ends with the process.
            (Some(ForcedMode::Prod) | None, None) if config.has_other_keys() => {
                Ok(Self::Prod { secret: Secret::generate().map_err(ModeError::Random)? })
            }
            (Some(ForcedMode::Dev) | None, None) if is_loopback => {
                Ok(Self::Dev { secret: Secret::generate().map_err(ModeError::Random)? })
            }
            (_, None) => {
                let proposal = Secret::generate().map_err(ModeError::Random)?;
                Err(ModeError::NoSecret { listen, is_loopback, proposal })
            }
        }
    }

    /// Whether tokens are free.
    pub const fn is_dev(&self) -> bool {
        matches!(self, Self::Dev { .. })
    }

    /// What tokens are verified with.
    pub const fn secret(&self) -> &Secret {
        let (Self::Dev { secret } | Self::Prod { secret }) = self;
        secret
    }
}

impl fmt::Display for ModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecret { listen, is_loopback, proposal } => {
                let how = if *is_loopback { "--prod".to_owned() } else { format!("--listen {listen}") };
                writeln!(f, "no secret is configured, and without one anybody who reaches {listen} would be let in")?;
                writeln!(f)?;
                writeln!(f, "  Here is a new one, ready to use. Keep it: your app signs its tokens with it.")?;
                writeln!(f)?;
                write!(f, "    HERENOW_SECRET={} herenow serve {how}", proposal.reveal())
            }
            Self::DevElsewhere { listen } => write!(
                f,
                "dev mode lets in whoever asks, so it listens on loopback addresses only, not on {listen}; \
                 leave out --dev and set HERENOW_SECRET, or listen on 127.0.0.1:{}",
                listen.port()
            ),
            Self::Random(_) => write!(f, "no random bytes for a secret"),
        }
    }
}

impl std::error::Error for ModeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Random(error) => Some(error),
            Self::NoSecret { .. } | Self::DevElsewhere { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, secret: Option<&str>) -> Config {
        let mut config = Config::default();
        config.server.listen = listen.parse().unwrap();
        config.auth.secret = secret.map(|text| Secret::parse(text).unwrap());
        config
    }

    const SECRET: Option<&str> = Some("0123456789abcdef0123456789abcdef");

    #[test]
    fn without_a_secret_loopback_is_dev_mode_with_a_new_one_each_time() {
        for forced in [None, Some(ForcedMode::Dev)] {
            let decide = || Mode::decide(&config("127.0.0.1:4280", None), forced).unwrap();
            assert!(decide().is_dev());
            assert_ne!(decide().secret(), decide().secret());
        }
    }

    #[test]
    fn without_a_secret_other_addresses_are_refused_with_one_to_use() {
        for listen in ["0.0.0.0:4280", "[::]:4280", "192.168.1.7:80"] {
            for forced in [None, Some(ForcedMode::Prod)] {
                let error = Mode::decide(&config(listen, None), forced).unwrap_err();
                let ModeError::NoSecret { proposal, .. } = &error else { panic!("{error:?}") };
                let command = format!("HERENOW_SECRET={} herenow serve --listen {listen}", proposal.reveal());
                assert!(error.to_string().ends_with(&command), "{error}");
                assert!(Secret::parse(proposal.reveal()).is_ok());
            }
        }
    }

    #[test]
    fn production_mode_needs_a_secret_on_loopback_too() {
        let error = Mode::decide(&config("127.0.0.1:4280", None), Some(ForcedMode::Prod)).unwrap_err();
        assert!(error.to_string().ends_with("herenow serve --prod"), "{error}");
    }

    #[test]
    fn a_secret_means_production_mode_unless_dev_is_asked_for() {
        for listen in ["127.0.0.1:4280", "0.0.0.0:4280"] {
            for forced in [None, Some(ForcedMode::Prod)] {
                let mode = Mode::decide(&config(listen, SECRET), forced).unwrap();
                assert!(!mode.is_dev() && mode.secret().reveal() == SECRET.unwrap());
            }
        }
        let mode = Mode::decide(&config("127.0.0.1:4280", SECRET), Some(ForcedMode::Dev)).unwrap();
        assert!(mode.is_dev() && mode.secret().reveal() == SECRET.unwrap());
    }

    #[test]
    fn dev_mode_is_refused_where_others_can_reach_it() {
        for secret in [None, SECRET] {
            let error = Mode::decide(&config("0.0.0.0:4280", secret), Some(ForcedMode::Dev)).unwrap_err();
            assert!(matches!(error, ModeError::DevElsewhere { .. }), "{error:?}");
        }
    }
}
