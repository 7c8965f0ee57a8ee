//! `skeleton`: what is left of a name when letters that look alike are one.

/// Names with the same skeleton are taken for each other by whoever reads them: capitals are small
/// letters, `0` is `o`, `1` and `i` are `l`, `m` is `rn`, `w` is `vv`, and `-` and `_` are nothing.
///
/// Each letter is replaced by itself, so a skeleton is that of the parts of a name, one behind the
/// other: no letter hides what its neighbors look like together. Wide letters are taken apart and
/// narrow ones not put together, as `vvv` could be put together in two ways.
pub fn skeleton(name: &str) -> String {
    let mut skeleton = String::with_capacity(2 * name.len());
    for letter in name.chars() {
        match letter.to_ascii_lowercase() {
            '-' | '_' => {}
            '0' => skeleton.push('o'),
            '1' | 'i' => skeleton.push('l'),
            'm' => skeleton.push_str("rn"),
            'w' => skeleton.push_str("vv"),
            other => skeleton.push(other),
        }
    }
    skeleton
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a forger may write instead of a letter.
    fn disguises(letter: char) -> Vec<String> {
        let lower = letter.to_ascii_lowercase();
        let alike: &[&str] = match lower {
            'o' | '0' => &["o", "0"],
            'l' | '1' | 'i' => &["l", "1", "i"],
            'm' => &["m", "rn"],
            'w' => &["w", "vv"],
            _ => return vec![lower.to_string(), lower.to_ascii_uppercase().to_string()],
        };
        let capitals = alike.iter().map(|text| text.to_ascii_uppercase());
        alike.iter().map(|text| (*text).to_owned()).chain(capitals).collect()
    }

    proptest! {
        #[test]
        fn however_a_name_is_disguised_its_skeleton_stays(
            letters in prop::collection::vec(
                ("[a-zA-Z0-9]", any::<prop::sample::Index>(), "[-_]{0,2}"), 1..32,
            ),
        ) {
            let (mut name, mut forged) = (String::new(), String::new());
            for (letter, choice, separator) in letters {
                let disguises = disguises(letter.chars().next().unwrap());
                forged.push_str(&disguises[choice.index(disguises.len())]);
                forged.push_str(&separator);
                name.push_str(&letter);
            }
            prop_assert_eq!(skeleton(&forged), skeleton(&name), "{} {}", forged, name);
        }

        #[test]
        fn a_skeleton_is_its_own_and_that_of_its_parts(
            one in "[ -~]{0,20}",
            other in "[ -~]{0,20}",
        ) {
            let both = skeleton(&format!("{one}{other}"));
            prop_assert_eq!(&both, &(skeleton(&one) + &skeleton(&other)));
            prop_assert_eq!(skeleton(&both), both);
        }

        #[test]
        fn names_of_plain_letters_that_differ_look_different(
            one in "[a-hj-lnp-v]{1,12}", other in "[a-hj-lnp-v]{1,12}",
        ) {
            // No disguise is among these letters but `rn` and `vv`, which take two of them.
            let is_same = skeleton(&one) == skeleton(&other);
            prop_assert_eq!(is_same, one == other);
        }
    }

    #[test]
    fn the_known_tricks_are_seen_through() {
        let pairs = [
            ("Alice", "AIice"),
            ("Alice", "a1ice"),
            ("Bob", "B0b"),
            ("Adam", "Adarn"),
            ("Owen", "0vven"),
            ("Mary_Lou", "mary-lou"),
            ("Miner1", "MinerI"),
        ];
        for (name, forged) in pairs {
            assert_eq!(skeleton(name), skeleton(forged), "{forged}");
        }
        for (name, other) in [("Miner1", "Miner2"), ("Adam", "Adan"), ("Bob", "Rob"), ("a8", "ab")]
        {
            assert_ne!(skeleton(name), skeleton(other), "{other}");
        }
    }
}
