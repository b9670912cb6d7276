//! Queries of the Kafka clusters, of which only a few run at the same time: each has a client and a thread of its own.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore};

use super::problem::Problem;
use crate::{config::KafkaConfig, kafka};

/// Queries that run at the same time. Others wait, until their request times out.
const CONCURRENT: usize = 4;
/// How long it is remembered that a cluster did not answer.
const UNREACHABLE_FOR: Duration = Duration::from_secs(10);

/// Queries of the Kafka clusters.
pub(super) struct ClusterQueries {
    running: Semaphore,
    cluster_id: Mutex<Option<KnownId>>,
}

struct KnownId {
    bootstrap_servers: String,
    id: Option<String>,
    asked: Instant,
}

impl Default for ClusterQueries {
    fn default() -> Self {
        Self { running: Semaphore::new(CONCURRENT), cluster_id: Mutex::default() }
    }
}

impl ClusterQueries {
    /// Runs `query` on a thread that may block, once fewer than four others run.
    ///
    /// # Errors
    /// When it panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let failed = |_| Problem::internal("the query of the Kafka cluster has failed");
        // It is never closed.
        let _permit = self.running.acquire().await.map_err(|_| super::state::stopping())?;
        tokio::task::spawn_blocking(query).await.map_err(failed)
    }

    /// The id of the host's cluster; `None` if it does not answer. It is asked for once.
    pub(super) async fn cluster_id(&self, kafka: KafkaConfig) -> Option<String> {
        let mut known = self.cluster_id.lock().await;
        let is_current = |known: &KnownId| {
            known.bootstrap_servers == kafka.bootstrap_servers
                && (known.id.is_some() || known.asked.elapsed() < UNREACHABLE_FOR)
        };
        if let Some(known) = known.as_ref().filter(|known| is_current(known)) {
            return known.id.clone();
        }
        let bootstrap_servers = kafka.bootstrap_servers.clone();
        let query = move || kafka::cluster_id(&kafka.bootstrap_servers, &kafka.properties.to_map());
        let id = self.run(query).await.ok().flatten();
        *known = Some(KnownId { bootstrap_servers, id: id.clone(), asked: Instant::now() });
        id
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn only_a_few_queries_run_at_the_same_time() {
        let queries = ClusterQueries::default();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let query = || {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            queries.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let done = tokio::join!(query(), query(), query(), query(), query(), query());
        assert_eq!(done, (Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), Ok(())));
        let most = most.load(Ordering::SeqCst);
        assert!((1..=CONCURRENT).contains(&most), "{most}");
    }
}
