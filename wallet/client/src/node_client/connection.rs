//! Frames over a blocking socket, with a deadline for each and a limit before a byte of it is read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use wire::Message;
use wire::frame::{FrameDecoder, Incoming, Phase};
use wire::hello::Hello;

use super::{ClientError, Timeouts};

/// Bytes that are asked of the socket at once: memory grows with what arrives, not with what is
/// claimed.
const READ_BYTES: usize = 16 * 1024;

/// The moment `wait` from now; never so far away that a clock could not name it.
pub(super) fn deadline(wait: Duration) -> Instant {
    const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
    Instant::now() + wait.min(WAIT_MAX)
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    answer: Duration,
    decoder: FrameDecoder,
    /// What has arrived of the next frame; it stays when a deadline passes in its middle.
    arrived: BytesMut,
}

impl Connection {
    pub fn open(address: SocketAddr, timeouts: Timeouts) -> Result<Self, ClientError> {
        let unreachable = |source| ClientError::Unreachable { address, source };
        let connect = timeouts.connect.max(Duration::from_millis(1));
        let stream = TcpStream::connect_timeout(&address, connect).map_err(unreachable)?;
        // Questions are small and wait for their answers.
        stream.set_nodelay(true).map_err(unreachable)?;
        let answer = timeouts.answer.max(Duration::from_millis(1));
        stream.set_write_timeout(Some(answer)).map_err(unreachable)?;
        let decoder = FrameDecoder::new(Phase::Handshake);
        Ok(Self { stream, answer, decoder, arrived: BytesMut::new() })
    }

    /// When an answer to a question that is asked now must be there.
    pub fn answer_deadline(&self) -> Instant {
        deadline(self.answer)
    }

    #[cfg(test)]
    pub fn set_answer(&mut self, answer: Duration) {
        self.answer = answer;
    }

    pub fn send(&mut self, message: &Message) -> Result<(), ClientError> {
        let bytes = message.to_frame().to_bytes();
        self.stream.write_all(&bytes).map_err(|error| match error.kind() {
            // Half a frame may be on its way, so the connection is of no use any more.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::Closed,
            _ => self.failure(error),
        })
    }

    /// The other side's hello, which ends the handshake.
    pub fn receive_hello(&mut self) -> Result<Hello, ClientError> {
        match self.receive(self.answer_deadline())? {
            Some(Message::Hello(hello)) => {
                self.decoder.establish();
                Ok(*hello)
            }
            _ => Err(ClientError::Protocol("it does not begin with a hello".to_owned())),
        }
    }

    /// The next message; `None` for a command that this version does not know.
    pub fn receive(&mut self, until: Instant) -> Result<Option<Message>, ClientError> {
        loop {
            let decoded = self.decoder.decode(&mut self.arrived);
            match decoded.map_err(|error| ClientError::Protocol(error.to_string()))? {
                Some(Incoming::Message(message)) => return Ok(Some(*message)),
                Some(Incoming::Unknown { .. }) => return Ok(None),
                None => self.read(until)?,
            }
        }
    }

    /// Takes what has come, and waits until something has.
    fn read(&mut self, until: Instant) -> Result<(), ClientError> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.timed_out());
        }
        self.stream.set_read_timeout(Some(left)).map_err(ClientError::Io)?;
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err(ClientError::Closed),
            Ok(count) => self.arrived.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(self.failure(error)),
        }
        Ok(())
    }

    fn failure(&self, error: io::Error) -> ClientError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.timed_out(),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                ClientError::Closed
            }
            _ => ClientError::Io(error),
        }
    }

    fn timed_out(&self) -> ClientError {
        ClientError::TimedOut { waited_s: self.answer.as_secs() }
    }
}
