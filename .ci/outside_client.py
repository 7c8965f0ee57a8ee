#!/usr/bin/env python3
"""A client that shares no code with the node, written from docs/protocol.md alone.

outside_client.py HOST PORT OUTFILE [peer|wallet]: asks for the spec, computes the network's identity,
says hello, checks all headers (links and work), writes all blocks as hex, genesis first, one a line.
"""
import hashlib, socket, struct, sys, time, tomllib
from decimal import Decimal

HELLO, PING, PONG, GET_HEADERS, HEADERS, GET_BLOCKS, BLOCK, NOT_FOUND = 1, 2, 3, 16, 17, 18, 19, 20
GET_ADDRESSES, ADDRESSES, GET_SPEC, SPEC = 28, 29, 128, 129
PEER, WALLET, DIRECTORY = 0, 1, 2

def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()

def u32(number):
    return struct.pack("<I", number)

def compact_size(number):
    return bytes([number]) if number < 0xFD else b"\xfd" + struct.pack("<H", number)

def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])

def byte_string(data):
    """The bytes behind their varint length, which must be all there is."""
    length = shift = at = 0
    while not shift or data[at - 1] >= 0x80:
        length, shift, at = length | (data[at] & 0x7F) << shift, shift + 7, at + 1
    assert len(data) == at + length, "not exactly one byte string"
    return data[at:]

def address_key(text, prefix):
    """The key of an address: the checksum is the node's to check."""
    values = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(c) for c in text[len(prefix) + 1:]]
    assert text.startswith(prefix + "1") and values[0] == 1, f"not an address: {text}"
    bits = "".join(f"{value:05b}" for value in values[1:-6])
    return int(bits[:256], 2).to_bytes(32, "big")

def compact_bits(zero_bits):
    target = (1 << (256 - zero_bits)) - 1
    size = (target.bit_length() + 7) // 8
    mantissa = target >> 8 * (size - 3) if size > 3 else target << 8 * (3 - size)
    return size + 1 << 24 | mantissa >> 8 if mantissa & 0x800000 else size << 24 | mantissa

def expand(bits):
    shift = 8 * ((bits >> 24) - 3)
    return (bits & 0x7FFFFF) << shift if shift > 0 else (bits & 0x7FFFFF) >> -shift

class Network:
    """What a spec file makes: the identity of a hello, and genesis."""

    def __init__(self, toml_text):
        spec = self.spec = tomllib.loads(toml_text)
        retarget, subsidy = {"asert": 0, "fixed": 1}[spec["retarget"]], int(Decimal(spec["subsidy"]) * 10**8)
        outputs = [struct.pack("<Q", int(Decimal(a["amount"]) * 10**8)) + address_key(a["address"], spec["address_prefix"])
                   for a in spec.get("allocations", [])]
        listed = compact_size(len(outputs)) + b"".join(outputs)
        first = ["starting_bits", "easiest_bits", "spacing_s"]
        last = ["halving_interval", "maturity", "block_bytes_max", "genesis_time"]
        texts = [spec[name].encode() for name in ("coin_name", "coin_symbol", "address_prefix")]
        self.spec_hash = sha256d(
            u32(1) + b"".join(compact_size(len(text)) + text for text in texts)
            + b"".join(u32(spec[name]) for name in first) + bytes([retarget])
            + u32(spec["half_life_s"]) + struct.pack("<Q", subsidy)
            + b"".join(u32(spec[name]) for name in last) + listed)
        coinbase = b"\0" + u32(0) + self.spec_hash + listed
        header = struct.pack("<I32s32sIII", 0x20000000, bytes(32), sha256d(coinbase),
                             spec["genesis_time"], compact_bits(spec["starting_bits"]), 0)
        self.genesis, self.genesis_hash = header + b"\x01" + coinbase, sha256d(header)
        fields = ([spec[name] for name in first] + [retarget, spec["half_life_s"], subsidy]
                  + [spec[name] for name in last])
        self.identity = (self.genesis_hash + self.spec_hash
                         + b"".join(map(varint, fields)) + sha256d(listed))

def hello(role, network, nonce, wall_s, name):
    meant = b"\x01" + network.identity if network else b"\x00"
    return (varint(1) + varint(role) + meant + varint(nonce) + varint(0) + varint(wall_s)
            + varint(0) + varint(len(name)) + name.encode())

class Connection:
    def __init__(self, host, port, role, network=None):
        self.socket = socket.create_connection((host, port), timeout=60)
        self.stream = self.socket.makefile("rb")
        now = time.time_ns()
        self.send(HELLO, hello(role, network, now, now // 10**9, "outside"))
        command, theirs = self.receive()
        assert command == HELLO and theirs[0] == 1, "no hello came back"
        assert network is None or network.identity in theirs, "another network"

    def send(self, command, payload=b""):
        self.socket.sendall(b"LODE" + struct.pack("<HI", command, len(payload)) + payload)

    def receive(self, *wanted):
        """The next frame of a wanted command (any when none is named); answers what must be answered."""
        while True:
            magic, command, length = struct.unpack("<4sHI", self.stream.read(10))
            assert magic == b"LODE", "not a frame"
            payload = self.stream.read(length)
            assert len(payload) == length, "the connection was closed"
            if command in (PING, GET_HEADERS, GET_ADDRESSES):
                answer = {PING: PONG, GET_HEADERS: HEADERS, GET_ADDRESSES: ADDRESSES}[command]
                self.send(answer, payload if command == PING else b"\0")
            elif not wanted or command in wanted:
                return command, payload

def checked_headers(connection, network):
    easiest, work, hashes = expand(compact_bits(network.spec["easiest_bits"])), 0, [network.genesis_hash]
    while True:
        connection.send(GET_HEADERS, b"\x01" + hashes[-1])
        headers = byte_string(connection.receive(HEADERS)[1])
        for header in (headers[at:at + 80] for at in range(0, len(headers), 80)):
            target, name = expand(struct.unpack_from("<I", header, 72)[0]), sha256d(header)
            assert header[4:36] == hashes[-1], "a header that does not follow"
            assert int.from_bytes(name, "little") <= target <= easiest, "a header without its work"
            work += (1 << 256) // (target + 1)
            hashes.append(name)
        if len(headers) < 2000 * 80:
            return hashes, work

def main(host, port, out, role="peer"):
    asking = Connection(host, int(port), DIRECTORY)
    asking.send(GET_SPEC)
    network = Network(byte_string(asking.receive(SPEC)[1]).decode())
    connection = Connection(host, int(port), {"peer": PEER, "wallet": WALLET}[role], network)
    hashes, work = checked_headers(connection, network)
    with open(out, "w") as lines:
        lines.write(network.genesis.hex() + "\n")
        for at in range(1, len(hashes), 16):
            batch = hashes[at:at + 16]
            connection.send(GET_BLOCKS, varint(len(batch)) + b"".join(batch))
            blocks = {}
            while len(blocks) < len(batch):
                command, payload = connection.receive(BLOCK, NOT_FOUND)
                assert command == BLOCK, "a block is not there"
                block = byte_string(payload)
                blocks[sha256d(block[:80])] = block
            lines.writelines(blocks[name].hex() + "\n" for name in batch)
    print(f"genesis {network.genesis_hash[::-1].hex()} height {len(hashes) - 1} work {work} "
          f"tip {hashes[-1][::-1].hex()}")

if __name__ == "__main__":
    main(*sys.argv[1:])
