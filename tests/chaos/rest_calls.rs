//! Calls to the REST API of a host, through its control socket, while it may be down, frozen or busy.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use tidegate_tests::TIMEOUT;

use crate::{
    plan::Fault,
    scene::{FAULTY, Scene},
};

/// A frozen host answers later, or never.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

/// Begins a fault.
pub(crate) fn start(scene: &Scene, host: usize, fault: Fault) {
    for connector in FAULTY {
        let (call, body) = match fault {
            Fault::ApiPause => (format!("PUT /connectors/{connector}/pause"), ""),
            Fault::ApiStop => (format!("PUT /connectors/{connector}/stop"), ""),
            Fault::ApiRestart => (format!("POST /connectors/{connector}/restart?includeTasks=true"), ""),
            Fault::ApiRestartTask => (format!("POST /connectors/{connector}/tasks/0/restart"), ""),
            Fault::ApiConfig => {
                (format!("PATCH /connectors/{connector}/config"), "{\"batch.max_records\":78}")
            }
            other => panic!("{other:?} is no call"),
        };
        // The host may be down.
        let _down = send(scene, host, &call, body).is_err();
    }
}

/// Ends a fault. What was paused or stopped has to run again, so this waits for the host.
pub(crate) fn end(scene: &Scene, host: usize, fault: Fault) {
    for connector in FAULTY {
        match fault {
            Fault::ApiPause | Fault::ApiStop => resume(scene, host, connector),
            Fault::ApiConfig => {
                let call = format!("PATCH /connectors/{connector}/config");
                let _down = send(scene, host, &call, "{\"batch.max_records\":null}").is_err();
            }
            _ => {}
        }
    }
}

/// Resumes a connector, and waits for its host.
pub(crate) fn resume(scene: &Scene, host: usize, connector: &str) {
    let deadline = Instant::now() + TIMEOUT;
    let call = format!("PUT /connectors/{connector}/resume");
    while Instant::now() < deadline {
        // Without a file there is no connector, and it runs once it has one again.
        if matches!(send(scene, host, &call, ""), Ok(202 | 404)) {
            return;
        }
        thread::sleep(PAUSE);
    }
    scene.host(host).report_unexpected(format!("{connector} could not be resumed"));
}

/// Sends a request. Returns the status of the answer, of which a failure of the host is none.
pub(crate) fn send(scene: &Scene, host: usize, call: &str, body: &str) -> io::Result<u16> {
    let mut stream = UnixStream::connect(scene.control_socket(host))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let length = body.len();
    write!(
        stream,
        "{call} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
    if status >= 500 && status != 503 {
        scene.host(host).report_unexpected(format!("{call}: {answer}"));
    }
    Ok(status)
}
