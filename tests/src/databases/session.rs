//! A session of a client that stays open between statements.

use std::{
    io::{self, BufRead, BufReader, PipeReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A session, which is closed when it is dropped.
#[derive(Debug)]
pub struct Session {
    client: Child,
    input: ChildStdin,
    output: BufReader<PipeReader>,
    executed: usize,
}

impl Session {
    /// Starts a client, which connects by itself.
    pub(super) fn start(command: &mut Command) -> Self {
        let (output, writer) = io::pipe().expect("a pipe");
        let errors = writer.try_clone().expect("a pipe");
        let mut client = command
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // The command has the writing end of the pipe, which would never end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let input = client.stdin.take().expect("piped");
        Self { client, input, output: BufReader::new(output), executed: 0 }
    }

    /// Executes a statement, without a semicolon, and returns its rows as the client prints them, one in a line.
    ///
    /// # Errors
    /// What the client prints if the statement fails or the connection is lost. The session is over then.
    pub fn execute(&mut self, statement: &str) -> Result<String, String> {
        self.send(statement)?;
        self.receive()
    }

    /// Sends a statement, without a semicolon and without waiting for its result, which [`Session::receive`] returns.
    ///
    /// # Errors
    /// If the session is over.
    pub fn send(&mut self, statement: &str) -> Result<(), String> {
        self.executed += 1;
        let text = format!("{statement};\nSELECT '{}';\n", self.end());
        self.input.write_all(text.as_bytes()).map_err(|error| format!("the session is over: {error}"))
    }

    /// The result of the last statement, as [`Session::execute`] returns it.
    ///
    /// # Errors
    /// As [`Session::execute`].
    pub fn receive(&mut self) -> Result<String, String> {
        let (end, mut text) = (self.end(), String::new());
        let mut line = String::new();
        while self.output.read_line(&mut line).map_err(|error| format!("the session is over: {error}"))? > 0 {
            if line.trim_end() == end {
                return Ok(text);
            }
            text.push_str(&line);
            line.clear();
        }
        Err(text)
    }

    /// What is printed after the result of the last statement.
    fn end(&self) -> String {
        format!("end of statement {}", self.executed)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.client.kill().is_err();
        let _reaped = self.client.wait().is_ok();
    }
}
