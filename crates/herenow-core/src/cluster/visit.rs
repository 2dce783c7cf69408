//! Looking at a room that perhaps nobody of this node is in: what other nodes say of it is heard, for a while, as if somebody
//! here were in it, and then the room is shown as any other.
use crate::{hub::Hub, id::RoomId, time::Time};

impl Hub {
    /// Hears what other nodes say of a room, or of a user, for [`super::timing::Timing::linger`] from now on, unless there
    /// are [`VISITED_ROOMS_MAX`] such rooms already. Nothing for a hub that is alone: it knows all there is.
    pub(crate) fn visit(&mut self, now: Time, id: RoomId) {
        let Some(member) = self.cluster.as_deref_mut() else { return };
        let is_followed = member.places.get(&id).is_some_and(|place| place.is_wanted);
        if !is_followed && member.visited.len() >= VISITED_ROOMS_MAX {
            return;
        }
        member.open(now, &id);
        let until = member.is_up().then(|| now + member.timing.first_look);
        let Some(place) = member.places.get_mut(&id) else { return };
        if !place.is_wanted {
            place.first_look_until = until;
            place.is_wanted = true;
            member.visited.insert(id.clone());
        }
        // Where somebody is in it after all, the end of the turn finds that.
        place.idle_since = Some(now);
        if id.user().is_none() {
            self.open_room(id);
        }
    }

    /// Whether all is known of a room, or of a user, that is to be known now: by a hub that is alone always, by one among
    /// several once the store has answered, or has not in time. True as well where it is not followed.
    pub fn is_known(&self, id: &RoomId) -> bool {
        let place = self.cluster.as_ref().and_then(|member| member.places.get(id));
        place.is_none_or(|place| place.first_look_until.is_none())
    }

    /// Whether the news of a room, or of a user, are heard: by a hub that is alone always.
    pub fn follows(&self, id: &RoomId) -> bool {
        self.cluster.as_ref().is_none_or(|member| member.places.get(id).is_some_and(|place| place.is_wanted))
    }

    /// Since when it is not known what other nodes say of a room; `None` where it is, and for a hub that is alone.
    pub fn doubted_since(&self, id: &RoomId) -> Option<Time> {
        self.cluster.as_ref()?.places.get(id)?.doubted_since
    }
}

/// Rooms that a hub hears for who looks at them, while nobody of the node is in them.
pub const VISITED_ROOMS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::VISITED_ROOMS_MAX;
    use crate::{
        cluster::{
            door::{Ask, Heard, NodeId, Snapshot},
            timing::Timing,
        },
        command::Input,
        event::Output,
        hub::Hub,
        id::RoomId,
        limits::Limits,
        time::Time,
        version::Epoch,
    };

    const NOW: Time = Time::from_millis(10_000);

    fn hub() -> Hub {
        let epoch = Epoch::parse("e").unwrap();
        let mut hub = Hub::among(epoch, Limits::default(), NodeId(1), Timing::default());
        hub.handle(NOW, Input::Cluster(Heard::Store(true)));
        hub
    }

    fn room(number: usize) -> RoomId {
        RoomId::parse(&format!("board-{number}")).unwrap()
    }

    fn visit(hub: &mut Hub, now: Time, number: usize) {
        hub.handle(now, Input::Visited { room: room(number) });
    }

    fn asks(hub: &mut Hub, now: Time) -> Vec<Ask> {
        hub.settle(now);
        let mut asks = Vec::new();
        while let Some(output) = hub.poll_output() {
            if let Output::Cluster(ask) = output {
                asks.push(ask);
            }
        }
        asks
    }

    #[test]
    fn a_room_that_somebody_looks_at_is_heard_for_a_while_and_forgotten() {
        let mut hub = hub();
        assert!(hub.is_known(&room(1)) && !hub.follows(&room(1)));
        visit(&mut hub, NOW, 1);
        let asked = asks(&mut hub, NOW);
        let [Ask::Subscribe { room: at, generation }] = asked.as_slice() else { panic!("{asked:?}") };
        assert!(hub.follows(at) && !hub.is_known(at), "the store has to be asked first");
        hub.handle(NOW, Input::Cluster(Heard::Subscribed { room: at.clone(), generation: *generation }));
        assert!(matches!(asks(&mut hub, NOW).as_slice(), [Ask::Snapshot { .. }]));
        let snapshot = Some(Snapshot::default());
        hub.handle(NOW, Input::Cluster(Heard::Snapshot { room: at.clone(), generation: *generation, snapshot }));
        asks(&mut hub, NOW);
        assert!(hub.is_known(at));
        let timing = Timing::default();
        let later = NOW + timing.linger / 2;
        visit(&mut hub, later, 1);
        let over = NOW + timing.linger;
        hub.handle_timeout(over);
        asks(&mut hub, over);
        assert!(hub.follows(at), "each look counts from then on");
        let over = later + timing.linger;
        hub.handle_timeout(over);
        assert!(asks(&mut hub, over).contains(&Ask::Unsubscribe { room: at.clone() }));
        assert!(!hub.follows(at) && hub.rooms().count() == 0);
    }

    #[test]
    fn a_store_that_does_not_answer_is_not_waited_for_long() {
        let mut hub = hub();
        visit(&mut hub, NOW, 1);
        asks(&mut hub, NOW);
        let over = NOW + Timing::default().first_look;
        assert!(hub.poll_timeout().is_some_and(|at| at <= over));
        hub.handle_timeout(over);
        asks(&mut hub, over);
        assert!(hub.is_known(&room(1)));
        assert_eq!(hub.doubted_since(&room(1)), Some(NOW));
    }

    #[test]
    fn no_more_rooms_are_followed_for_who_looks_than_the_limit() {
        let mut hub = hub();
        for number in 0..=VISITED_ROOMS_MAX {
            visit(&mut hub, NOW, number);
        }
        asks(&mut hub, NOW);
        assert_eq!(hub.rooms().count(), VISITED_ROOMS_MAX);
        assert!(hub.follows(&room(0)) && !hub.follows(&room(VISITED_ROOMS_MAX)));
        visit(&mut hub, NOW, 0);
        let over = NOW + Timing::default().linger;
        hub.handle_timeout(over);
        asks(&mut hub, over);
        visit(&mut hub, over, VISITED_ROOMS_MAX);
        assert!(hub.follows(&room(VISITED_ROOMS_MAX)));
    }
}
