//! A running devnet takes in whoever comes: a wallet and a miner of their own processes.

use crate::network::{Network, alone, free_ports};
use crate::terminal::{PATIENCE, Terminal};

#[test]
fn an_outsider_joins_a_running_devnet_with_a_wallet_and_a_miner() {
    let _alone = alone();
    let network = Network::new(0);
    let listen = network.bootstrap_address();
    let devnet = Terminal::open(
        network.home(),
        &format!("devnet --listen {listen} --difficulty 10 --retarget fixed --spacing 1s"),
    );
    devnet.wait_for(&listen);
    let mut zoe = network.new_wallet("Zoe");
    zoe.ask_again("balance", "100.00000000 LODE confirmed");
    zoe.ask("send Adam 2 0.01", "sent 2.00000000 to Adam");
    zoe.ask_again("balance", "97.99000000 LODE confirmed");
    let port = free_ports(1)[0];
    let extra = format!("miner Extra {port} --bootstrap {listen} --min-txs 0 --threads 1");
    let extra = Terminal::open(network.home(), &extra);
    let node = format!("127.0.0.1:{port}");
    network.ask_until(("status", &node), PATIENCE, |status| {
        (status["height"].as_u64()? > 0).then_some(())
    });
    extra.wait_for("found");
}
