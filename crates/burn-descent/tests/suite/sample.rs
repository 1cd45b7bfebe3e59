//! Which examples are drawn, and in which order.

use burn::data::dataset::{Dataset, InMemDataset};
use burn_descent::sample::{Curriculum, Pace, Pacing, Ranking, SampleError, Sampler, bootstrap, stratified};
use burn_descent::schedule::Span;
use std::collections::BTreeSet;

/// How often each of `0..kinds` comes.
fn counts(values: impl IntoIterator<Item = usize>, kinds: usize) -> Vec<usize> {
    let mut counts = vec![0; kinds];
    values.into_iter().for_each(|value| counts[value] += 1);
    counts
}

fn curriculum(text: &str) -> Curriculum {
    text.parse().expect("a curriculum")
}

/// Difficulties that fall from the first example to the last: the easiest have the highest positions.
fn falling(examples: usize) -> Vec<f64> {
    (0..examples).map(|position| -(position as f64)).collect()
}

#[test]
fn a_bootstrap_has_the_share_of_distinct_examples_that_it_should() {
    let examples = 20_000;
    let drawn = bootstrap(examples, 1).expect("examples");
    let distinct = drawn.iter().collect::<BTreeSet<_>>().len() as f64 / examples as f64;
    // 1 − 1/e = 0.63212, with a deviation of 0.0022.
    assert!((distinct - 0.63212).abs() < 0.01, "{distinct}");
    // Often enough for each: Poisson's P(k = 2) = e⁻¹/2.
    let twice = counts(drawn.iter().copied(), examples).iter().filter(|&&count| count == 2).count();
    assert!((twice as f64 / examples as f64 - 0.18394).abs() < 0.01, "{twice}");
    assert!(drawn.iter().all(|&position| position < examples) && drawn.len() == examples);
    assert_eq!(drawn, bootstrap(examples, 1).expect("examples"));
    assert_ne!(drawn, bootstrap(examples, 2).expect("examples"));
    assert_eq!(bootstrap(1, 9).expect("an example"), [0]);
}

#[test]
fn a_stratified_part_has_the_share_of_each_class() {
    // 600, 300 and 100 of 1000, mixed; a tenth is 60, 30 and 10.
    let labels: Vec<u8> = (0..1000).map(|position| [0, 0, 1, 0, 1, 0, 2, 0, 1, 0][position % 10]).collect();
    for (part, expected) in [(100, [60, 30, 10]), (1000, [600, 300, 100]), (0, [0, 0, 0]), (10, [6, 3, 1])] {
        let [taken, rest] = stratified(&labels, part, 5).expect("a part");
        assert_eq!(counts(taken.iter().map(|&position| usize::from(labels[position])), 3), expected);
        let mut all = [taken, rest].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<usize>>(), "each should be in one part");
    }
    // Of 7 a part of 3: 3·3/7 = 1.29, 2·3/7 = 0.86 twice, so the remainders go to the small classes.
    let [taken, _] = stratified(&['a', 'a', 'a', 'b', 'b', 'c', 'c'], 3, 1).expect("a part");
    assert_eq!(counts(taken.iter().map(|&position| [0, 0, 0, 1, 1, 2, 2][position]), 3), [1, 1, 1]);
    // No share is off by one or more, whatever the counts.
    for part in 0..=labels.len() / 10 {
        let few = &labels[..101];
        let [taken, rest] = stratified(few, part, part as u64).expect("a part");
        assert_eq!((taken.len(), rest.len()), (part, 101 - part));
        let all = counts(few.iter().map(|&label| usize::from(label)), 3);
        for (found, all) in counts(taken.iter().map(|&position| usize::from(few[position])), 3).iter().zip(all) {
            assert!((*found as f64 - (all * part) as f64 / 101.0).abs() < 1.0, "{found} of {all} in {part}");
        }
    }
    let [one, again, other] = [1, 1, 2].map(|seed| stratified(&labels, 100, seed).expect("a part"));
    assert!(one == again && one != other);
    assert!(!one[0].is_sorted(), "parts should be in random order");
}

#[test]
fn balanced_epochs_have_as_many_of_each_class() {
    // 90, 7 and 6 of 103.
    let labels: Vec<usize> =
        (0..103).map(|position| [0, 1, 2][usize::from(position >= 90) + usize::from(position >= 97)]).collect();
    let sampler = Sampler::balanced(&labels, 3).expect("three classes");
    let mut seen = BTreeSet::new();
    for epoch in 1..=12 {
        let order = sampler.epoch(3, epoch);
        let mut classes = counts(order.iter().map(|&position| labels[position]), 3);
        classes.sort_unstable();
        assert_eq!(classes, [34, 34, 35]);
        let times = counts(order.iter().copied(), 103);
        for class in [0..90, 90..97, 97..103] {
            let (least, most) = (times[class.clone()].iter().min(), times[class].iter().max());
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{times:?}");
        }
        // Mixed, not class after class: a third of each in the first half too.
        let half = counts(order[..51].iter().map(|&position| labels[position]), 3);
        assert!(half.iter().all(|&count| (8..=27).contains(&count)), "{half:?}");
        seen.extend(order);
    }
    assert_eq!(seen.len(), 103, "what one epoch leaves out comes in another");
}

/// A pacing function by the formula's own numbers, at steps of an epoch of ten.
#[test]
fn pacing_functions_have_known_points() {
    let over = Span::Steps(100);
    let shares = |pace, start, over| {
        let pacing = Pacing { pace, start, over };
        [0, 25, 50, 99, 100, 1000].map(|step| (pacing.share(step, 10) * 1e4).round() / 1e4)
    };
    assert_eq!(shares(Pace::Linear, 0.2, over), [0.2, 0.4, 0.6, 0.992, 1.0, 1.0]);
    // √(0.04 + 0.96·p)
    assert_eq!(shares(Pace::Root, 0.2, over), [0.2, 0.5292, 0.7211, 0.9952, 1.0, 1.0]);
    assert_eq!(shares(Pace::Step, 0.2, over), [0.2, 0.2, 0.2, 0.2, 1.0, 1.0]);
    assert_eq!(shares(Pace::Linear, 0.2, Span::Epochs(10)), shares(Pace::Linear, 0.2, over));
    for pace in [Pace::Linear, Pace::Root, Pace::Step] {
        assert_eq!(shares(pace, 1.0, over), [1.0; 6]);
        for start in [1e-6, 0.3, 0.99] {
            let pacing = Pacing { pace, start, over: Span::Steps(37) };
            let all: Vec<f64> = (0..50).map(|step| pacing.share(step, 10)).collect();
            assert!(all.is_sorted() && all[0] == start && all[37] == 1.0, "{pacing:?}: {all:?}");
        }
    }
}

#[test]
fn a_curriculum_begins_with_the_easiest_and_ends_with_all() {
    // Ten steps of ten an epoch; a tenth more at each of twenty steps.
    let sampler = curriculum("linear=0.1,20steps").sampler(&falling(100), 10, 1).expect("in range");
    let [first, second, third] = [1, 2, 3].map(|epoch| sampler.epoch(1, epoch));
    for (step, places) in first.chunks(10).chain(second.chunks(10)).enumerate() {
        let at_hand = (100.0 * (0.1 + 0.9 * step as f64 / 20.0)).round() as usize;
        assert!(places.iter().all(|&position| position >= 100 - at_hand), "step {step}: {places:?} of {at_hand}");
    }
    let mut begun = first[..10].to_vec();
    begun.sort_unstable();
    assert_eq!(begun, (90..100).collect::<Vec<usize>>(), "the ten that there are come once before any comes again");
    assert!(first.iter().any(|&position| position < 90), "those that come to hand come at once");
    let mut all = third.clone();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<usize>>(), "with all at hand an epoch has each once");
    assert!(!third.is_sorted() && !third.is_sorted_by(|one, other| one > other), "in random order");

    let anti = curriculum("anti-step=0.1,1").sampler(&falling(100), 10, 1).expect("in range");
    assert_eq!(counts(anti.epoch(1, 1), 100)[..10], [10; 10], "only the hardest, each equally often");
    assert_eq!(counts(anti.epoch(1, 2), 100), [1; 100]);
    let random = curriculum("random-step=0.1,2").sampler(&falling(100), 10, 1).expect("in range");
    let subset = |epoch| random.epoch(1, epoch).into_iter().collect::<BTreeSet<_>>();
    assert!(subset(1).len() == 10 && subset(1) == subset(2), "the same random tenth");
    assert!(subset(1) != (0..10).collect() && subset(1) != (90..100).collect());
}

#[test]
fn examples_are_ranked_by_difficulty() {
    let difficulty = [2.0, 0.5, 2.0, -1.0];
    assert_eq!(Ranking::EasiestFirst.rank(&difficulty, 1), Ok(vec![3, 1, 0, 2]));
    assert_eq!(Ranking::HardestFirst.rank(&difficulty, 1), Ok(vec![0, 2, 1, 3]));
    assert_eq!(Ranking::EasiestFirst.rank(&[0.0, -0.0, -1.0], 1), Ok(vec![2, 0, 1]), "a zero is a zero");
    let random = |seed| Ranking::Random.rank(&[0.0; 50], seed).expect("numbers");
    assert!(random(1) == random(1) && random(1) != random(2));
}

/// Every order is that of its seed and epoch, whichever thread asks, in whatever order.
#[test]
fn orders_depend_on_the_seed_and_the_epoch_alone() {
    let labels: Vec<usize> = (0..60).map(|position| position % 7 / 3).collect();
    let samplers = [
        Sampler::shuffled(60),
        Sampler::balanced(&labels, 3).expect("three classes"),
        curriculum("root=0.3,3").sampler(&falling(60), 7, 1).expect("in range"),
        curriculum("random-linear=0.3,10steps").sampler(&falling(60), 7, 1).expect("in range"),
    ];
    for sampler in &samplers {
        let forward: Vec<_> = (1..=6).map(|epoch| sampler.epoch(4, epoch)).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=6).rev().map(|epoch| scope.spawn(move || sampler.epoch(4, epoch))).collect();
            let backward: Vec<_> = threads.into_iter().rev().map(|thread| thread.join().expect("an order")).collect();
            assert_eq!(forward, backward);
        });
        assert!(forward.iter().all(|order| order.len() == 60 && sampler.examples() == 60));
        assert_eq!(forward.iter().collect::<BTreeSet<_>>().len(), 6, "each epoch has its own order");
        assert_ne!(forward[0], sampler.epoch(5, 1), "each seed has its own order");
    }
}

#[test]
fn an_epoch_of_any_burn_data_set_is_selected() {
    let sampler = Sampler::balanced(&[0_u8, 0, 0, 1], 2).expect("two classes");
    let names = || InMemDataset::new(["a", "b", "c", "d"].map(str::to_owned).to_vec());
    let epoch = sampler.select(names(), 1, 2).expect("four examples");
    let found: Vec<String> = epoch.iter().flatten().collect();
    let expected: Vec<&str> = sampler.epoch(1, 2).into_iter().map(|position| ["a", "b", "c", "d"][position]).collect();
    assert_eq!(found, expected);
    assert_eq!(found.iter().filter(|name| *name == "d").count(), 2);
    let misfit = Sampler::shuffled(5).select(names(), 1, 1).map(drop).expect_err("one too few").to_string();
    assert_eq!(misfit, "5 places in an order, expected 4: one for each example");
}

#[test]
fn mistakes_are_told() {
    let message = |error: SampleError| error.to_string();
    let none: [u8; 0] = [];
    assert_eq!(bootstrap(0, 1), Err(SampleError::Empty));
    assert_eq!(stratified(&none, 0, 1), Err(SampleError::Empty));
    assert_eq!(Sampler::balanced(&none, 2).map(drop), Err(SampleError::Empty));
    assert_eq!(curriculum("linear=0.5,1").sampler(&[], 8, 1).map(drop), Err(SampleError::Empty));
    assert_eq!(message(SampleError::Empty), "no examples, expected at least 1");
    let error = stratified(&[0, 1], 3, 1).expect_err("too many");
    assert_eq!(message(error), "a part of 3 examples, expected at most 2: as many as there are");
    let error = Sampler::balanced(&[0_u8, 2], 3).expect_err("an empty class");
    assert_eq!(message(error), "class 1 has no example, expected at least 1 of each of 3 classes");
    let error = Sampler::balanced(&[0_u8, 1, 5], 2).expect_err("no such class");
    assert_eq!(message(error), "label 2 is 5, expected less than 2");
    for wrong in [f64::NAN, f64::INFINITY] {
        let error = curriculum("step=0.5,1").sampler(&[0.0, wrong], 1, 1).expect_err("no number");
        assert_eq!(message(error), format!("difficulty 1 is {wrong}, expected a finite number"));
    }
    for (text, expected) in [
        ("linear=0,1", "Pacing: start should be in (0, 1], but is 0"),
        ("root=1.5,1", "Pacing: start should be in (0, 1], but is 1.5"),
        ("step=nan,1", "Pacing: start should be in (0, 1], but is NaN"),
        ("step=0.5,0steps", "Pacing: over should be at least 1, but is 0"),
    ] {
        let error = curriculum(text).sampler(&[0.0], 1, 1).expect_err("out of range");
        assert_eq!(message(error), expected);
    }
    let pacing = curriculum("linear=0.5,1").pacing;
    let error = Sampler::paced(vec![0], pacing, 0).expect_err("no steps");
    assert_eq!(message(error), "Sampler: batch_size should be at least 1, but is 0");
    for ranked in [vec![0, 0, 1], vec![0, 1, 3]] {
        let error = Sampler::paced(ranked, pacing, 1).expect_err("no ranking");
        assert_eq!(message(error), "2 different positions in a ranking, expected 3: one for each example");
    }
    for text in ["linear", "cubic=0.5,1", "linear=0.5", "linear=half,1", "linear=0.5,1days", "auto-linear=0.5,1"] {
        let error = text.parse::<Curriculum>().expect_err("no curriculum");
        let expected = "expected [anti-|random-]linear|root|step=START,LENGTH, such as linear=0.2,5epochs, but is";
        assert_eq!(message(error), format!("{expected} `{text}`"));
    }
    for text in ["linear=0.2,5epochs", "anti-root=0.05,500steps", "random-step=1,2epochs"] {
        assert_eq!(curriculum(text).to_string(), text);
        let json = serde_json::to_string(&curriculum(text)).expect("JSON");
        assert_eq!(serde_json::from_str::<Curriculum>(&json).expect("a curriculum"), curriculum(text));
    }
}
