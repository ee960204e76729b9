//! What ends or steers a running `listen`: signals, and keys where a person sits at a terminal.

use std::io::IsTerminal;

use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use futures::StreamExt;
use futures::future::pending;

use crate::error::TendayError;

pub(super) enum Press {
    /// Send the last one again.
    Again,
    Stop,
}

/// The keys, as they are pressed. While it is there the terminal neither waits for a line's end nor shows what is typed.
pub(super) struct Keys {
    stream: Option<EventStream>,
}

impl Keys {
    pub(super) fn new(shows: bool) -> Result<Self, TendayError> {
        if !shows || !std::io::stdin().is_terminal() {
            return Ok(Self { stream: None });
        }
        enable_raw_mode()?;
        Ok(Self { stream: Some(EventStream::new()) })
    }

    pub(super) fn are_read(&self) -> bool {
        self.stream.is_some()
    }

    pub(super) async fn next(&mut self) -> Press {
        let Some(stream) = &mut self.stream else { return pending().await };
        loop {
            match stream.next().await {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    let control = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('c' | 'd') if control => return Press::Stop,
                        KeyCode::Char('q') => return Press::Stop,
                        KeyCode::Char('r') if !control => return Press::Again,
                        _ => {}
                    }
                }
                Some(Ok(_)) => {}
                // The terminal is gone; a signal says so too.
                Some(Err(_)) | None => return pending().await,
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if self.stream.take().is_some() {
            let _ = disable_raw_mode();
        }
    }
}

/// What asks the process to end.
pub(super) struct Signals {
    #[cfg(unix)]
    kinds: [tokio::signal::unix::Signal; 3],
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new() -> Result<Self, TendayError> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds;
        Ok(Self { kinds: [signal(interrupt)?, signal(terminate)?, signal(hangup)?] })
    }

    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.kinds;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Result<Self, TendayError> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
