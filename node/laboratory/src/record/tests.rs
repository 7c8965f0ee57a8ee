//! Tests of `record`.

use std::fs;

use proptest::prelude::*;

use super::*;

fn line(seed: u64) -> Line {
    let text = format!(
        r#"{{"v":1,"event":"seed","scenario":"calm","experiment":"ab","set":[["nodes","{seed}"]],
        "seed":{seed},"trace_hash":"00","virtual_s":1.5,"wall_s":0.1,"events":3,"blocks":2,
        "stale":0,"height":2,"chain_s":20,"heights":2,"shared_heights":0,"reorganizations":0,
        "depth_max":0,"found_by":[1,1],"journey_ms":[1.0,2.0,3.5],"heal_s":null,"join_s":null,
        "shock_spacing_s":null,"violations":[]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn wherever_a_record_is_cut_the_whole_lines_before_it_count_and_it_goes_on(
        lines in 1u64..6, part in 0.0f64..1.0,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        let written = |seed: u64| serde_json::to_string(&line(seed)).unwrap() + "\n";
        let bytes: String = (0..lines).map(written).collect();
        #[expect(clippy::cast_sign_loss, reason = "a part of a length is not negative")]
        let cut = (bytes.len() as f64 * part) as usize;
        fs::write(&path, &bytes.as_bytes()[..cut]).unwrap();
        let whole = bytes[..cut].matches('\n').count() as u64;
        let (mut record, found) = Record::open(&path).unwrap();
        prop_assert_eq!(&found, &(0..whole).map(line).collect::<Vec<_>>());
        record.add(written(99).trim_end()).unwrap();
        drop(record);
        let (_record, found) = Record::open(&path).unwrap();
        prop_assert_eq!(found, (0..whole).chain([99]).map(line).collect::<Vec<_>>());
    }
}

#[test]
fn a_file_of_something_else_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter");
    for text in
        ["Dear reader,\nall is well.\n", "no line", "{\"v\":1}\n", "{\"contacts\":[1]}", "{\"v\":2"]
    {
        fs::write(&path, text).unwrap();
        let error = Record::open(&path).unwrap_err();
        assert!(matches!(error, RecordError::Foreign { line: 1, .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn two_do_not_write_one_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("record");
    let _first = Record::open(&path).unwrap();
    let error = Record::open(&path).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
}
