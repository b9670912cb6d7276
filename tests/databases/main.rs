//! What sinks for databases rely on, and what their tests rely on: commits, crashes, sessions, locks and passwords of real servers, as
//! the harness starts them.

use std::{sync::mpsc, thread, time::Duration};

use tidegate_tests::{Database, Session, wait_for};

/// Every server that is installed, each with a database of this name.
fn servers(name: &str) -> impl Iterator<Item = Database> {
    [Database::postgres(name, &[]), Database::mariadb(name, &[])].into_iter().flatten()
}

/// Writes a row and an offset in a transaction, which stays open.
fn write(session: &mut Session, id: u32) {
    session.execute("BEGIN").expect("a transaction");
    session.execute(&format!("INSERT INTO items VALUES ({id}, 'item {id}')")).expect("a row");
    session.execute(&format!("UPDATE offsets SET next = {id}")).expect("an offset");
}

/// Rows and the offset that belongs to them are written in one transaction, so after a crash there are both or neither.
#[test]
fn what_was_committed_survives_a_crash_and_an_open_transaction_does_not() {
    for database in servers("crash") {
        database.execute(
            "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(20)); CREATE TABLE offsets (next BIGINT);
             INSERT INTO offsets VALUES (0)",
        );
        let mut session = database.session();
        write(&mut session, 1);
        session.execute("COMMIT").expect("a commit");
        write(&mut session, 2);
        database.kill();
        session.execute("COMMIT").expect_err("a connection that is gone");
        database.try_execute("SELECT 1").expect_err("a server that is gone");

        database.start();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(database.rows("SELECT id, name FROM items"), [[text("1"), text("item 1")]]);
        assert_eq!(database.value("SELECT next FROM offsets"), "1");
        database.stop();
        database.start();
        assert_eq!(database.value("SELECT count(*) FROM items"), "1", "after a stop, too");
    }
}

/// A frozen server is one behind a network that drops everything: its sessions are neither closed nor answered.
#[test]
fn a_frozen_server_answers_in_the_same_session_once_it_is_resumed() {
    for database in servers("frozen") {
        database.execute("CREATE TABLE items (id BIGINT PRIMARY KEY)");
        let mut session = database.session();
        session.execute("BEGIN").expect("a transaction");
        session.execute("INSERT INTO items VALUES (1)").expect("a row");

        database.freeze();
        session.send("COMMIT").expect("a client that sends");
        let (send, answers) = mpsc::channel();
        let client = thread::spawn(move || send.send(session.receive()).expect("a receiver"));
        let early = answers.recv_timeout(Duration::from_millis(300));
        assert!(early.is_err(), "a frozen server has answered: {early:?}");
        database.resume();
        answers.recv().expect("an answer").expect("a commit");
        client.join().expect("no panic");
        assert_eq!(database.value("SELECT id FROM items"), "1");
    }
}

/// Two tasks that write the same row: the second waits for the first. This is what fences a task whose partitions have moved.
#[test]
fn a_second_writer_of_a_row_waits_and_then_sees_what_the_first_has_committed() {
    let postgres = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let mariadb = "SELECT variable_value FROM information_schema.global_status
                   WHERE variable_name = 'innodb_row_lock_current_waits'";
    for (database, waiting) in
        [(Database::postgres("fence", &[]), postgres), (Database::mariadb("fence", &[]), mariadb)]
    {
        let Some(database) = database else { continue };
        database.execute("CREATE TABLE owner (epoch BIGINT); INSERT INTO owner VALUES (1)");
        let (mut first, mut second) = (database.session(), database.session());
        first.execute("BEGIN").expect("a transaction");
        first.execute("UPDATE owner SET epoch = 2 WHERE epoch = 1").expect("a claim");
        second.send("UPDATE owner SET epoch = 3 WHERE epoch = 1").expect("a client that sends");
        wait_for(|| (database.value(waiting) == "1").then_some(())).expect("a writer that waits");
        first.execute("COMMIT").expect("a commit");
        second.receive().expect("an update of no row");
        assert_eq!(database.value("SELECT epoch FROM owner"), "2");
    }
}

/// Values reach tests as they are in the table, and only the right password is let in.
#[test]
fn rows_are_read_as_they_are_and_passwords_are_checked() {
    for database in servers("values") {
        database.execute(
            "CREATE TABLE texts (id INT PRIMARY KEY, text VARCHAR(100));
             INSERT INTO texts VALUES (1, 'Björn 🦀'), (2, ''), (3, NULL), (4, 'tab\tline\nend')",
        );
        let rows = database.rows("SELECT text FROM texts ORDER BY id");
        let rows: Vec<Option<&str>> = rows.iter().map(|row| row[0].as_deref()).collect();
        assert_eq!(rows, [Some("Björn 🦀"), Some(""), None, Some("tab\tline\nend")]);
        assert!(
            database.try_execute("INSERT INTO texts VALUES (1, 'again')").is_err(),
            "the key is enforced"
        );

        database.log_in("values", "values").expect("the right password");
        let refused = database.log_in("values", "wrong").expect_err("a wrong password");
        assert!(refused.contains("password"), "{refused}");
    }
}
