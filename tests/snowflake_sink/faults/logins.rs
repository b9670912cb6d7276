//! Rejected logins are reported with the fix, and not retried so often that Snowflake locks the user.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    thread,
};

use tidegate_tests::{StandIn, root};

use super::{Trial, trial::NO_RESTART};

const OFTEN: &str =
    "[batch]\nmax_wait = \"100ms\"\n[restart]\ninitial = \"1ms\"\nmax = \"5ms\"\nmax_restarts = 6\n";
const WRONG: &str = "password = \"wrong-horse\"\n";

fn key(name: &str) -> PathBuf {
    root().join("tests/snowflake_sink/faults/keys").join(name)
}

/// Options with a private key file, and further options.
fn with_key(stand_in: &StandIn, name: &str, more: &str) -> String {
    format!("{}private_key_path = {:?}\n{more}", stand_in.options_without_password(), key(name))
}

#[test]
fn a_wrong_password_is_reported_once_and_not_retried() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let login = format!("{}{WRONG}", stand_in.options_without_password());
    for (name, tasks, more) in
        [("wrong", 1, NO_RESTART), ("wrong_often", 1, OFTEN), ("wrong_tasks", 3, OFTEN)]
    {
        let trial = Trial::new(&stand_in, name);
        trial.connector_as(&login, "", more);
        let file = trial.home.path(&format!("connectors.d/{name}.toml"));
        let text = format!("tasks = {tasks}\n{}", fs::read_to_string(&file).unwrap());
        fs::write(&file, text).unwrap();
        let finished = trial.home.stop_when_failed(trial.start());
        let line = finished.expect_log("login failed: Incorrect username or password was specified");
        for part in ["390100", "check account, user and password, or ALTER USER \"LOADER\" SET PASSWORD"] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        let logins = trial.count("LOGIN");
        println!("{name}: {} errors, {logins} logins", finished.count_log(" ERROR "));
        assert_eq!(logins, 1, "{}", finished.stderr);
        assert_eq!(trial.tables(), Vec::<String>::new());
        assert!(!finished.stderr.contains("wrong-horse"), "{}", finished.stderr);

        if tasks > 1 {
            continue;
        }
        // Nothing is lost.
        trial.connector("", super::trial::SMALL);
        let finished = trial.run_once().expect_code(0);
        trial.expect_shop(&finished);
    }
}

#[test]
fn key_pair_logins_succeed_only_with_the_users_key() {
    let public = format!("LOADER={}", key("loader_public.pem").display());
    let Some(stand_in) = StandIn::start(&["--public-key", &public]) else {
        return;
    };
    let passphrase = "private_key_passphrase = \"throw-away\"\n";
    for (name, file, more) in
        [("plain_key", "loader.pem", ""), ("encrypted_key", "loader_encrypted.pem", passphrase)]
    {
        let trial = Trial::new(&stand_in, name);
        trial.connector_as(&with_key(&stand_in, file, more), "", NO_RESTART);
        let finished = trial.run_once().expect_code(0);
        trial.expect_shop(&finished);
    }
    let wrong = "private_key_passphrase = \"open-sesame\"\n";
    for (name, file, more, logins, message) in [
        ("other_key", "other.pem", "", 1, "DESC USER \"LOADER\" must show RSA_PUBLIC_KEY_FP = SHA256:"),
        ("wrong_passphrase", "loader_encrypted.pem", wrong, 0, "private_key_passphrase is wrong"),
        ("no_passphrase", "loader_encrypted.pem", "", 0, "set private_key_passphrase"),
        ("public_key", "loader_public.pem", "", 0, "contains a PUBLIC KEY"),
        ("no_file", "nowhere.pem", "", 0, "nowhere.pem"),
    ] {
        let trial = Trial::new(&stand_in, name);
        trial.connector_as(&with_key(&stand_in, file, more), "", NO_RESTART);
        let finished = trial.home.stop_when_failed(trial.start());
        finished.expect_log(message);
        assert_eq!(trial.count("LOGIN"), logins, "{}", finished.stderr);
        assert!(!finished.stderr.contains("BEGIN"), "{}", finished.stderr);
    }
}

/// Responds to a login as Snowflake does for a locked user, which the stand-in does not support.
fn refuse_login(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a connection"));
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a whole request");
    let answer = serde_json::json!({
        "data": { "authnMethod": "USERNAME_PASSWORD" },
        "code": "390102",
        "message": "Your user account has been temporarily locked due to too many failed attempts.",
        "success": false,
    })
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(format!("{head}{answer}").as_bytes()).expect("a client that listens");
}

#[test]
fn a_locked_user_is_reported_with_the_way_to_unlock() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(refuse_login));
    let trial = Trial::new(&stand_in, "locked");
    let login = stand_in.options().replace(&format!(":{}", stand_in.port()), &format!(":{port}"));
    trial.connector_as(&login, "", NO_RESTART);
    let finished = trial.home.stop_when_failed(trial.start());
    let line = finished.expect_log("temporarily locked");
    assert!(line.contains("ALTER USER \"LOADER\" SET MINS_TO_UNLOCK = 0"), "{line}");
}

#[test]
fn a_login_without_a_response_is_retried() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "no_answer");
    let finished = trial.run_past("^LOGIN", 1, 3, "http:503");
    finished.expect_log("responded with HTTP 503");
    assert_eq!(trial.count("LOGIN"), 5, "three without a response, and two sessions");
    let trial = Trial::new(&stand_in, "no_service");
    // A port without a listener.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let login = stand_in.options().replace(&format!(":{}", stand_in.port()), &format!(":{free}"));
    trial.connector_as(
        &login,
        "",
        &format!("[errors.retry]\ninitial = \"1ms\"\ntimeout = \"50ms\"\n{NO_RESTART}"),
    );
    let finished = trial.home.stop_when_failed(trial.start());
    finished.expect_log("127.0.0.1 cannot be reached");
}

#[test]
fn a_file_without_a_secret_is_rejected_before_any_login() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "no_secret");
    trial.connector_as(&stand_in.options_without_password(), "", NO_RESTART);
    let finished = trial.home.stop_when_failed(trial.start());
    finished.expect_log("none of private_key, private_key_path and password is set");
    assert_eq!(trial.count("LOGIN"), 0);
}
