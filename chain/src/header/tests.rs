//! Real Bitcoin headers through the same code, and the 80 bytes as a property.

use proptest::prelude::*;

use super::*;
use crate::samples;

/// Version, previous, merkle root, time, bits, nonce, hash.
type Row = (u32, &'static str, &'static str, u32, u32, u32, &'static str);

const BITCOIN: &[Row] = &[
    // 0
    (
        1,
        "0000000000000000000000000000000000000000000000000000000000000000",
        "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
        1_231_006_505,
        0x1d00_ffff,
        2_083_236_893,
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    ),
    // 1
    (
        1,
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        "0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098",
        1_231_469_665,
        0x1d00_ffff,
        2_573_394_689,
        "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
    ),
    // 170
    (
        1,
        "000000002a22cfee1f2c846adbd12b3e183d4f97683f85dad08a79780a84bd55",
        "7dac2c5666815c17a3b36427de37bb9d2e2c5ccec3f8633eb91a4205cb4c10ff",
        1_231_731_025,
        0x1d00_ffff,
        1_889_418_792,
        "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee",
    ),
    // 100000
    (
        1,
        "000000000002d01c1fccc21636b607dfd930d31d01c3a62104612a1719011250",
        "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766",
        1_293_623_863,
        0x1b04_864c,
        274_148_111,
        "000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506",
    ),
    // 125552
    (
        1,
        "00000000000008a3a41b85b8b29ad444def299fee21793cd8b9e567eab02cd81",
        "2b12fcf1b09288fcaff797d71e950e71ae42b91e8bdb2304758dfcffc2b620e3",
        1_305_998_791,
        0x1a44_b9f2,
        2_504_433_986,
        "00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d",
    ),
];

fn read((version, previous, merkle_root, time, bits, nonce, _): &Row) -> Header {
    Header {
        version: *version,
        previous: previous.parse().unwrap(),
        merkle_root: merkle_root.parse().unwrap(),
        time: *time,
        bits: CompactTarget(*bits),
        nonce: *nonce,
    }
}

#[test]
fn real_bitcoin_headers_have_their_hashes_and_meet_their_bits() {
    for row in BITCOIN {
        let header = read(row);
        assert_eq!(header.hash().to_string(), row.6);
        assert!(header.bits.expand().unwrap().is_met_by(&header.hash()), "{}", row.6);
    }
}

#[test]
fn a_bitcoin_header_is_its_published_bytes() {
    let bytes = read(&BITCOIN[0]).to_bytes();
    assert_eq!(
        crate::hash::to_hex(&bytes),
        "0100000000000000000000000000000000000000000000000000000000000000\
         000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa\
         4b1e5e4a29ab5f49ffff001d1dac2b7c"
    );
}

#[test]
fn leading_zero_bits_are_counted_from_the_end_of_the_hash() {
    let bits = |row: usize| read(&BITCOIN[row]).hash().leading_zero_bits();
    assert_eq!((bits(0), bits(1), bits(4)), (43, 32, 67));
    assert_eq!(BlockHash::ZERO.leading_zero_bits(), 256);
    assert_eq!(BlockHash([0xff; 32]).leading_zero_bits(), 0);
}

proptest! {
    #[test]
    fn a_header_reads_back_from_its_80_bytes(header in samples::any_header()) {
        let bytes = header.to_bytes();
        prop_assert_eq!(Header::from_bytes(&bytes), header);
        prop_assert_eq!(header.encode(), bytes.to_vec());
        for cut in 0..HEADER_BYTES {
            let truncated = matches!(
                Header::decode(&bytes[..cut]),
                Err(DecodeError::Truncated { .. })
            );
            prop_assert!(truncated, "{} bytes", cut);
        }
        let longer = [&bytes[..], &[0]].concat();
        prop_assert_eq!(Header::decode(&longer), Err(DecodeError::TrailingBytes(1)));
    }

    #[test]
    fn every_bit_of_a_header_counts(header in samples::any_header(), flip in 0usize..640) {
        let mut bytes = header.to_bytes();
        bytes[flip / 8] ^= 1 << (flip % 8);
        prop_assert_ne!(Header::from_bytes(&bytes).hash(), header.hash());
    }
}
