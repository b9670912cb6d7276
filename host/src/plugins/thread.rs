//! What the threads that call plugins do not share with the rest of the process.
#![expect(unsafe_code, reason = "unsharing can make file descriptors invalid, if it is about them")]

/// Gives this thread, and those that it starts, a working directory and a umask of their own, so that a plugin that changes them
/// affects no other connector. Linux only; container runtimes may forbid it, and then they stay shared.
pub fn own_working_directory() {
    #[cfg(target_os = "linux")]
    {
        let flags = rustix::thread::UnshareFlags::FS;
        // SAFETY: file descriptors stay shared; only the working directory, the root and the umask are copied.
        if let Err(error) = unsafe { rustix::thread::unshare_unsafe(flags) } {
            tracing::debug!("plugins of different connectors share the working directory: {error}");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{env, thread};

    use super::*;

    #[test]
    fn a_thread_changes_its_own_working_directory_only() {
        let before = env::current_dir().unwrap();
        let there = thread::spawn(|| {
            own_working_directory();
            env::set_current_dir("/").unwrap();
            env::current_dir().unwrap()
        });
        assert_eq!(there.join().unwrap().to_str(), Some("/"));
        assert_eq!(env::current_dir().unwrap(), before);
    }
}
