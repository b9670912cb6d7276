//! Runs the deployment while the host runs: one change after the other, on a thread that may block.

use std::{collections::BTreeSet, path::PathBuf, time::Instant};

use tokio::sync::{mpsc, oneshot};

use super::{ConnectorFile, DeployError, Deployment, settling::Settling, watch::Watch};
use crate::{
    config::Diagnostics,
    plugins::FileIdentity,
    supervisor::{
        Command, Deploy, DesiredState, HostStatus, Rejected, RolledBack, Stopping, SupervisorHandle,
    },
};

/// Whether a connector may exist already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It must not exist.
    Create,
    /// It must exist.
    Replace,
    /// Either.
    CreateOrReplace,
}

/// What [`Deployer::put`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutOutcome {
    /// The connector did not exist before.
    pub created: bool,
}

type Answer<T> = oneshot::Sender<Result<T, DeployError>>;

/// Reads from the deployment.
type Reader = Box<dyn FnOnce(&Deployment) + Send>;

enum Request {
    Read(Reader),
    Put { name: String, text: String, mode: Put, initial: Option<DesiredState>, answer: Answer<PutOutcome> },
    Delete { name: String, answer: Answer<()> },
    Restart { name: Option<String>, answer: Answer<Vec<String>> },
    Command { command: Command, answer: oneshot::Sender<Result<Vec<String>, Rejected>> },
}

/// Changes the connectors of a running host: the one interface of the command line, the REST API and the watcher.
#[derive(Clone, Debug)]
pub struct Deployer {
    requests: mpsc::Sender<Request>,
    supervisor: SupervisorHandle,
}

impl Deployer {
    /// Starts to run `deployment` on the caller's runtime. With `watches`, changes of files take effect by themselves.
    #[must_use]
    pub fn start(
        deployment: Deployment,
        supervisor: SupervisorHandle,
        rolled_back: mpsc::UnboundedReceiver<RolledBack>,
        watches: bool,
    ) -> Self {
        let (requests, received) = mpsc::channel(16);
        let files = deployment.at_start();
        let running = Running {
            deployment: Some(deployment),
            supervisor: supervisor.clone(),
            settling: Settling::new(files),
            unhandled: BTreeSet::new(),
            watch: watches.then(Watch::new),
        };
        tokio::spawn(running.run(received, rolled_back));
        Self { requests, supervisor }
    }

    /// Whether the supervisor answers. The deployment may be busy with a change for longer than a watchdog waits.
    pub async fn is_alive(&self) -> bool {
        self.status().await.is_ok()
    }

    /// The status of the host.
    ///
    /// # Errors
    /// When the host is stopping.
    pub async fn status(&self) -> Result<HostStatus, Stopping> {
        self.supervisor.status().await
    }

    /// All connectors and their files, by name. Empty while the host stops.
    pub async fn connectors(&self) -> Vec<ConnectorFile> {
        self.read(Deployment::connectors).await.unwrap_or_default()
    }

    /// What `read` returns of the deployment; `None` while the host stops.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Deployment) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        // The receiver is gone if the client has disconnected.
        let reader: Reader = Box::new(move |deployment| drop(answer.send(read(deployment))));
        let _ended = self.requests.send(Request::Read(reader)).await.is_err();
        answered.await.ok()
    }

    /// Checks a text that is to become the file of the connector `name`, and returns errors and warnings.
    ///
    /// # Errors
    /// When it cannot be checked.
    pub async fn validate(&self, name: &str, text: String) -> Result<Diagnostics, DeployError> {
        let name = name.to_owned();
        let found = self.read(move |deployment| deployment.validate(&name, text)).await;
        found.unwrap_or(Err(DeployError::Stopping))
    }

    /// Writes the file of the connector `name` and runs it. A new connector starts in the state `initial`.
    ///
    /// # Errors
    /// When `mode` does not allow it, the text is invalid, or the file cannot be written. Then nothing has changed.
    pub async fn put(
        &self,
        name: &str,
        text: String,
        mode: Put,
        initial: Option<DesiredState>,
    ) -> Result<PutOutcome, DeployError> {
        self.ask(|answer| Request::Put { name: name.to_owned(), text, mode, initial, answer }).await
    }

    /// Deletes the file of a connector, and stops it.
    ///
    /// # Errors
    /// When there is no such connector, or its file cannot be deleted.
    pub async fn delete(&self, name: &str) -> Result<(), DeployError> {
        self.ask(|answer| Request::Delete { name: name.to_owned(), answer }).await
    }

    /// Restarts a connector, or all, with its file and libraries as they are now. Returns the names of those that are restarted.
    ///
    /// # Errors
    /// When there is no such connector, or its file is invalid: then it goes on as it was. Of all connectors, the others are
    /// restarted nevertheless.
    pub async fn restart(&self, name: Option<&str>) -> Result<Vec<String>, DeployError> {
        self.ask(|answer| Request::Restart { name: name.map(str::to_owned), answer }).await
    }

    /// Sends a command to the supervisor. Returns the names of the connectors that it was accepted for. Pause, resume and stop also
    /// hold after a restart of the host.
    ///
    /// # Errors
    /// When the command cannot be carried out.
    pub async fn command(&self, command: Command) -> Result<Vec<String>, Rejected> {
        let (answer, answered) = oneshot::channel();
        let _ended = self.requests.send(Request::Command { command, answer }).await.is_err();
        answered.await.unwrap_or_else(|_| Err(Stopping.into()))
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, DeployError> {
        let (answer, answered) = oneshot::channel();
        let _ended = self.requests.send(request(answer)).await.is_err();
        answered.await.unwrap_or(Err(DeployError::Stopping))
    }
}

/// The deployment while the host runs.
struct Running {
    /// `None` only while a thread has it, and after a panic there.
    deployment: Option<Deployment>,
    supervisor: SupervisorHandle,
    settling: Settling<FileIdentity>,
    /// Changed files that could not be handled, because no process could be started to check them.
    unhandled: BTreeSet<PathBuf>,
    watch: Option<Watch>,
}

impl Running {
    /// Runs until nobody can ask any more.
    async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut rolled_back: mpsc::UnboundedReceiver<RolledBack>,
    ) {
        self.report().await;
        self.watch_folders().await;
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.handle(request).await,
                    None => return,
                },
                Some(rolled_back) = rolled_back.recv() => {
                    let deploys = self.with(move |deployment| deployment.on_rolled_back(rolled_back)).await;
                    if let Err(error) = self.deploy(deploys).await {
                        tracing::error!("after a library has failed: {error}");
                    }
                }
                () = due(self.watch.as_mut()) => self.look().await,
            }
            if self.deployment.is_none() {
                tracing::error!("the deployment of connectors has ended; restart the host to change them");
                return;
            }
        }
    }

    async fn handle(&mut self, request: Request) {
        // The receiver is gone if the client has disconnected.
        let _gone = match request {
            Request::Read(reader) => self.with(move |deployment| reader(deployment)).await.is_none(),
            Request::Put { name, text, mode, initial, answer } => {
                answer.send(self.put(name, text, mode, initial).await).is_err()
            }
            Request::Delete { name, answer } => {
                let deploys = self.with(move |deployment| deployment.delete(&name)).await;
                answer.send(self.deploy(deploys).await).is_err()
            }
            Request::Restart { name, answer } => answer.send(self.restart(name).await).is_err(),
            Request::Command { command, answer } => answer.send(self.command(command).await).is_err(),
        };
    }

    async fn put(
        &mut self,
        name: String,
        text: String,
        mode: Put,
        initial: Option<DesiredState>,
    ) -> Result<PutOutcome, DeployError> {
        let put = move |deployment: &mut Deployment| {
            let exists = deployment.has(&name);
            match mode {
                Put::Create if exists => return Err(DeployError::Exists(name)),
                Put::Replace => deployment.require(&name)?,
                _ => {}
            }
            Ok((deployment.put(&name, &text, initial)?, !exists))
        };
        let (deploys, created) = self.with(put).await.unwrap_or(Err(DeployError::Stopping))?;
        self.deploy(Some(Ok(deploys))).await?;
        Ok(PutOutcome { created })
    }

    async fn restart(&mut self, name: Option<String>) -> Result<Vec<String>, DeployError> {
        let names = match name {
            Some(name) => vec![name],
            None => {
                let all = self.with(|deployment| deployment.connectors()).await.unwrap_or_default();
                let running = all.into_iter().filter(|connector| connector.text.is_some());
                running.map(|connector| connector.name).collect()
            }
        };
        let (mut restarted, mut failed) = (Vec::new(), None);
        for name in names {
            let restarted_name = name.clone();
            let restart = self.with(move |deployment| deployment.restart(&restarted_name)).await;
            let (deploys, outcome) = match restart.unwrap_or(Err(DeployError::Stopping)) {
                Ok(restart) => restart,
                Err(error) => (Vec::new(), Err(error)),
            };
            match self.deploy(Some(Ok(deploys))).await.and(outcome) {
                Ok(()) => restarted.push(name),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(restarted), Err)
    }

    async fn command(&mut self, command: Command) -> Result<Vec<String>, Rejected> {
        let state = match &command {
            Command::Pause(_) => Some(DesiredState::Paused),
            Command::Resume(_) => Some(DesiredState::Running),
            Command::Stop(_) => Some(DesiredState::Stopped),
            Command::Reopen(_) | Command::RestartTask { .. } => None,
        };
        let accepted = self.supervisor.command(command).await?;
        if let Some(state) = state {
            let names = accepted.clone();
            self.with(move |deployment| deployment.set_state(&names, state)).await;
        }
        Ok(accepted)
    }

    /// Looks whether files have changed.
    async fn look(&mut self) {
        let Some(files) = self.with(|deployment| deployment.snapshot()).await else { return };
        let settled = self.settling.observe(&files, Instant::now());
        self.watch.iter_mut().for_each(|watch| watch.look_again_at(settled.look_again));
        let mut changed = std::mem::take(&mut self.unhandled);
        changed.extend(settled.changed);
        if changed.is_empty() {
            return;
        }
        let handled = changed.clone();
        let deploys = self.with(move |deployment| deployment.on_changed(&handled)).await;
        if let Err(error) = self.deploy(deploys).await {
            tracing::error!("changed files, which are read again: {error}");
            self.unhandled = changed;
        }
    }

    /// Tells the supervisor what to do, and the status what is not used.
    async fn deploy(&mut self, deploys: Option<Result<Vec<Deploy>, DeployError>>) -> Result<(), DeployError> {
        let deploys = match deploys.unwrap_or(Err(DeployError::Stopping)) {
            Ok(deploys) => deploys,
            Err(error) => {
                self.report().await;
                return Err(error);
            }
        };
        if !deploys.is_empty() {
            self.supervisor.deploy(deploys).await?;
        }
        self.report().await;
        self.watch_folders().await;
        Ok(())
    }

    async fn report(&mut self) {
        if let Some(rejected) = self.with(|deployment| deployment.rejected()).await {
            // Nobody needs it while the host stops.
            let _stopping = self.supervisor.set_rejected(rejected).await.is_err();
        }
    }

    async fn watch_folders(&mut self) {
        if self.watch.is_none() {
            return;
        }
        let folders = self.with(|deployment| deployment.folders()).await;
        if let (Some(watch), Some(folders)) = (&mut self.watch, folders) {
            watch.set_folders(folders);
        }
    }

    /// Calls the deployment on a thread that may block. Returns nothing after a panic.
    async fn with<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut Deployment) -> T + Send + 'static,
    ) -> Option<T> {
        let mut deployment = self.deployment.take()?;
        let called = tokio::task::spawn_blocking(move || {
            let result = call(&mut deployment);
            (deployment, result)
        });
        let (deployment, result) = called.await.ok()?;
        self.deployment = Some(deployment);
        Some(result)
    }
}

async fn due(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.due().await,
        None => std::future::pending().await,
    }
}
