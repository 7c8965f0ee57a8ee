//! What is killed is replaced by another.

use crate::network::{Network, alone};

#[test]
fn a_wallet_takes_another_miner_when_its_own_dies_and_says_so() {
    let _alone = alone();
    let network = Network::new(2);
    let _bootstrap = network.bootstrap();
    let flags = "--min-txs 1 --max-wait off";
    let mut miners = [Some(network.miner(1, flags)), Some(network.miner(2, flags))];
    for number in 1..=2 {
        network.wait_for_status(&network.miner_address(number));
    }
    let mut adam = network.new_wallet("Adam");
    adam.ask_again("balance", "100.00000000 LODE confirmed");
    let held = (1..=2).find(|number| {
        network.ask("status", &network.miner_address(*number)).unwrap()["wallets"] == 1
    });
    let held = held.expect("one of the miners has the wallet");
    miners[held - 1].take().unwrap().kill();
    adam.wait_for(&format!("lost Miner{held}"));
    adam.wait_for(&format!("connected again: Miner{}", 3 - held));
    adam.ask("send Adam 1", "sent 1.00000000 to Adam");
}
