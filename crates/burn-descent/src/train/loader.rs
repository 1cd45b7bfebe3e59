//! Batches in a reproducible order, which can be begun anywhere, made ahead of their use.

use super::EngineError;
use crate::sample::{SampleError, Sampler};
use crate::schedule::RunLength;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::kind::Basic;
use burn::tensor::{Device, Tensor, TensorData};
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Makes batches of the examples that it is asked for. Implement it where a batch depends on more than its examples, as
/// on the epoch for distortions; for others there is [`Batched`], of Burn's `Dataset` and `Batcher`.
pub trait BatchSource: Send + Sync + 'static {
    /// Stands for a batch.
    type Batch: Send + 'static;

    /// Returns the number of examples.
    fn examples(&self) -> usize;

    /// Makes a batch on `device`.
    ///
    /// # Errors
    ///
    /// Returns an error where an example cannot be read.
    fn batch(&self, places: &Places<'_>, device: &Device) -> Result<Self::Batch, DatasetError>;
}

/// Says which examples make up a batch, and what tells this occasion from others.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Lists the examples, each below their number; one may come more than once.
    pub examples: &'a [usize],
    /// Gives a number of its own to each place in the epoch, for what is drawn for it: that of the example, where it
    /// comes for the first time in the epoch.
    pub numbers: &'a [usize],
    /// Gives the epoch, from 1.
    pub epoch: usize,
}

impl Places<'_> {
    /// Returns the examples' rows of a tensor whose first axis counts the examples, on `device`.
    pub fn rows<const D: usize, K: Basic>(&self, table: &Tensor<D, K>, device: &Device) -> Tensor<D, K> {
        let rows: Vec<i64> = self.examples.iter().map(|&example| example as i64).collect();
        let rows = Tensor::from_data(TensorData::from(rows.as_slice()), &table.device());
        table.clone().select(0, rows).to_device(device)
    }
}

/// Makes batches of Burn's `Dataset` by its `Batcher`.
pub struct Batched<D, R, I, B> {
    dataset: D,
    batcher: R,
    types: PhantomData<fn() -> (I, B)>,
}

impl<D: Dataset<I>, R: Batcher<I, B>, I, B> Batched<D, R, I, B> {
    /// Creates a source of the items of `dataset`, which `batcher` makes batches of.
    pub fn new(dataset: D, batcher: R) -> Self {
        Self { dataset, batcher, types: PhantomData }
    }
}

impl<D, R, I, B> BatchSource for Batched<D, R, I, B>
where
    D: Dataset<I> + 'static,
    R: Batcher<I, B> + 'static,
    I: 'static,
    B: Send + 'static,
{
    type Batch = B;

    fn examples(&self) -> usize {
        self.dataset.len()
    }

    fn batch(&self, places: &Places<'_>, device: &Device) -> Result<B, DatasetError> {
        let items = places.examples.iter().map(|&example| self.dataset.get(example)).collect::<Result<_, _>>()?;
        Ok(self.batcher.batch(items, device))
    }
}

/// Makes batches of what is in memory, row by row: inputs and targets, whose first axis counts the examples.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::train::Loader;
///
/// let device = Device::default();
/// let table = (Tensor::<2>::ones([5, 4], &device), Tensor::<2>::zeros([5, 1], &device));
/// let mut batches = Loader::new(table, 3, &device).epoch(1, 1);
/// let (inputs, targets) = batches.next().expect("a second batch")?;
/// assert_eq!((inputs.dims(), targets.dims()), ([2, 4], [2, 1]));
/// # Ok::<(), burn::data::dataset::DatasetError>(())
/// ```
impl<const D1: usize, const D2: usize, K1, K2> BatchSource for (Tensor<D1, K1>, Tensor<D2, K2>)
where
    K1: Basic + 'static,
    K2: Basic + 'static,
{
    type Batch = Self;

    fn examples(&self) -> usize {
        self.0.dims()[0]
    }

    fn batch(&self, places: &Places<'_>, device: &Device) -> Result<Self, DatasetError> {
        let (inputs, targets) = (self.0.dims()[0], self.1.dims()[0]);
        if inputs != targets {
            let reason = format!("{inputs} examples have {targets} targets");
            return Err(DatasetError::new(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        Ok((places.rows(&self.0, device), places.rows(&self.1, device)))
    }
}

/// Makes batches by a function: see [`from_fn`].
pub struct FromFn<F> {
    examples: usize,
    make: F,
}

/// Creates a source of so many examples, whose batches `make` makes.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::train::{Loader, from_fn};
///
/// struct Batch {
///     images: Tensor<4>,
///     positions: Tensor<2>,
/// }
///
/// let device = Device::default();
/// let (images, positions) = (Tensor::<4>::ones([5, 1, 8, 8], &device), Tensor::<2>::ones([5, 2], &device));
/// let source = from_fn(5, move |places, device| {
///     Ok(Batch { images: places.rows(&images, device), positions: places.rows(&positions, device) })
/// });
/// let loader = Loader::new(source, 2, &device).shuffled(7);
/// assert_eq!(loader.batches(), 3);
/// ```
pub fn from_fn<F, B>(examples: usize, make: F) -> FromFn<F>
where
    F: Fn(&Places<'_>, &Device) -> Result<B, DatasetError> + Send + Sync + 'static,
    B: Send + 'static,
{
    FromFn { examples, make }
}

impl<F, B> BatchSource for FromFn<F>
where
    F: Fn(&Places<'_>, &Device) -> Result<B, DatasetError> + Send + Sync + 'static,
    B: Send + 'static,
{
    type Batch = B;

    fn examples(&self) -> usize {
        self.examples
    }

    fn batch(&self, places: &Places<'_>, device: &Device) -> Result<B, DatasetError> {
        (self.make)(places, device)
    }
}

/// Loads batches: a Burn `DataLoader` whose epochs can be begun at any batch, so that a training that is resumed sees
/// what the unbroken one would have seen.
///
/// What comes in an epoch depends on the seed and the epoch's number alone. With [`prefetch`](Self::prefetch) a thread
/// makes the batches while others are trained on; order and values stay the same.
///
/// ```
/// use burn::data::dataset::InMemDataset;
/// use burn::data::dataloader::batcher::Batcher;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::train::{Batched, Loader};
///
/// #[derive(Clone)]
/// struct Points;
///
/// impl Batcher<[f32; 2], Tensor<2>> for Points {
///     fn batch(&self, items: Vec<[f32; 2]>, device: &Device) -> Tensor<2> {
///         let rows = items.into_iter().map(|item| Tensor::<1>::from_floats(item, device));
///         Tensor::stack(rows.collect(), 0)
///     }
/// }
///
/// let data = InMemDataset::new(vec![[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]);
/// let loader = Loader::new(Batched::new(data, Points), 2, &Device::default()).shuffled(7).prefetch(2);
/// let sizes: Vec<usize> = loader.epoch(1, 0).map(|batch| batch.map(|batch| batch.dims()[0])).collect::<Result<_, _>>()?;
/// assert_eq!(sizes, [2, 1]);
/// # Ok::<(), burn::data::dataset::DatasetError>(())
/// ```
pub struct Loader<B> {
    source: Arc<dyn BatchSource<Batch = B>>,
    /// What orders an epoch, and its seed; none is the order of the examples.
    order: Option<(Arc<Sampler>, u64)>,
    /// The part of each epoch that is loaded.
    part: Range<usize>,
    batch_size: usize,
    smallest: usize,
    drop_last: bool,
    prefetch: usize,
    device: Device,
    cursor: Cursor,
}

impl<B> Clone for Loader<B> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            order: self.order.clone(),
            part: self.part.clone(),
            device: self.device.clone(),
            cursor: self.cursor.clone(),
            ..*self
        }
    }
}

/// Says where a loader's next epoch begins. Clones are one and the same.
#[derive(Clone, Debug)]
struct Cursor(Arc<Mutex<(usize, usize)>>);

impl Cursor {
    fn new(epoch: usize) -> Self {
        Self(Arc::new(Mutex::new((epoch, 0))))
    }

    fn place(&self) -> MutexGuard<'_, (usize, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Send + 'static> Loader<B> {
    /// Creates a loader of the examples in their order, with `batch_size` of them in a batch, at least 1.
    pub fn new(source: impl BatchSource<Batch = B>, batch_size: usize, device: &Device) -> Self {
        let part = 0..source.examples();
        Self {
            source: Arc::new(source),
            order: None,
            part,
            batch_size: batch_size.max(1),
            smallest: 1,
            drop_last: false,
            prefetch: 0,
            device: device.clone(),
            cursor: Cursor::new(1),
        }
    }

    /// Shuffles the examples afresh in each epoch, by `seed`.
    pub fn shuffled(self, seed: u64) -> Self {
        let sampler = Arc::new(Sampler::shuffled(self.source.examples()));
        Self { order: Some((sampler, seed)), ..self }
    }

    /// Orders each epoch as `sampler` does, by `seed`.
    ///
    /// # Errors
    ///
    /// Returns an error if the sampler orders another number of examples.
    pub fn with_sampler(self, sampler: Sampler, seed: u64) -> Result<Self, SampleError> {
        sampler.ensure_examples(self.source.examples())?;
        Ok(Self { order: Some((Arc::new(sampler), seed)), ..self })
    }

    /// Lets no batch have fewer than `smallest` examples: those that are left over at an epoch's end join the batch
    /// before. Batch normalization needs 2, since of a single one each value is its own mean.
    pub fn with_smallest_batch(self, smallest: usize) -> Self {
        Self { smallest: smallest.max(1), ..self }
    }

    /// Leaves out what is left over at the end of an epoch where it is no whole batch, as PyTorch's `drop_last` does; other
    /// examples in each epoch, if they are shuffled. An epoch that is shorter than a batch stays as it is.
    pub fn with_drop_last(self, drop_last: bool) -> Self {
        Self { drop_last, ..self }
    }

    /// Makes up to `batches` batches ahead, on a thread of their own; 0 makes each when it is asked for.
    pub fn prefetch(self, batches: usize) -> Self {
        Self { prefetch: batches, ..self }
    }

    /// Begins with `epoch` (from 1), for Burn's own loop where it goes on after the epoch before.
    pub fn starting_at(self, epoch: usize) -> Self {
        Self { cursor: Cursor::new(epoch), ..self }
    }

    /// Returns the number of batches in an epoch.
    pub fn batches(&self) -> usize {
        self.cuts().len()
    }

    /// Returns the length of a training of `epochs`, for [`Schedule::scheduler`](crate::schedule::Schedule::scheduler).
    pub fn run_length(&self, epochs: usize) -> RunLength {
        RunLength { epochs, steps_per_epoch: self.batches() }
    }

    /// Returns the batches of `epoch` (from 1), but for the first `skipped`.
    pub fn epoch(&self, epoch: usize, skipped: usize) -> Batches<B> {
        let examples = self.source.examples();
        let order: Vec<usize> = match &self.order {
            Some((sampler, seed)) => sampler.epoch(*seed, epoch as u64),
            None => (0..examples).collect(),
        };
        let mut times = vec![0_usize; examples];
        let number = |&example: &usize| {
            times[example] += 1;
            example + (times[example] - 1) * examples
        };
        let numbers: Vec<usize> = order.iter().map(number).collect();
        let maker = Maker {
            source: self.source.clone(),
            device: self.device.clone(),
            examples: order[self.part.clone()].to_vec(),
            numbers: numbers[self.part.clone()].to_vec(),
            epoch,
        };
        let cuts = self.cuts();
        let (done, total) = (cuts.iter().take(skipped).map(ExactSizeIterator::len).sum(), self.num_items());
        let cuts: Vec<Range<usize>> = cuts.into_iter().skip(skipped).collect();
        let batches = match self.prefetch {
            0 => Made::Here { maker: Box::new(maker), cuts: cuts.into_iter() },
            ahead => {
                let (sender, receiver) = sync_channel(ahead);
                let made = move || {
                    for cut in cuts {
                        // Nobody waits for more of an epoch that was broken off.
                        if sender.send((cut.len(), maker.make(cut))).is_err() {
                            break;
                        }
                    }
                };
                std::thread::spawn(made);
                Made::Ahead(receiver)
            }
        };
        Batches { batches, done, total }
    }

    /// Where the batches of an epoch begin and end.
    fn cuts(&self) -> Vec<Range<usize>> {
        let length = self.part.len();
        let starts = (0..length).step_by(self.batch_size);
        let mut cuts: Vec<Range<usize>> =
            starts.map(|start| start..start.saturating_add(self.batch_size).min(length)).collect();
        if self.drop_last && cuts.len() > 1 && cuts.last().is_some_and(|last| last.len() < self.batch_size) {
            cuts.pop();
        }
        if cuts.len() > 1 && cuts.last().is_some_and(|last| last.len() < self.smallest) {
            cuts.pop();
            if let Some(last) = cuts.last_mut() {
                last.end = length;
            }
        }
        cuts
    }
}

/// Makes the batches of one epoch.
struct Maker<B> {
    source: Arc<dyn BatchSource<Batch = B>>,
    device: Device,
    examples: Vec<usize>,
    numbers: Vec<usize>,
    epoch: usize,
}

impl<B: Send + 'static> Maker<B> {
    fn make(&self, cut: Range<usize>) -> Result<B, DatasetError> {
        let places = Places { examples: &self.examples[cut.clone()], numbers: &self.numbers[cut], epoch: self.epoch };
        self.source.batch(&places, &self.device)
    }
}

/// Iterates over the batches of an epoch.
pub struct Batches<B> {
    batches: Made<B>,
    done: usize,
    total: usize,
}

enum Made<B> {
    Here { maker: Box<Maker<B>>, cuts: std::vec::IntoIter<Range<usize>> },
    Ahead(Receiver<(usize, Result<B, DatasetError>)>),
}

impl<B: Send + 'static> Iterator for Batches<B> {
    type Item = Result<B, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, batch) = match &mut self.batches {
            Made::Here { maker, cuts } => cuts.next().map(|cut| (cut.len(), maker.make(cut)))?,
            Made::Ahead(batches) => match batches.recv() {
                Ok(made) => made,
                Err(_) if self.done < self.total => {
                    // Not an end, but the end of the thread.
                    let missing = self.total - std::mem::replace(&mut self.done, self.total);
                    return Some(Err(DatasetError::new(io::Error::other(format!(
                        "the thread that makes batches has failed, {missing} examples before the end of the epoch"
                    )))));
                }
                Err(_) => return None,
            },
        };
        self.done += length;
        Some(batch)
    }
}

impl<B: Send + 'static> DataLoaderIterator<B> for Batches<B> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.total, Some("items".to_owned()))
    }
}

impl<B: Send + 'static> DataLoader<B> for Loader<B> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<B> + 'a> {
        let (epoch, skipped) = {
            let mut place = self.cursor.place();
            let next = *place;
            *place = (next.0 + 1, 0);
            next
        };
        Box::new(self.epoch(epoch, skipped))
    }

    fn num_items(&self) -> usize {
        self.cuts().last().map_or(0, |last| last.end)
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<B>> {
        Arc::new(Self { device: device.clone(), ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<B>> {
        let part = self.part.start + start..self.part.start + end;
        // Each slice counts its epochs by itself.
        let cursor = Cursor::new(self.cursor.place().0);
        Arc::new(Self { part, cursor, ..self.clone() })
    }
}

/// Holds a data loader whose epochs a training can begin where it needs to: a [`Loader`], or any of Burn's.
///
/// Burn's loaders know no place to begin at. A training that goes on asks them for as many epochs as there were, then
/// leaves out as many batches; that is the same only where they give the same at each start of the program.
pub struct TrainingLoader<B> {
    loader: Arc<dyn DataLoader<B>>,
    cursor: Option<Cursor>,
    /// The epochs that a loader without a cursor has been asked for.
    asked: Arc<Mutex<usize>>,
}

impl<B> Clone for TrainingLoader<B> {
    fn clone(&self) -> Self {
        Self { loader: self.loader.clone(), cursor: self.cursor.clone(), asked: self.asked.clone() }
    }
}

impl<B: Send + 'static> From<Loader<B>> for TrainingLoader<B> {
    fn from(loader: Loader<B>) -> Self {
        let cursor = Some(loader.cursor.clone());
        Self { loader: Arc::new(loader), cursor, asked: Arc::default() }
    }
}

impl<B: Send + 'static> From<Arc<Loader<B>>> for TrainingLoader<B> {
    fn from(loader: Arc<Loader<B>>) -> Self {
        Self::from(Loader::clone(&loader))
    }
}

impl<B> From<Arc<dyn DataLoader<B>>> for TrainingLoader<B> {
    fn from(loader: Arc<dyn DataLoader<B>>) -> Self {
        Self { loader, cursor: None, asked: Arc::default() }
    }
}

impl<B> TrainingLoader<B> {
    pub(super) fn loader(&self) -> Arc<dyn DataLoader<B>> {
        self.loader.clone()
    }

    pub(super) fn on(&self, device: &Device) -> Self {
        Self { loader: self.loader.to_device(device), cursor: self.cursor.clone(), asked: Arc::default() }
    }

    /// The batches of `epoch`, but for the first `skipped`.
    pub(super) fn epoch(
        &self,
        epoch: usize,
        skipped: usize,
    ) -> Result<Box<dyn DataLoaderIterator<B> + '_>, EngineError> {
        if let Some(cursor) = &self.cursor {
            *cursor.place() = (epoch, skipped);
            return Ok(self.loader.iter());
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in *asked + 1..epoch {
            drop(self.loader.iter());
        }
        *asked = epoch;
        let mut batches = self.loader.iter();
        for _ in 0..skipped {
            batches.next().transpose().map_err(EngineError::Data)?;
        }
        Ok(batches)
    }
}
