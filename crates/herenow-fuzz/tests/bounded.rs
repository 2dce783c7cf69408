//! A slice of what the binary feeds, short enough for each run of the tests.
use herenow_fuzz::{
    campaign::{Campaign, Tally},
    corpus::Corpus,
    targets::TARGETS,
};
use std::{fs, path::Path};

fn campaign(corpus: &Corpus, frames: u64) -> Campaign<'_> {
    Campaign { seed: 1, frames, target: None, only: None, corpus }
}

#[test]
fn no_parser_panics_and_each_takes_some_of_what_it_is_fed() {
    let corpus = Corpus::of_repository().unwrap();
    let tallies = campaign(&corpus, 200_000).run();
    for tally in &tallies {
        println!("{tally}");
        tally.broken.iter().for_each(|broken| println!("{broken}"));
    }
    let frames: u64 = tallies.iter().map(|tally| tally.frames).sum();
    let panics: usize = tallies.iter().map(|tally| tally.broken.len()).sum();
    println!("fuzz: {frames} frames over {} parsers, {panics} panics, seed 1", tallies.len());
    assert_eq!((frames, panics), (200_000, 0));
    assert_eq!(tallies.iter().filter(|tally| tally.is_blunt()).collect::<Vec<&Tally>>(), [] as [&Tally; 0]);
}

#[test]
fn an_input_follows_from_its_seed_and_number() {
    let corpus = Corpus::of_repository().unwrap();
    let (one, two) = (campaign(&corpus, 0), Campaign { seed: 2, ..campaign(&corpus, 0) });
    for target in TARGETS {
        let inputs = |campaign: &Campaign<'_>| (0..20).map(|n| campaign.input(target, n)).collect::<Vec<_>>();
        assert_eq!(inputs(&one), inputs(&one));
        assert_ne!(inputs(&one), inputs(&two), "{}", target.name);
    }
}

#[test]
fn a_panic_is_told_with_its_input_and_how_to_see_it_again() {
    let corpus = Corpus::of_repository().unwrap();
    let tally = Campaign { only: Some(3), target: Some("ids"), ..campaign(&corpus, 9) }.run().remove(0);
    assert_eq!((tally.frames, tally.broken.len()), (1, 0));
    let broken = herenow_fuzz::campaign::Broken {
        target: "ids",
        seed: 7,
        number: 3,
        input: b"\xff\"".to_vec(),
        message: "no".to_owned(),
    };
    let told = broken.to_string();
    assert!(told.contains(r#"b"\xff\"""#) && told.contains("--seed 7 --target ids --only 3"), "{told}");
}

#[test]
fn each_target_has_one_of_cargo_fuzz_and_there_are_no_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let mut files: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
    let manifest = fs::read_to_string(folder.join("../Cargo.toml")).unwrap();
    for name in names {
        let text = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        assert!(text.contains(&format!("::{name}(data)")), "{name}.rs feeds something else");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in the manifest");
    }
}
