#!/usr/bin/env python3
"""Checks a chain written by `lode export`, one block of hex per line: knows the formats and the rules, but
none of Lode's code. Not checked: signatures, and that `bits` are the ones the difficulty rule asks for."""
import argparse, decimal, hashlib, io, json, struct, sys, tomllib
COIN, MONEY_MAX = 10**8, 10**17

def main():
    sys.excepthook = lambda kind, error, _: print(f"{kind.__name__}: {error}", file=sys.stderr)  # exits with 1
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("file", "--spec", "--summary", "--subsidy", "--halving", "--maturity"):
        parser.add_argument(name, type=int if name in ("--subsidy", "--halving", "--maturity") else str)
    given = parser.parse_args()
    rules = [given.subsidy, given.halving, given.maturity]
    if given.spec:
        spec = tomllib.load(open(given.spec, "rb"))
        rules = [int(decimal.Decimal(spec["subsidy"]) * COIN), spec["halving_interval"], spec["maturity"]]
    if None in rules:
        parser.error("give --spec, or --subsidy in units, --halving and --maturity")
    states, total = check_chain(open(given.file), *rules)
    if given.summary:
        check_summary(open(given.summary), states)
    tip, (height, supply, _) = states.popitem()
    print(f"checked {height + 1} blocks, {total} transactions, supply {supply}, tip {tip}")

def check_chain(lines, subsidy, halving, maturity):  # returns height, supply, utxo hash after each block
    coins, states, times, tip, supply, utxo_sum, total = {}, {}, [], bytes(32), 0, 0, 0
    for height, line in enumerate(lines):
        try:
            block = Reader(bytes.fromhex(line))
            header, transactions = block.take(80), block.list(block.transaction)
            require(not block.read(), "bytes after the last transaction")
            times.append(check_header(header, tip, times[-11:], transactions))
            spent, made = connect(transactions, coins, height, maturity)
            grown = sum(coin[1] for coin in made) - sum(coin[1] for coin in spent)
            limit = subsidy >> height // halving if height else MONEY_MAX  # genesis holds the allocations
            require(grown <= limit, "coinbase above subsidy and fees")
        except ValueError as error:
            sys.exit(f"height {height}: {error}")
        tip, total, supply = sha256d(header), total + len(transactions), supply + grown
        utxo_sum = (utxo_sum + sum(map(coin_number, made)) - sum(map(coin_number, spent))) % 2**256
        states[tip[::-1].hex()] = height, f"{supply // COIN}.{supply % COIN:08}", utxo_sum.to_bytes(32, "little").hex()
    require(states, "no block in the file")
    return states, total

def check_header(header, tip, recent, transactions):
    version, previous, root, time, bits, _nonce = struct.unpack("<I32s32sIII", header)
    target, genesis = (bits & 0x7FFFFF) << 8 * (bits >> 24) >> 24, not recent
    require(previous == tip, "not on top of the block before it")
    require(version & ~0x1FFFE000 == 0x20000000, "version")
    require(not bits & 0x800000 and 0 < target < 2**256, "bits are no target")
    require(genesis or int.from_bytes(sha256d(header), "little") <= target, "hash above the target")
    require(genesis or time > sorted(recent)[len(recent) // 2], "time not after the median")
    require(transactions and root == merkle_root([tx["wtxid"] for tx in transactions]), "merkle root")
    return time

def connect(transactions, coins, height, maturity):  # changes `coins`; returns those spent and those made
    spent, made = [], []
    for position, tx in enumerate(transactions):
        coinbase, amounts = tx["coinbase"], [amount for amount, _ in tx["outputs"]]
        inputs = [coins.pop(outpoint, None) for outpoint in tx["inputs"]]
        require(coinbase == (position == 0), "a coinbase stands first, and only there")
        require(tx["height"] == height if coinbase else tx["height"] <= height, "coinbase or lock height")
        require((inputs or coinbase) and (amounts or height == 0), "no inputs or no outputs")
        require(None not in inputs, "an input that does not exist or is spent")
        require(all(height - coin[3] >= maturity for coin in inputs if coin[4]), "coinbase maturity")
        require(0 not in amounts and sum(amounts) <= MONEY_MAX, "amount of an output")
        require(coinbase or sum(amounts) <= sum(coin[1] for coin in inputs), "outputs above inputs")
        for index, (amount, key) in enumerate(tx["outputs"]):
            made.append((tx["txid"] + struct.pack("<I", index), amount, key, height, coinbase and height > 0))
            coins[made[-1][0]] = made[-1]
        spent += inputs
    return spent, made

def check_summary(lines, states):
    events = [event for event in map(json.loads, lines) if event.get("event") == "summary"]
    require(events, "no summary in the summary file")
    for node in events[-1]["nodes"]:
        height, *ours = states.get(node["tip"], ("unknown",))
        theirs = [events[-1]["supply"], node["utxo_hash"]]
        require(ours == theirs, f"height {height}: {node['name']} at {node['tip']} has {theirs}, not {ours}")

class Reader(io.BytesIO):
    def take(self, size):
        data = self.read(size)
        require(len(data) == size, "the block ends too early")
        return data
    def number(self, size):
        return int.from_bytes(self.take(size), "little")
    def list(self, read):
        first = self.number(1)
        count = first if first < 0xFD else self.number(2 ** (first - 0xFC))
        require(first < 0xFD or count >= (0xFD, 2**16, 2**32)[first - 0xFD], "a size not in its shortest form")
        return [read() for _ in range(count)]
    def transaction(self):
        start, kind = self.tell(), self.number(1)
        require(kind < 2, "unknown kind of transaction")
        coinbase = self.take(0 if kind else 36)  # height and 32 extra bytes
        inputs = self.list(lambda: self.take(36)) if kind else []
        outputs = self.list(lambda: (self.number(8), self.take(32)))
        height = self.number(4) if kind else int.from_bytes(coinbase[:4], "little")
        unsigned, signatures = self.getvalue()[start : self.tell()], self.take(64 * len(inputs))
        ids = {"txid": sha256d(unsigned), "wtxid": sha256d(unsigned + signatures)}
        return ids | {"coinbase": not kind, "height": height, "inputs": inputs, "outputs": outputs}

def merkle_root(level):
    pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
    above = [sha256d(b"".join(pair)) if pair[1:] else pair[0] for pair in pairs]  # the odd one is promoted
    return level[0] if len(level) == 1 else merkle_root(above)

def coin_number(coin):
    return int.from_bytes(hashlib.sha256(struct.pack("<36sQ32sI?", *coin)).digest(), "little")

def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()

def require(holds, rule):
    if not holds:
        raise ValueError(rule)

main()
