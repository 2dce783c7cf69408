//! What a tab does once it knows whether its session goes on: what it said before is known still, or has to be said again.
use crate::{client::Doubt, node::Node, view::Fault, world::World};
use herenow_core::{
    command::Command,
    id::{SessionId, UserId},
    profile::Status,
};
use std::collections::BTreeMap;

impl Doubt {
    /// Notes that something is said; whether it is what a session takes along.
    pub(crate) fn note(&mut self, command: &Command) -> bool {
        self.said_status |= matches!(command, Command::SetStatus { .. });
        matches!(command, Command::SetStatus { .. } | Command::Watch { .. } | Command::Unwatch { .. })
    }
}

impl World {
    /// A tab learns which session it has.
    pub(crate) fn welcomed(&mut self, at: usize, session: SessionId) {
        let Some(tab) = self.tabs.get_mut(at) else { return };
        let doubt = tab.doubt;
        if doubt.named != Some(session) {
            // A session of its own, which knows only what was said on this connection.
            if !doubt.said_status {
                tab.status = Status::Active;
            }
            (tab.doubt.is_shared, tab.doubt.is_refused) = (false, false);
            if !doubt.said_watches {
                self.watch_all(at);
            }
            return;
        }
        if doubt.is_unheard || doubt.is_shared {
            tab.doubt.is_unheard = false;
            let status = tab.status;
            self.ask(at, Command::SetStatus { status });
            self.watch_all(at);
        }
    }

    /// A tab asks to be told of all whose dots it shows.
    pub(crate) fn watch_all(&mut self, at: usize) {
        let Some(tab) = self.tabs.get_mut(at) else { return };
        tab.doubt.said_watches = true;
        let users: Vec<UserId> = tab.watching.iter().cloned().collect();
        if !users.is_empty() {
            self.ask(at, Command::Watch { users });
        }
    }

    /// At rest, who is active or idle is as the tabs said, each over all its connections.
    pub(crate) fn check_statuses_at_rest(&self) -> Result<(), Fault> {
        let mut said: BTreeMap<&UserId, Status> = BTreeMap::new();
        for tab in self.tabs.iter().filter(|tab| tab.connection.is_some()) {
            let status = said.entry(&tab.user).or_insert(tab.status);
            *status = (*status).min(tab.status);
        }
        for (user, status) in said {
            let home = self.node.partitions.get(Node::home_of(user));
            let held = home.and_then(|home| home.hub.status(user));
            if held != Some(status) {
                return Err(format!("{user} is {held:?}, and said {status:?}"));
            }
        }
        Ok(())
    }
}
