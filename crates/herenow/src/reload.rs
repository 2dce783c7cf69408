//! A new configuration for a server that runs: what changed, and what of that it can take.
use crate::{
    assemble::{self, AssembleError, Surroundings},
    config::{
        key::Key,
        keys::KEYS,
        mode::{ForcedMode, Mode, ModeError},
        rooms::differences,
        settings::Config,
    },
    presence::Presence,
    rules::Rules,
    tls::Certified,
    webhooks::handle::{Start, WebhookError, Webhooks},
};
use std::{borrow::Cow, fmt, sync::Arc};

/// What one server goes by at the moment.
pub struct Live {
    presence: Presence,
    webhooks: Webhooks,
    around: Surroundings,
    config: Config,
    mode: Mode,
    forced: Option<ForcedMode>,
}

/// One key that has another value now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which; of rooms, with their names.
    pub key: Cow<'static, str>,
    /// What it was; not of secrets.
    pub from: String,
    /// What it is.
    pub to: String,
    /// Whether that holds already; if not, it needs a restart.
    pub is_live: bool,
}

/// Why nothing was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// The values do not go together.
    Assemble(AssembleError),
    /// There is no secret, and none may be made up.
    Mode(ModeError),
    /// The server would change between dev and production mode.
    OtherMode,
    /// Webhooks are wanted now, and cannot be kept.
    Webhooks(WebhookError),
}

/// What a server that runs is, besides its presence.
#[derive(Debug)]
pub struct LiveSetup {
    /// Who is told of joins and leaves.
    pub webhooks: Webhooks,
    /// What stays the same.
    pub around: Surroundings,
    /// What it was started with.
    pub config: Config,
    /// How it runs.
    pub mode: Mode,
    /// What the command line says about the mode.
    pub forced: Option<ForcedMode>,
}

impl Live {
    /// What a server goes by that has just been started.
    pub fn new(presence: Presence, setup: LiveSetup) -> Self {
        let LiveSetup { webhooks, around, config, mode, forced } = setup;
        Self { presence, webhooks, around, config, mode, forced }
    }

    /// Takes what can be taken of a new configuration; says what changed since the last one.
    ///
    /// # Errors
    /// See [`ReloadError`]; all is as it was then.
    pub async fn take(&mut self, new: &Config) -> Result<Vec<Change>, ReloadError> {
        let changed: Vec<&Key> = KEYS.iter().filter(|key| !key.is_same(&self.config, new)).collect();
        let mut next = self.config.clone();
        for key in changed.iter().filter(|key| key.is_live()) {
            key.copy(new, &mut next);
        }
        let mode = self.mode_for(&next)?;
        let authority = assemble::authority(&next, &mode, &self.around, Some(&self.presence.authority()));
        let authority = Arc::new(authority.map_err(ReloadError::Assemble)?);
        // The files may hold something else under the same names.
        let certified = Certified::read(&next.tls).map_err(|error| ReloadError::Assemble(AssembleError::Tls(error)))?;
        let origins = Arc::new(assemble::origins(&next, &mode));
        self.take_webhooks(&next)?;
        self.presence.change_rules(Rules { authority, origins, rates: next.limits.rates });
        let change = |key: &&Key| Change {
            key: key.name.into(),
            from: key.shown(&self.config),
            to: key.shown(new),
            is_live: key.is_live(),
        };
        let mut changes: Vec<Change> = changed.iter().map(change).collect();
        changes.extend(self.show(certified));
        let rooms = differences(&self.config.rooms, &new.rooms).into_iter();
        changes.extend(rooms.map(|(key, from, to)| Change { key: key.into(), from, to, is_live: true }));
        if self.config.rooms != new.rooms {
            next.rooms.clone_from(&new.rooms);
            self.presence.change_room_rules(next.rooms.as_slice().into()).await;
        }
        (self.config, self.mode) = (next, mode);
        Ok(changes)
    }

    /// Begins webhooks, or changes them, where something of them is different.
    fn take_webhooks(&self, next: &Config) -> Result<(), ReloadError> {
        if next.webhooks == self.config.webhooks {
            return Ok(());
        }
        let settings = assemble::webhooks(next).map_err(ReloadError::Assemble)?;
        match settings {
            Some(settings) if !self.webhooks.is_started() => {
                let (spool, events_max) = (next.webhooks.spool_path(), next.webhooks.spool_events);
                let start = Start { settings, spool, events_max, presence: self.presence.downgrade() };
                self.webhooks.start(start).map_err(ReloadError::Webhooks)
            }
            settings => {
                self.webhooks.change(settings);
                Ok(())
            }
        }
    }

    /// Has new connections shown another certificate; says so where it is another one.
    fn show(&self, certified: Option<Certified>) -> Option<Change> {
        let shown = |fingerprint: Option<&str>| fingerprint.map_or_else(|| "no TLS".to_owned(), str::to_owned);
        let from = shown(self.around.tls.fingerprint().as_deref());
        let to = shown(certified.as_ref().map(Certified::fingerprint));
        self.around.tls.show(certified);
        (from != to).then_some(Change { key: "tls.cert (fingerprint)".into(), from, to, is_live: true })
    }

    /// What it goes by.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn mode_for(&self, next: &Config) -> Result<Mode, ReloadError> {
        if next.auth.secret == self.config.auth.secret {
            // One that was drawn at random stays, and with it the tokens of guests and of dev mode.
            return Ok(self.mode.clone());
        }
        let mode = Mode::decide(next, self.forced).map_err(ReloadError::Mode)?;
        if mode.is_dev() == self.mode.is_dev() { Ok(mode) } else { Err(ReloadError::OtherMode) }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.is_live { "" } else { "; this needs a restart" };
        write!(f, "{}: {} -> {}{when}", self.key, self.from, self.to)
    }
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assemble(error) => write!(f, "{error}"),
            Self::Webhooks(error) => write!(f, "{error}"),
            Self::Mode(ModeError::NoSecret { .. }) => {
                write!(f, "no secret and no other keys are configured any more, so that nobody could be let in")
            }
            Self::Mode(error) => write!(f, "{error}"),
            Self::OtherMode => {
                write!(f, "the change of auth.secret is one between dev and production mode, which needs a restart")
            }
        }
    }
}

impl std::error::Error for ReloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Assemble(error) => std::error::Error::source(error),
            Self::Mode(error) => std::error::Error::source(error),
            Self::Webhooks(error) => std::error::Error::source(error),
            Self::OtherMode => None,
        }
    }
}
