//! Downloading a data set's files from its mirrors.

use super::error::{Attempt, DataError, Failure};
use super::known::RemoteFile;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::io::{self, IsTerminal, Read};
use std::time::Duration;
use ureq::Agent;

const MAX_DOWNLOAD_TIME: Duration = Duration::from_secs(60 * 60);

/// Downloads the files of a data set by HTTP.
pub(super) struct Client {
    agent: Agent,
    progress: bool,
}

impl Client {
    /// Waits so long to reach a mirror, and three times as long for its answer and for each part of it.
    pub(super) fn new(timeout: Duration, progress: bool) -> Self {
        let (reach, answer) = (Some(timeout), Some(timeout * 3));
        let agent = Agent::config_builder()
            .user_agent(concat!("burn-descent/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(reach)
            .timeout_connect(reach)
            .timeout_recv_response(answer)
            .timeout_per_read(answer)
            .timeout_global(Some(MAX_DOWNLOAD_TIME))
            .build()
            .into();
        Self { agent, progress }
    }

    /// The address that handed out the right file, and the file, of at most `limit` bytes. Mirrors are tried in order.
    pub(super) fn download(
        &self,
        mirrors: &[String],
        file: &RemoteFile,
        limit: u64,
    ) -> Result<(String, Vec<u8>), DataError> {
        let mut attempts = Vec::new();
        for mirror in mirrors {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
            match self.get(&url, file, limit) {
                Ok(bytes) => return Ok((url, bytes)),
                Err(failure) => attempts.push(Attempt { url, failure }),
            }
        }
        Err(DataError::Download { file: file.name.clone(), attempts })
    }

    fn get(&self, url: &str, file: &RemoteFile, limit: u64) -> Result<Vec<u8>, Failure> {
        let body = self.agent.get(url).call().map_err(failure)?.into_body();
        let announced = body.content_length();
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err(Failure::TooLarge { limit });
        }
        let bar = self.bar(announced, &file.name);
        let mut bytes = Vec::new();
        let end = bar.wrap_read(body.into_reader()).take(limit + 1).read_to_end(&mut bytes);
        bar.finish_and_clear();

        let (found, expected) = (bytes.len() as u64, announced);
        match end {
            _ if found > limit => return Err(Failure::TooLarge { limit }),
            Err(cause) if broke_off(cause.kind()) => return Err(Failure::Truncated { found, expected }),
            Err(cause) => return Err(failure(cause.into())),
            Ok(_) => {}
        }
        match sha256(&bytes) {
            found if found != file.sha256 => Err(Failure::Checksum { found, expected: file.sha256.clone() }),
            _ => Ok(bytes),
        }
    }

    fn bar(&self, announced: Option<u64>, name: &str) -> ProgressBar {
        if !self.progress || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match announced {
            Some(bytes) => (ProgressBar::new(bytes), "{msg} [{bar:30}] {bytes}/{total_bytes} {eta}"),
            None => (ProgressBar::no_length(), "{msg} {spinner} {bytes}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style).with_message(name.to_owned())
    }
}

fn failure(error: ureq::Error) -> Failure {
    use ureq::Error::{ConnectProxyFailed, ConnectionFailed, HostNotFound, Io, StatusCode, Timeout};
    match error {
        StatusCode(status) => Failure::Status(status),
        Io(cause) if broke_off(cause.kind()) => Failure::Truncated { found: 0, expected: None },
        Io(cause) if cause.kind() == io::ErrorKind::InvalidData => Failure::Other(cause.to_string()),
        // An unknown host is among these: its error has a text but no kind of its own.
        Io(cause) => Failure::Unreachable(cause.to_string()),
        Timeout(_) | HostNotFound | ConnectionFailed | ConnectProxyFailed(_) => Failure::Unreachable(error.to_string()),
        _ => Failure::Other(error.to_string()),
    }
}

fn broke_off(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
