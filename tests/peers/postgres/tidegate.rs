//! Tidegate's sink `postgres` with its defaults.

use std::{cell::RefCell, time::Instant};

use tidegate_tests::Running;

use super::{
    Runner,
    scene::{Measured, Scene, Subject},
};
use crate::{process::Usage, tidegate};

/// The sink in a new host, whose state folder is empty.
#[derive(Debug)]
pub(crate) struct Tidegate;

impl Runner for Tidegate {
    fn run(&self, scene: &Scene<'_>, tasks: usize) -> Vec<Measured> {
        let plural = if tasks == 1 { "" } else { "s" };
        let program = format!("Tidegate, {tasks} task{plural}");
        let home = tidegate::home();
        // Names are not used twice: the committed offsets of a group stay.
        home.connector(&format!("{}-{tasks}", scene.case.name), &connector_file(scene, tasks));
        remove_helper_tables(scene);
        let host: RefCell<Option<Running>> = RefCell::new(None);
        let start = || {
            let started = Instant::now();
            let running = home.start_on(&scene.kafka.servers(), &[]);
            let pid = running.pid();
            *host.borrow_mut() = Some(running);
            Subject { pid, started, before: Usage::default() }
        };
        let check = || {
            let host = host.borrow();
            let log = host.as_ref().map(Running::log).unwrap_or_default();
            assert!(!log.contains("ERROR"), "the connector has failed: {log}");
        };
        let measured = scene.measure(&program, start, check);
        let running = host.take().expect("the host was started");
        running.terminate().expect_code(0);
        remove_helper_tables(scene);
        vec![measured]
    }
}

/// The tables exist, as for the other programs.
fn connector_file(scene: &Scene<'_>, tasks: usize) -> String {
    let topics: Vec<String> = scene.topics().iter().map(|topic| format!("\"{topic}\"")).collect();
    let (name, port) = (scene.database.name(), scene.database.port());
    format!(
        "tasks = {tasks}\n\
         [source]\n\
         topics = [{}]\n\
         [sink]\n\
         plugin = \"postgres\"\n\
         [sink.config]\n\
         host = \"127.0.0.1\"\n\
         port = {port}\n\
         user = \"{name}\"\n\
         password = \"{name}\"\n\
         database = \"{name}\"\n\
         ssl_mode = \"disable\"\n",
        topics.join(", ")
    )
}

/// Drops the sink's own tables: rows that an earlier run has deleted would be known to be deleted, which saves work.
fn remove_helper_tables(scene: &Scene<'_>) {
    let found = scene
        .database
        .rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE '%\\_cdc\\_%'");
    for table in found.into_iter().flatten().flatten() {
        scene.database.execute(&format!("DROP TABLE \"{table}\""));
    }
}
