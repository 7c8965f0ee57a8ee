//! `HeldPort`: a port for a program that is to start later, or again, at the same place.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// Where rows are looked for: among ports that the system gives to nobody.
const ROWS: std::ops::Range<u16> = 10_000..32_000;

/// A port of this computer on which nobody listens but whoever is told of it.
///
/// As long as this lives, the system gives the port to nobody who asks for any: it is bound, by a
/// socket that never listens. One program at a time can bind and listen beside it; before and after
/// that a call is refused at once. Only Linux lets two sockets share a port like this; elsewhere it
/// is let go at once and can, with bad luck, be given away.
#[derive(Debug)]
pub struct HeldPort {
    /// What to listen on.
    pub port: u16,
    _socket: Option<Socket>,
}

impl HeldPort {
    /// Any port that is free.
    pub fn any() -> Self {
        Self::at(0).unwrap()
    }

    /// So many free ports, one behind the other.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(length: u16) -> Vec<Self> {
        // Programs that look at the same time begin at places of their own.
        let begin = u16::try_from(std::process::id() % 20_000).unwrap();
        let starts = ROWS.skip(usize::from(begin)).chain(ROWS).step_by(usize::from(length));
        let held = |start: u16| (start..start + length).map(Self::at).collect::<Option<Vec<_>>>();
        starts.into_iter().find_map(held).unwrap()
    }

    fn at(port: u16) -> Option<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).ok()?;
        // Not before: two that hold ports would share one.
        socket.set_reuse_address(true).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        Some(Self { port, _socket: Some(socket).filter(|_| cfg!(target_os = "linux")) })
    }

    /// The same with the address of this computer.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn nobody_answers_until_somebody_listens_and_somebody_else_may_do_so_later() {
        let held = HeldPort::any();
        for _ in 0..3 {
            let refused = TcpStream::connect(held.address()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind(held.address()).unwrap();
            let caller = TcpStream::connect(held.address()).unwrap();
            assert!(TcpListener::bind(held.address()).is_err(), "one at a time");
            // The side that hangs up first keeps the connection's end for a while.
            drop((listener.accept().unwrap(), listener));
            drop(caller);
        }
    }

    #[test]
    fn no_port_is_held_twice() {
        let rows: Vec<Vec<HeldPort>> = (0..50).map(|_| HeldPort::row(4)).collect();
        let alone: Vec<HeldPort> = (0..200).map(|_| HeldPort::any()).collect();
        for row in &rows {
            assert!(row.windows(2).all(|two| two[1].port == two[0].port + 1));
        }
        let mut ports: Vec<u16> = rows.iter().flatten().chain(&alone).map(|it| it.port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 400);
    }
}
