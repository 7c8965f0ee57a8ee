//! Frames over a blocking socket, with a deadline for each and a limit before a byte of it is read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use wire::Message;
use wire::frame::{FRAME_HEADER_BYTES, FrameHeader, Phase};
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
    phase: Phase,
    /// What has arrived of the next frame; it stays when a deadline passes in its middle.
    arrived: Vec<u8>,
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
        Ok(Self { stream, answer, phase: Phase::Handshake, arrived: Vec::new() })
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
                self.phase = Phase::Established;
                Ok(*hello)
            }
            _ => Err(ClientError::Protocol("it does not begin with a hello".to_owned())),
        }
    }

    /// The next message; `None` for a command that this version does not know.
    pub fn receive(&mut self, until: Instant) -> Result<Option<Message>, ClientError> {
        self.fill(FRAME_HEADER_BYTES, until)?;
        let (header, _) = self.arrived.split_first_chunk().expect("just filled to that length");
        let header = FrameHeader::parse(header, self.phase)
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        let end = FRAME_HEADER_BYTES.saturating_add(header.payload_bytes as usize);
        self.fill(end, until)?;
        let message = Message::from_payload(header.command, &self.arrived[FRAME_HEADER_BYTES..end])
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        self.arrived.clear();
        Ok(message)
    }

    /// Reads until `length` bytes of the frame are there, and never a byte more.
    fn fill(&mut self, length: usize, until: Instant) -> Result<(), ClientError> {
        while self.arrived.len() < length {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.timed_out());
            }
            self.stream.set_read_timeout(Some(left)).map_err(ClientError::Io)?;
            let mut bytes = [0; READ_BYTES];
            let wanted = (length - self.arrived.len()).min(READ_BYTES);
            match self.stream.read(&mut bytes[..wanted]) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => self.arrived.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
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
