//! Steps of one's own, and that an engine adds nothing to a step.

use super::resumption::compare_with;
use super::{Net, PointBatch, Points, STEPS, Setup, configured, device, drawing_alone, new_folder, weights};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, LBFGS, LBFGSConfig, LineSearchFn, ModuleOptimizer, OptimizerRecord};
use burn::tensor::Device;
use burn::train::{ClassificationOutput, Learner, SupervisedTraining, TrainStep};
use burn_descent::gradient::{ChainConfig, global_norm};
use burn_descent::optim::{NadamConfig, NamedOptimizer, RecordMismatch, SgdConfig, evaluation_weights, load_record};
use burn_descent::train::{End, EngineError, GradientUpdate, Loader, Step, TrainingState, Update};
use burn_descent::weights::EmaConfig;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a step puts out, its loss and its gradients, with the same units dropped each time.
fn passed(model: &Net, batch: &PointBatch, step: &Step) -> (ClassificationOutput, f64, GradientsParams) {
    step.seed_device();
    let output = TrainStep::step(model, batch.clone());
    let loss = output.item.loss.clone().into_scalar::<f32>();
    (output.item, f64::from(loss), output.grads)
}

/// Takes the optimizer's step, half as far each time until the loss is less: as many evaluations as it takes.
struct LineSearch {
    optimizer: ModuleOptimizer,
    evaluations: Arc<AtomicUsize>,
}

impl Update<Net> for LineSearch {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        let (output, loss, _) = passed(&model, &batch, step);
        let mut rate = step.rate.base();
        for _ in 0..8 {
            let (_, _, gradients) = passed(&model, &batch, step);
            let mut optimizer = self.optimizer.clone();
            let next = optimizer.step(rate, model.clone(), gradients);
            let (_, further, _) = passed(&next, &batch, step);
            self.evaluations.fetch_add(1, Ordering::SeqCst);
            if further < loss {
                self.optimizer = optimizer;
                return Ok((next, output));
            }
            rate *= 0.5;
        }
        Ok((model, output))
    }

    fn to_record(&self) -> OptimizerRecord {
        self.optimizer.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &Net) -> Result<(), RecordMismatch> {
        self.optimizer = load_record(self.optimizer.clone(), record, model)?;
        Ok(())
    }
}

#[test]
fn a_line_search_of_ones_own_goes_on_to_the_bit() {
    let evaluations = Arc::new(AtomicUsize::new(0));
    let make = |_: &Net| LineSearch {
        optimizer: NadamConfig::new().init().expect("in range"),
        evaluations: evaluations.clone(),
    };
    let setup = Setup { rate: 4.0, ..Setup::default() };
    compare_with("a line search", &setup, make, &|| setup.loader());
    evaluations.store(0, Ordering::SeqCst);
    setup.unbroken(&drawing_alone(), make);
    let evaluations = evaluations.load(Ordering::SeqCst) as u64;
    assert!(evaluations > 3 * STEPS, "{evaluations} evaluations should be more than one a step");
}

/// An observer sees the gradients before the chain, one time a step, and can hand what it makes of them to Burn's metric.
#[test]
fn an_observer_sees_the_gradients_of_each_step_before_their_transforms() {
    let (setup, lock) = (Setup::default(), drawing_alone());
    let norms = Arc::new(Mutex::new(Vec::new()));
    let make = |limit: f64, norms: Option<Arc<Mutex<Vec<f64>>>>| {
        move |_: &Net| {
            let chain = ChainConfig::new().clip_norm(limit).init().expect("in range");
            let update = GradientUpdate::new(SgdConfig::new().init().expect("in range")).with_chain(chain);
            match norms {
                None => update,
                Some(norms) => {
                    update.with_gradient_observer(move |model, gradients, output: &mut ClassificationOutput| {
                        let norm = global_norm(model, gradients).expect("gradients").into_scalar::<f64>();
                        norms.lock().expect("no panic").push(norm);
                        // What the metrics see is the observer's to change, what is trained is not.
                        output.loss = output.loss.clone() * 0.0;
                    })
                }
            }
        }
    };
    let plain = setup.unbroken(&lock, make(1e-3, None));
    let observed = setup.unbroken(&lock, make(1e-3, Some(norms.clone())));
    let norms = norms.lock().expect("no panic");
    assert!(!norms.is_empty() && (norms.len() as u64).is_multiple_of(STEPS), "{} norms", norms.len());
    assert!(norms.iter().all(|norm| *norm > 1e-3), "they are clipped only after: {norms:?}");
    assert!(plain.kept == observed.kept && !plain.kept.is_empty(), "an observer changes no weights");
    assert!(plain.metrics != observed.metrics, "but what the metrics see");
}

/// Burn's L-BFGS, which asks a closure as often as it likes, and is no `ModuleOptimizer`.
struct Closure(LBFGS);

impl Update<Net> for Closure {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        let mut first = None;
        let (model, _) = self.0.step(step.rate.base(), model, |model| {
            let (output, loss, gradients) = passed(&model, &batch, step);
            first.get_or_insert(output);
            (loss, gradients)
        });
        let output = first.ok_or_else(|| EngineError::Update("the closure was not called".into()))?;
        Ok((model, output))
    }

    fn to_record(&self) -> OptimizerRecord {
        self.0.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, _model: &Net) -> Result<(), RecordMismatch> {
        self.0 = self.0.clone().load_record(record);
        Ok(())
    }
}

#[test]
fn burns_lbfgs_goes_on_to_the_bit() {
    for line_search in [LineSearchFn::None, LineSearchFn::StrongWolfe] {
        let config = LBFGSConfig::new().with_max_iter(3).with_line_search_fn(line_search);
        // It takes running statistics for parameters, and finds no gradients of theirs.
        let setup = Setup { rate: 0.1, normalized: false, ..Setup::default() };
        let name = format!("L-BFGS, {:?}", config.line_search_fn);
        compare_with(&name, &setup, |_| Closure(config.init()), &|| setup.loader());
    }
}

/// Notes when an epoch begins and ends, and the numbers of the steps.
struct Counting {
    update: GradientUpdate<Net>,
    calls: Arc<std::sync::Mutex<Vec<String>>>,
    numbers: Arc<std::sync::Mutex<Vec<u64>>>,
}

impl Default for Counting {
    fn default() -> Self {
        let update = GradientUpdate::new(SgdConfig::new().init().expect("in range"));
        Self { update, calls: Arc::default(), numbers: Arc::default() }
    }
}

impl Update<Net> for Counting {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        self.numbers.lock().expect("no panic").push(step.number);
        self.update.step(model, batch, step)
    }

    fn begin_epoch(&mut self, model: Net, epoch: usize) -> Result<Net, EngineError> {
        self.calls.lock().expect("no panic").push(format!("begin {epoch}"));
        Ok(model)
    }

    fn end_epoch(&mut self, model: Net, _rate: &ModuleLearningRate) -> Result<Net, EngineError> {
        self.calls.lock().expect("no panic").push("end".to_owned());
        Ok(model)
    }

    fn to_record(&self) -> OptimizerRecord {
        self.update.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &Net) -> Result<(), RecordMismatch> {
        self.update.load_record(record, model)
    }
}

/// An epoch begins again where it is gone on with, and ends once.
#[test]
fn an_update_is_told_of_epochs() {
    use super::Break;
    let alone = drawing_alone();
    let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
    let make = |_: &Net| Counting { calls: calls.clone(), ..Counting::default() };
    let folder = new_folder();
    let setup = Setup { epochs: 2, ..Setup::default() };
    for (at, expected) in
        [(Some(Break::Signal(3)), vec!["begin 1"]), (None, vec!["begin 1", "end", "begin 2", "end"]), (None, vec![])]
    {
        calls.lock().expect("no panic").clear();
        setup.train(&alone, folder.path(), make, at);
        assert_eq!(*calls.lock().expect("no panic"), expected, "{at:?}");
    }
}

/// A step knows its number, also in a program that goes on: what is done at each tenth step is done at the same ones.
#[test]
fn steps_are_numbered_over_all_starts() {
    let alone = drawing_alone();
    let numbers = Arc::new(std::sync::Mutex::new(Vec::new()));
    let make = |_: &Net| Counting { numbers: numbers.clone(), ..Counting::default() };
    let folder = new_folder();
    let setup = Setup { epochs: 2, ..Setup::default() };
    for at in [Some(super::Break::Signal(5)), None] {
        setup.train(&alone, folder.path(), make, at);
    }
    assert_eq!(*numbers.lock().expect("no panic"), (0..12).collect::<Vec<u64>>());
}

#[test]
fn rates_of_groups_that_cannot_be_are_refused() {
    let alone = drawing_alone();
    let folder = new_folder();
    for (word, rate, part) in [
        ("frist", 0.1, "no parameter of the module matches `frist`"),
        ("first", f64::NAN, "rate should be in [0, ∞), but is NaN"),
        ("first", -1.0, "rate should be in [0, ∞), but is -1"),
    ] {
        let make = |_: &Net| {
            let update = GradientUpdate::new(SgdConfig::new().init().expect("in range"));
            update.with_rates(vec![(ParamGroup::from_predicate(word), rate)])
        };
        let outcome = Setup::default().train(&alone, folder.path(), make, None);
        let error = outcome.end.expect_err("no such group").to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// An average is validated without being asked for.
#[test]
fn the_weights_that_an_optimizer_means_are_evaluated() {
    let alone = drawing_alone();
    let setup = Setup { epochs: 2, dropout: 0.0, snapshots: vec![2], ..Setup::default() };
    let trained = |make: &dyn Fn() -> GradientUpdate<Net>| {
        let folder = new_folder();
        weights(&setup.train(&alone, folder.path(), |_| make(), None).snapshots[&2])
    };
    let ema = || {
        let ema = EmaConfig::new().with_decay(0.9).wrap(SgdConfig::new().build().expect("in range"));
        ema.expect("in range").init()
    };
    let average = trained(&|| GradientUpdate::new(ema()));
    let asked = trained(&|| {
        let update = GradientUpdate::new(ema());
        update.with_evaluation(Arc::new(|optimizer, model| Ok(evaluation_weights(optimizer, model))))
    });
    let raw = trained(&|| {
        GradientUpdate::new(ema()).with_evaluation(Arc::new(|_: &ModuleOptimizer, model: Net| Ok(model.valid())))
    });
    assert!(average == asked && average != raw);
}

// ---------------------------------------------------------------------------------------------------------------------
// Nothing is added

/// Where nothing is drawn, Burn's own loop comes to the same weights.
#[test]
fn burns_learner_comes_to_the_same() {
    let alone = drawing_alone();
    for name in ["sgd", "momentum", "nadam", "adadelta", "rmsprop"] {
        let named = NamedOptimizer::named(name).expect("known");
        let optimizer = || named.init().expect("in range");
        let rate = named.learning_rate();
        let setup = Setup { dropout: 0.0, rate, snapshots: vec![3], ..Setup::default() };
        let folder = new_folder();
        let outcome = setup.train(&alone, folder.path(), |_| GradientUpdate::new(optimizer()), None);
        assert!(matches!(outcome.end, Ok(End::Complete)), "{:?}", outcome.end);
        let engines = weights(&outcome.snapshots[&3]);

        let validation = Arc::new(Loader::new(Points::validation(), 4, &Device::flex()));
        let burns = new_folder();
        let supervised = SupervisedTraining::new(burns.path(), Arc::new(setup.loader()), validation)
            .num_epochs(3)
            .with_training_strategy(burn::train::ExecutionStrategy::SingleDevice(device()).into())
            .with_application_logger(None);
        let net = Net::new(0.0, &device());
        let result = configured(supervised).launch(Learner::new(net, optimizer(), rate));
        assert!(result.error.is_none() && result.interrupted.is_none());
        assert!(weights(&result.model) == engines, "{name}: Burn's learner");

        let update = GradientUpdate::new(optimizer());
        let mut training = TrainingState::new(Net::new(0.0, &device()), update, rate, 77);
        for epoch in 1..=3 {
            training.begin_epoch().expect("a beginning");
            for batch in setup.loader().epoch(epoch, 0) {
                training.step(batch.expect("a batch")).expect("a step");
            }
            training.end_epoch().expect("an end");
            training.advance();
        }
        assert_eq!((training.position().epoch, training.position().step), (4, 3 * STEPS));
        assert!(weights(&training.evaluated().expect("a model")) == engines, "{name}: a loop of one's own");
    }
}
