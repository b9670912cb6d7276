//! A TCP proxy in front of a server, which loses answers: what was asked for is done, but the client only sees its connection end.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Forwards connections, until the process ends.
#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// What a message contains whose answer may be lost.
    message: Vec<u8>,
    /// One in how many of them; zero for none.
    every: AtomicUsize,
    seen: AtomicUsize,
    lost: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy for a port of this machine. `message` is what the messages contain whose answers may be lost.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn start(to: &str, message: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared {
            message: message.to_vec(),
            every: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        });
        let (to, of_threads) = (format!("127.0.0.1:{to}"), Arc::clone(&shared));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(&to) {
                    forward(&client, &server, &of_threads);
                }
            }
        });
        Self { port, shared }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Loses the answer to about one in `every` of the messages from now on; to none with zero.
    pub fn lose_every(&self, every: usize) {
        self.shared.every.store(every, Ordering::Relaxed);
    }

    /// How many answers were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

/// Forwards a connection in both directions, with a thread for each.
fn forward(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) {
    let is_losing = Arc::new(AtomicBool::new(false));
    let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
    let (mut from, mut to) = (clone(client), clone(server));
    let (requests, losing) = (Arc::clone(shared), Arc::clone(&is_losing));
    thread::spawn(move || {
        copy(&mut from, &mut to, |bytes| {
            // The client waits for this answer, so the next bytes of the server are those that are lost.
            losing.fetch_or(requests.loses(bytes), Ordering::SeqCst);
            true
        });
    });
    let (mut from, mut to) = (clone(server), clone(client));
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        copy(&mut from, &mut to, |_| {
            let is_lost = is_losing.load(Ordering::SeqCst);
            shared.lost.fetch_add(usize::from(is_lost), Ordering::Relaxed);
            !is_lost
        });
    });
}

/// Copies bytes as long as `passes` returns true, and then ends both connections.
fn copy(from: &mut TcpStream, to: &mut TcpStream, passes: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !passes(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ended = stream.shutdown(Shutdown::Both).is_err();
    }
}

impl Shared {
    /// Whether the answer to these bytes is to be lost.
    fn loses(&self, bytes: &[u8]) -> bool {
        if !bytes.windows(self.message.len()).any(|window| window == self.message) {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let every = self.every.load(Ordering::Relaxed);
        // Irregular: a client that repeats the same messages could otherwise lose the same answer forever.
        every > 0 && (seen.wrapping_mul(0x9e37_79b9) >> 16).is_multiple_of(every)
    }
}
