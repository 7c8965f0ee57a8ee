//! BIP 340's published vectors 0 to 14, and what our own types promise.

use proptest::prelude::*;

use super::*;
use crate::hash::from_hex;
use crate::samples;

/// Key, message, r, s.
type Verification = [&'static str; 4];

const GOOD: &[Verification] = &[
    // 0
    [
        "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215",
        "25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
    ],
    // 1
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de3341",
        "8906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a",
    ],
    // 2
    [
        "dd308afec5777e13121fa72b9cc1b7cc0139715309b086c960e18fd969774eb8",
        "7e2d58d8b3bcdf1abadec7829054f90dda9805aab56c77333024b9d0a508b75c",
        "5831aaeed7b44bb74e5eab94ba9d4294c49bcf2a60728d8b4c200f50dd313c1b",
        "ab745879a5ad954a72c45a91c3a51d3c7adea98d82f8481e0e1e03674a6f3fb7",
    ],
    // 3
    [
        "25d1dff95105f5253c4022f628a996ad3a0d95fbf21d468a1b33f8c160d8f517",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "7eb0509757e246f19449885651611cb965ecc1a187dd51b64fda1edc9637d5ec",
        "97582b9cb13db3933705b32ba982af5af25fd78881ebb32771fc5922efc66ea3",
    ],
    // 4
    [
        "d69c3509bb99e412e68b0fe8544e72837dfa30746d8be2aa65975f29d22dc7b9",
        "4df3c3f68fcc83b27e9d42c90431a72499f17875c81a599b566c9889b9696703",
        "00000000000000000000003b78ce563f89a0ed9414f5aa28ad0d96d6795f9c63",
        "76afb1548af603b3eb45c9f8207dee1060cb71c04e80f593060b07d28308d7f4",
    ],
];

const BAD: &[Verification] = &[
    // 5: public key not on the curve
    [
        "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769",
        "69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
    ],
    // 6: R has an odd y
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a1460297556",
        "3cc27944640ac607cd107ae10923d9ef7a73c643e166be5ebeafa34b1ac553e2",
    ],
    // 7: negated message
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "1fa62e331edbc21c394792d2ab1100a7b432b013df3f6ff4f99fcb33e0e1515f",
        "28890b3edb6e7189b630448b515ce4f8622a954cfe545735aaea5134fccdb2bd",
    ],
    // 8: negated s
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769",
        "961764b3aa9b2ffcb6ef947b6887a226e8d7c93e00c5ed0c1834ff0d0c2e6da6",
    ],
    // 9: sG - eP is infinite, r is 0
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "123dda8328af9c23a94c1feecfd123ba4fb73476f0d594dcb65c6425bd186051",
    ],
    // 10: sG - eP is infinite, r is 1
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "0000000000000000000000000000000000000000000000000000000000000001",
        "7615fbaf5ae28864013c099742deadb4dba87f11ac6754f93780d5a1837cf197",
    ],
    // 11: r is no x coordinate of the curve
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "4a298dacae57395a15d0795ddbfd1dcb564da82b0f269bc70a74f8220429ba1d",
        "69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
    ],
    // 12: r equals the field size
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
        "69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
    ],
    // 13: s equals the curve order
    [
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    ],
    // 14: public key exceeds the field size
    [
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769",
        "69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
    ],
];

/// Secret key and auxiliary randomness of the first four vectors of [`GOOD`].
const SIGNERS: &[[&str; 2]] = &[
    [
        "0000000000000000000000000000000000000000000000000000000000000003",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ],
    [
        "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef",
        "0000000000000000000000000000000000000000000000000000000000000001",
    ],
    [
        "c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b14e5c9",
        "c87aa53824b4d7ae2eb035a2b5bbbccc080e76cdc6d1692c4b0b62d798e6d906",
    ],
    [
        "0b432b2677937381aef05bb02a66ecd012773062cf3fa2549e44f58ed2401710",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ],
];

fn bytes(text: &str) -> [u8; 32] {
    from_hex(text).unwrap().try_into().unwrap()
}

fn check(vector: &Verification) -> SignatureCheck {
    let [key, message, r, s] = vector.map(bytes);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    SignatureCheck {
        key: OutputKey(key),
        message,
        signature: Signature(signature),
        transaction: 0,
        input: 0,
    }
}

#[test]
fn the_published_signatures_that_hold_are_accepted() {
    assert_eq!(GOOD.len(), 5);
    for vector in GOOD {
        assert!(check(vector).is_valid(), "{vector:?}");
    }
}

#[test]
fn the_published_signatures_that_do_not_hold_are_refused() {
    assert_eq!(BAD.len(), 10);
    for vector in BAD {
        assert!(!check(vector).is_valid(), "{vector:?}");
    }
}

#[test]
fn signing_gives_the_published_signatures() {
    assert_eq!(SIGNERS.len(), 4);
    for ([secret, aux], vector) in SIGNERS.iter().zip(GOOD) {
        let secret = SecretKey::from_bytes(bytes(secret)).unwrap();
        let expected = check(vector);
        assert_eq!(secret.output_key(), expected.key);
        assert_eq!(secret.sign(&expected.message, &bytes(aux)), expected.signature);
    }
}

#[test]
fn a_key_that_is_no_curve_point_is_not_spendable() {
    for vector in [&BAD[0], &BAD[9]] {
        assert!(!OutputKey(bytes(vector[0])).is_spendable());
    }
    assert!(OutputKey(bytes(GOOD[0][0])).is_spendable());
    assert!(!OutputKey([0; 32]).is_spendable());
}

#[test]
fn zero_and_numbers_from_the_order_on_are_no_secret_keys() {
    let order = bytes("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let mut below = order;
    below[31] -= 1;
    assert_eq!(SecretKey::from_bytes([0; 32]), Err(InvalidSecretKey));
    assert_eq!(SecretKey::from_bytes(order), Err(InvalidSecretKey));
    assert_eq!(SecretKey::from_bytes([0xff; 32]), Err(InvalidSecretKey));
    assert!(SecretKey::from_bytes(below).is_ok());
}

#[test]
fn a_secret_key_does_not_show_itself() {
    assert_eq!(format!("{:?}", samples::key(7)), "SecretKey(..)");
}

proptest! {
    #[test]
    fn a_signature_holds_for_its_key_and_message_only(
        owner in 1u8..255,
        other in 1u8..255,
        message: [u8; 32],
        aux: [u8; 32],
        flip in 0usize..256,
    ) {
        let secret = samples::key(owner);
        let good = SignatureCheck {
            key: secret.output_key(),
            message,
            signature: secret.sign(&message, &aux),
            transaction: 0,
            input: 0,
        };
        prop_assert!(good.is_valid());
        let mut wrong_message = good.clone();
        wrong_message.message[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(!wrong_message.is_valid());
        let mut wrong_key = good.clone();
        wrong_key.key = samples::key(other).output_key();
        prop_assert_eq!(wrong_key.is_valid(), wrong_key.key == good.key);
    }

    #[test]
    fn no_bytes_panic(key: [u8; 32], message: [u8; 32], r: [u8; 32], s: [u8; 32]) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        let check = SignatureCheck {
            key: OutputKey(key),
            message,
            signature: Signature(signature),
            transaction: 0,
            input: 0,
        };
        prop_assert!(!check.is_valid());
    }
}
