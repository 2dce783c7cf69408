//! The wrong rules that are planted in the driver, each with the tests that must not pass with it.

/// One wrong rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plant {
    /// What is wrong, as a sentence without a full stop.
    pub(crate) rule: &'static str,
    /// The file, from the root.
    pub(crate) file: &'static str,
    /// What stands there exactly once.
    pub(crate) find: &'static str,
    /// What stands there instead.
    pub(crate) replace: &'static str,
    /// What cargo builds to run the tests: `--lib` or `--test NAME` of the package herenow.
    pub(crate) build: &'static [&'static str],
    /// The test that has to fail.
    pub(crate) test: &'static str,
}

const SOCKETS: &[&str] = &["--test", "sockets"];

/// All of them.
pub(crate) const PLANTS: &[Plant] = &[
    Plant {
        rule: "A secret to go on with stays good after the new connection was heard",
        file: "crates/herenow/src/resume.rs",
        find: "            record.claimed_with = [0; 2];\n",
        replace: "            let _ = record;\n",
        build: SOCKETS,
        test: "a_secret_is_good_once_and_the_one_before_until_the_new_connection_was_heard",
    },
    Plant {
        rule: "A secret of somebody else is taken",
        file: "crates/herenow/src/resume.rs",
        find: ".filter(|record| record.user == number_of(user))",
        replace: ".filter(|record| record.user == number_of(user) || record.user > 0)",
        build: SOCKETS,
        test: "what_is_no_good_to_go_on_with_is_a_new_session",
    },
    Plant {
        rule: "A secret is taken whatever it is, where the session is known",
        file: "crates/herenow/src/resume.rs",
        find: "if !is_good || (!is_open",
        replace: "if (is_good && !is_good) || (!is_open",
        build: SOCKETS,
        test: "what_is_no_good_to_go_on_with_is_a_new_session",
    },
    Plant {
        rule: "Who holds a session half-open is taken to be alive without being asked",
        file: "crates/herenow/src/transport/ws.rs",
        find: "tokio::time::timeout(PROBE_TIMEOUT, sign).await.unwrap_or(false)",
        replace: "tokio::time::timeout(PROBE_TIMEOUT, sign).await.unwrap_or(true)",
        build: SOCKETS,
        test: "t_19_a_half_open_connection_is_replaced_and_its_late_end_removes_nothing",
    },
    Plant {
        rule: "Who holds a session is taken to be gone without being asked",
        file: "crates/herenow/src/transport/ws.rs",
        find: "tokio::time::timeout(PROBE_TIMEOUT, sign).await.unwrap_or(false)",
        replace: "tokio::time::timeout(PROBE_TIMEOUT, sign).await.is_err()",
        build: SOCKETS,
        test: "t_41_a_duplicated_tab_gets_a_session_of_its_own_and_the_first_is_not_disturbed",
    },
    Plant {
        rule: "The late end of a connection counts, though another holds the session",
        file: "crates/herenow/src/resume.rs",
        find: "        if is_held(&table, connection) {",
        replace: "        if is_held(&table, connection) || table.records.contains_key(&session) {",
        build: &["--lib"],
        test: "the_end_of_a_connection_that_was_replaced_changes_nothing",
    },
    Plant {
        rule: "Rooms that a session does not claim again are kept for ever",
        file: "crates/herenow/src/presence.rs",
        find: "        if rooms.is_empty() {",
        replace: "        if rooms.len() < 1000 {",
        build: SOCKETS,
        test: "a_room_that_is_not_claimed_in_five_seconds_is_left_though_its_grace_is_longer",
    },
    Plant {
        rule: "A diff is left out of a full outbox, and nobody notes that the client is behind",
        file: "crates/herenow/src/connection.rs",
        find: "            outbox.note_behind();\n",
        replace: "",
        build: SOCKETS,
        test: "who_reads_a_pipe_in_sips_never_has_more_waiting_than_allowed_and_is_healed_by_one_roster",
    },
    Plant {
        rule: "A diff is left out of a full outbox, and the room is not told",
        file: "crates/herenow/src/connection.rs",
        find: "            return Said::Less;",
        replace: "            return Said::All;",
        build: SOCKETS,
        test: "who_reads_a_pipe_in_sips_never_has_more_waiting_than_allowed_and_is_healed_by_one_roster",
    },
    Plant {
        rule: "An outbox over its bound ends nothing",
        file: "crates/herenow/src/connection.rs",
        find: "        if outbox.is_over(self.outbox_bytes_max) {",
        replace: "        if outbox.is_over(self.outbox_bytes_max << 20) {",
        build: SOCKETS,
        test: "who_does_not_read_is_closed_with_4503_and_nobody_else_is_hurt",
    },
    Plant {
        rule: "Who answers no ping stays",
        file: "crates/herenow/src/heartbeat.rs",
        find: "                return connection.abort(Ending::TimedOut, now);",
        replace: "                (Purpose::Ping, now)",
        build: SOCKETS,
        test: "t_01_a_peer_that_answers_nothing_is_told_gone_by_timeout_and_one_that_answers_pings_stays",
    },
    Plant {
        rule: "A token that is over ends nothing",
        file: "crates/herenow/src/heartbeat.rs",
        find: "expires_at().is_some_and(|expires_at| expires_at <= now)",
        replace: "expires_at().is_some_and(|expires_at| expires_at < Time::from_millis(1))",
        build: SOCKETS,
        test: "an_expired_token_ends_the_connection_with_the_reason_expired",
    },
    Plant {
        rule: "No rate counts",
        file: "crates/herenow/src/rate.rs",
        find: "if rate == 0 { Ok(()) } else { bucket.take(rate, burst, now) }",
        replace: "if rate < u32::MAX { Ok(()) } else { bucket.take(rate, burst, now) }",
        build: SOCKETS,
        test: "messages_over_the_rate_are_refused_with_a_time_and_those_within_are_handed_on",
    },
    Plant {
        rule: "Nonsense is borne without end",
        file: "crates/herenow/src/connection.rs",
        find: "        self.refused > Self::REFUSED_MAX",
        replace: "        self.refused > Self::REFUSED_MAX * 1000",
        build: SOCKETS,
        test: "the_101st_bad_frame_in_10_s_ends_the_connection",
    },
    Plant {
        rule: "Who was put out for a while is not kept out by the shard of the room",
        file: "crates/herenow/src/shard.rs",
        find: "self.tell(now, at, Input::Evicted { room, whom, reason, block });",
        replace: "self.tell(now, at, Input::Evicted { room, whom, reason, block: block.filter(|_| false) });",
        build: SOCKETS,
        test: "who_is_put_out_is_out_of_that_room_with_all_tabs_and_stays_out_for_the_time",
    },
    Plant {
        rule: "A cookie counts whichever page sends it",
        file: "crates/herenow/src/transport/ws.rs",
        find: "presence.origins().check(&parts.headers, source)",
        replace: "presence.origins().check(&parts.headers, TokenSource::Frame)",
        build: SOCKETS,
        test: "a_cookie_counts_only_for_pages_of_this_server_or_of_the_list",
    },
    Plant {
        rule: "The time is that of the wall",
        file: "crates/herenow/src/clock.rs",
        find: "        self.started_at + self.started.elapsed()",
        replace: "        Self::start().started_at",
        build: SOCKETS,
        test: "t_17_the_wall_clock_may_be_set_an_hour_forward_and_back_without_an_event",
    },
];
