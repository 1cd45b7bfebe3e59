//! Batches in an order that can be begun anywhere.

use super::resumption::compare_with;
use super::{Break, EXAMPLES, Net, PointBatch, Points, Setup, Trace, device, drawing_alone, new_folder};
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder, DataLoaderIterator};
use burn::data::dataset::{DatasetError, InMemDataset};
use burn::tensor::Device;
use burn_descent::optim::NadamConfig;
use burn_descent::sample::Sampler;
use burn_descent::train::{BatchSource, Batched, End, EngineError, GradientUpdate, Loader, Places};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gives back what it is asked for, and counts.
#[derive(Clone)]
struct Asked {
    examples: usize,
    made: Arc<AtomicUsize>,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Error(usize),
    Panic(usize),
}

/// The epoch, the examples and their numbers.
type Given = (usize, Vec<usize>, Vec<usize>);

impl BatchSource for Asked {
    type Batch = Given;

    fn examples(&self) -> usize {
        self.examples
    }

    fn batch(&self, places: &Places<'_>, _device: &Device) -> Result<Given, DatasetError> {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Error(at) if number == at => Err(DatasetError::new(io::Error::other("a bad sector"))),
            // Not by a panic that is printed.
            Fault::Panic(at) if number == at => std::panic::resume_unwind(Box::new("a panic")),
            _ => Ok((places.epoch, places.examples.to_vec(), places.numbers.to_vec())),
        }
    }
}

fn asked(examples: usize, batch_size: usize) -> Loader<Given> {
    failing(examples, batch_size, Fault::None)
}

fn failing(examples: usize, batch_size: usize, fault: Fault) -> Loader<Given> {
    Loader::new(Asked { examples, made: Arc::default(), fault }, batch_size, &Device::flex())
}

fn epoch(loader: &Loader<Given>, epoch: usize, skipped: usize) -> Vec<Given> {
    loader.epoch(epoch, skipped).collect::<Result<_, _>>().expect("batches")
}

fn examples(batches: &[Given]) -> Vec<usize> {
    batches.iter().flat_map(|(_, examples, _)| examples.clone()).collect()
}

fn sizes(batches: &[Given]) -> Vec<usize> {
    batches.iter().map(|(_, examples, _)| examples.len()).collect()
}

#[test]
fn the_order_goes_by_the_seed_and_the_epoch() {
    let plain = epoch(&asked(10, 4), 3, 0);
    assert_eq!(examples(&plain), (0..10).collect::<Vec<_>>());
    assert_eq!(sizes(&plain), [4, 4, 2]);
    assert!(plain.iter().all(|(epoch, examples, numbers)| *epoch == 3 && examples == numbers));
    let shuffled = |seed| asked(40, 4).shuffled(seed);
    for number in 1..4 {
        let order = examples(&epoch(&shuffled(7), number, 0));
        assert_eq!(order, Sampler::shuffled(40).epoch(7, number as u64));
        assert_eq!(order, examples(&epoch(&shuffled(7), number, 0)), "the same each time");
        assert_ne!(order, examples(&epoch(&shuffled(8), number, 0)), "each seed has its own");
        assert_ne!(order, examples(&epoch(&shuffled(7), number + 1, 0)), "each epoch has its own");
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..40).collect::<Vec<_>>(), "each once");
    }
}

#[test]
fn what_comes_again_has_another_number() {
    let labels: Vec<usize> = (0..30).map(|index| usize::from(index < 3)).collect();
    let sampler = || Sampler::balanced(&labels, 2).expect("two classes");
    let loader = asked(30, 7).with_sampler(sampler(), 5).expect("as many");
    let batches = epoch(&loader, 2, 0);
    let order = examples(&batches);
    assert_eq!(order, sampler().epoch(5, 2));
    let numbers: Vec<usize> = batches.iter().flat_map(|(_, _, numbers)| numbers.clone()).collect();
    for (place, example) in order.iter().enumerate() {
        let before = order[..place].iter().filter(|other| *other == example).count();
        assert_eq!(numbers[place], example + before * 30);
    }
    let skipped = epoch(&loader, 2, 3);
    assert_eq!(skipped, batches[3..], "numbers count what was skipped");
    let error = asked(30, 7).with_sampler(Sampler::shuffled(29), 5).map(drop).expect_err("one too few").to_string();
    assert_eq!(error, "29 places in an order, expected 30: one for each example");
}

#[test]
fn skipping_gives_the_tail_and_prefetching_the_same() {
    for examples in [1, 2, 3, 4, 5, 8, 9, 23] {
        for batch_size in [1, 2, 3, 4, 9, 100, usize::MAX] {
            for smallest in [1, 2, 3] {
                let loader = || asked(examples, batch_size).shuffled(3).with_smallest_batch(smallest);
                let whole = epoch(&loader(), 2, 0);
                assert_eq!(whole.len(), loader().batches());
                assert_eq!(sizes(&whole).iter().sum::<usize>(), examples);
                for skipped in 0..=whole.len() + 1 {
                    let tail = &whole[skipped.min(whole.len())..];
                    for ahead in [0, 1, 3, 100] {
                        let found = epoch(&loader().prefetch(ahead), 2, skipped);
                        assert_eq!(found, tail, "{examples} by {batch_size}, {skipped} skipped, {ahead} ahead");
                    }
                }
            }
        }
    }
}

#[test]
fn the_smallest_batch_joins_the_one_before() {
    let sized = |examples, smallest| sizes(&epoch(&asked(examples, 4).with_smallest_batch(smallest), 1, 0));
    assert_eq!(sized(9, 1), [4, 4, 1]);
    assert_eq!(sized(9, 2), [4, 5]);
    assert_eq!(sized(10, 2), [4, 4, 2]);
    assert_eq!(sized(11, 4), [4, 7]);
    assert_eq!(sized(1, 2), [1], "there is none before it");
    assert_eq!(sized(3, 4), [3]);
    assert_eq!(sized(0, 2), [0_usize; 0]);
    assert_eq!(asked(0, 4).prefetch(2).epoch(1, 0).count(), 0);
}

#[test]
fn what_is_no_whole_batch_is_dropped() {
    let loader = |examples| asked(examples, 4).with_smallest_batch(2).with_drop_last(true);
    let sized = |examples| sizes(&epoch(&loader(examples), 1, 0));
    assert_eq!([sized(8), sized(9), sized(11)], [[4, 4], [4, 4], [4, 4]]);
    assert_eq!(sized(3), [3], "there is no other");
    assert_eq!((loader(11).num_items(), loader(11).batches()), (8, 2));
    // Others in each epoch, in the same order as without.
    let shuffled = |drop_last| asked(11, 4).shuffled(3).with_drop_last(drop_last);
    for number in 1..4 {
        let whole = epoch(&shuffled(false), number, 0);
        for ahead in [0, 2] {
            let batches = shuffled(true).prefetch(ahead);
            assert_eq!(epoch(&batches, number, 0), whole[..2]);
            assert_eq!(epoch(&batches, number, 1), whole[1..2]);
        }
    }
}

#[test]
fn slices_are_parts_of_the_same_order() {
    let whole = Arc::new(asked(10, 2).shuffled(3));
    let all =
        |loader: &Arc<dyn DataLoader<Given>>| examples(&loader.iter().collect::<Result<Vec<_>, _>>().expect("batches"));
    let parts: Vec<Arc<dyn DataLoader<Given>>> = vec![whole.slice(0, 4), whole.slice(4, 10)];
    assert_eq!([parts[0].num_items(), parts[1].num_items(), whole.num_items()], [4, 6, 10]);
    for number in 1..3 {
        let found = [all(&parts[0]), all(&parts[1])].concat();
        assert_eq!(found, Sampler::shuffled(10).epoch(3, number));
    }
    let inner = parts[1].slice(1, 3);
    assert_eq!(all(&inner), Sampler::shuffled(10).epoch(3, 3)[5..7], "it goes on where the other was");
    let moved = inner.to_device(&Device::flex());
    assert_eq!(all(&moved), Sampler::shuffled(10).epoch(3, 4)[5..7], "and so does the same on a device");
}

#[test]
fn progress_counts_examples() {
    for ahead in [0, 2] {
        let loader = asked(9, 4).with_smallest_batch(2).prefetch(ahead);
        for (skipped, expected) in [(0, vec![0, 4, 9]), (1, vec![4, 9]), (2, vec![9]), (7, vec![9])] {
            let mut batches = loader.epoch(1, skipped);
            let mut found = vec![batches.progress().items_processed];
            while batches.next().is_some() {
                found.push(batches.progress().items_processed);
            }
            assert_eq!((found, batches.progress().items_total), (expected, 9), "{skipped} skipped");
        }
    }
}

#[test]
fn a_source_that_fails_is_an_error_and_no_short_epoch() {
    for ahead in [0, 1, 2, 100] {
        let found: Vec<_> = failing(12, 4, Fault::Error(1)).prefetch(ahead).epoch(1, 0).collect();
        let errors: Vec<_> = found.iter().map(|batch| batch.as_ref().err().map(ToString::to_string)).collect();
        assert_eq!(errors.len(), 3);
        assert!(errors[1].as_ref().is_some_and(|error| error.contains("a bad sector")), "{errors:?}");
        assert!(errors[0].is_none() && errors[2].is_none(), "{errors:?}");
    }
    for (at, missing) in [(0, 12), (1, 8), (2, 4)] {
        for ahead in [1, 2, 100] {
            let batches = failing(12, 4, Fault::Panic(at)).prefetch(ahead).epoch(1, 0);
            let found: Vec<_> = batches.collect();
            assert_eq!(found.len(), at + 1, "one error, and no more");
            assert!(found[..at].iter().all(Result::is_ok));
            let error = found[at].as_ref().expect_err("a panic").to_string();
            let expected =
                format!("the thread that makes batches has failed, {missing} examples before the end of the epoch");
            assert!(error.contains(&expected), "{error}");
        }
    }
}

/// An epoch that nobody asks the rest of leaves no thread behind that makes it all the same.
#[test]
fn an_epoch_that_is_broken_off_is_not_made_to_its_end() {
    let source = Asked { examples: 1000, made: Arc::default(), fault: Fault::None };
    let loader = Loader::new(source.clone(), 1, &Device::flex()).prefetch(2);
    let mut batches = loader.epoch(1, 0);
    batches.next().expect("a batch").expect("a batch");
    drop(batches);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let made = source.made.load(Ordering::SeqCst);
    assert!(made <= 5, "{made}");
}

fn update(_: &Net) -> GradientUpdate<Net> {
    GradientUpdate::new(NadamConfig::new().init().expect("in range"))
}

/// Errors of data end a training, which then goes on to the bit.
#[test]
fn a_training_goes_on_after_an_error_of_its_data() {
    let alone = drawing_alone();
    let setup = Setup::default();
    let unbroken = setup.unbroken(&alone, update);
    for ahead in [0, 2] {
        for panics in [false, true] {
            if panics && ahead == 0 {
                continue;
            }
            let folder = new_folder();
            let mut failing = Setup { prefetch: ahead, ..setup.clone() };
            failing.points.hook = Arc::new(move |places| match places.epoch == 2 && places.examples.contains(&7) {
                true if panics => std::panic::resume_unwind(Box::new("a panic")),
                true => Err(DatasetError::new(io::Error::other("a bad sector"))),
                false => Ok(()),
            });
            let outcome = failing.train(&alone, folder.path(), update, None);
            let error = outcome.end.expect_err("no batch");
            assert!(matches!(&error, EngineError::Data(_)), "{error:?}");
            assert!(error.to_string().starts_with("a batch could not be loaded: "), "{error}");
            assert_eq!(outcome.history.last_epoch(), 1);
            let outcome = setup.train(&alone, folder.path(), update, None);
            let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
            assert!(differences.is_empty(), "{differences:#?}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Burn's own

/// Makes batches of points by the examples' numbers.
#[derive(Clone)]
struct ByNumber;

impl Batcher<usize, PointBatch> for ByNumber {
    fn batch(&self, items: Vec<usize>, device: &Device) -> PointBatch {
        let places = Places { examples: &items, numbers: &items, epoch: 1 };
        Points::training().batch(&places, device).expect("a batch")
    }
}

fn numbers() -> InMemDataset<usize> {
    InMemDataset::new((0..EXAMPLES - 1).collect())
}

/// Burn's shuffled loader, on no thread and on one of its own, goes on at an epoch's end and within it.
#[test]
fn burns_loader_goes_on_to_the_bit() {
    for workers in [0, 1] {
        for shuffled in [false, true] {
            let loader = || -> Arc<dyn DataLoader<PointBatch>> {
                let builder = DataLoaderBuilder::new(ByNumber).batch_size(4).num_workers(workers);
                if shuffled { builder.shuffle(11) } else { builder }.build(numbers())
            };
            compare_with(&format!("{workers} workers, shuffled: {shuffled}"), &Setup::default(), update, &loader);
        }
    }
    // Which would not be seen if its epochs were all the same.
    let alone = drawing_alone();
    let losses = |seed| {
        let loader: Arc<dyn DataLoader<PointBatch>> =
            DataLoaderBuilder::new(ByNumber).batch_size(4).shuffle(seed).build(numbers());
        let folder = new_folder();
        let outcome = Setup::default().train_by(&alone, folder.path(), update, None, |engine| engine, loader);
        assert!(matches!(outcome.end, Ok(End::Complete)), "{:?}", outcome.end);
        Trace::new(&outcome, folder.path()).history
    };
    assert!(losses(11) != losses(12));
}

/// A loader of this crate's is one of Burn's too, but goes on by its own cursor, as a data set in batches does.
#[test]
fn a_data_set_of_burns_in_batches_goes_on_to_the_bit() {
    let batched = || Loader::new(Batched::new(numbers(), ByNumber), 4, &device()).shuffled(11).prefetch(1);
    compare_with("batched", &Setup::default(), update, &batched);
    let once = batched().epoch(2, 1).next().expect("a batch").expect("a batch");
    let order = Sampler::shuffled(EXAMPLES - 1).epoch(11, 2);
    let expected = ByNumber.batch(order[4..8].to_vec(), &device());
    assert_eq!(once.points.to_data(), expected.points.to_data());
    let alone = drawing_alone();
    let folder = new_folder();
    let setup = Setup::default();
    // One loader, of which a training is broken off and another begins: its cursor is where each training wants it.
    let (one, other) = (batched(), batched());
    let unbroken = {
        let folder = new_folder();
        let outcome = setup.train_by(&alone, folder.path(), update, None, |engine| engine, other);
        Trace::new(&outcome, folder.path())
    };
    for at in [Some(Break::Signal(8)), Some(Break::Error(15)), None] {
        let outcome = setup.train_by(&alone, folder.path(), update, at, |engine| engine, one.clone());
        if at.is_none() {
            let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
            assert!(differences.is_empty(), "{differences:#?}");
        }
    }
}
