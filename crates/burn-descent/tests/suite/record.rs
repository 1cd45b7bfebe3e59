//! What a record is refused for, and that one which fits is taken as it is.

use crate::common::{cpu_devices, deviation, same_bits, values};
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::{Bytes, Device, Tensor};
use burn_descent::gradient::GradientNoiseConfig;
use burn_descent::optim::{
    AdamConfig, AmsgradConfig, ErasedOptimizer, LearningRatePlacement, MomentumConfig, NadamConfig, NesterovConfig,
    RecordMismatch, RmsPropConfig, ScheduleFreeSgdConfig, SgdConfig, check_record, load_record,
};
use burn_descent::schedule::{RunLength, Schedule};
use burn_descent::weights::{
    Averaged, Averaging, EmaConfig, LookaheadConfig, SwaConfig, WeightTransform, WeightTransforms,
};
use burn_pack::{Reader, Scalar, Writer};

fn step(model: Linear, optimizer: &mut ModuleOptimizer) -> Linear {
    let device = model.weight.device();
    let loss = model.forward(Tensor::<2>::ones([4, 3], &device)).square().mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    optimizer.step(0.1, model, gradients)
}

fn linear(device: &Device) -> Linear {
    LinearConfig::new(3, 2).init(&device.clone().autodiff())
}

/// An optimizer after two steps, with its model.
fn trained(device: &Device, optimizer: ModuleOptimizer) -> (Linear, ModuleOptimizer) {
    let mut optimizer = optimizer;
    let model = step(linear(device), &mut optimizer);
    (step(model, &mut optimizer), optimizer)
}

fn first_device() -> Device {
    cpu_devices().remove(0).1
}

fn nadam() -> ModuleOptimizer {
    NadamConfig::new().init().expect("a valid configuration")
}

fn mismatch(optimizer: ModuleOptimizer, record: OptimizerRecord, model: &Linear) -> String {
    load_record(optimizer, record, model).err().expect("the record should be refused").to_string()
}

#[test]
fn a_record_that_fits_is_taken_as_it_is() {
    let optimizers: [fn() -> ModuleOptimizer; 7] = [
        nadam,
        || AmsgradConfig::new().init().unwrap(),
        || SgdConfig::new().init().unwrap(),
        || ScheduleFreeSgdConfig::new().init().unwrap(),
        || burn::optim::AdamConfig::new().init(),
        || burn::optim::AdafactorConfig::new().init(),
        || GradientNoiseConfig::new().wrap(AdamConfig::new().build().unwrap()).unwrap().into(),
    ];
    for (backend, device) in cpu_devices() {
        for optimizer in optimizers {
            let (model, mut unbroken) = trained(&device, optimizer());
            let mut resumed = load_record(optimizer(), unbroken.to_record(), &model).expect("the record fits");
            assert!(load_record(optimizer(), unbroken.to_record(), &model.clone().valid()).is_ok(), "{backend}: valid");
            let (mut one, mut other) = (model.clone(), model);
            for _ in 0..3 {
                one = step(one, &mut unbroken);
                other = step(other, &mut resumed);
            }
            assert!(same_bits(&values(&one.weight.val()), &values(&other.weight.val())), "{backend}");
        }
    }
}

/// Also where the first step, by which a record is judged, leaves no average yet.
#[test]
fn a_record_from_before_an_average_and_after_fits() {
    let swa = |start, every| {
        let config = SwaConfig::new().with_start(start).with_every(every);
        let optimizer: ModuleOptimizer = config.wrap(AdamConfig::new().build().unwrap()).unwrap().into();
        optimizer
    };
    for (start, every) in [(0, 1), (1, 1), (2, 1), (0, 2)] {
        // Two steps.
        let (model, optimizer) = trained(&first_device(), swa(start, every));
        assert!(load_record(swa(start, every), optimizer.to_record(), &model).is_ok(), "from {start}, every {every}");
        let error = mismatch(AdamConfig::new().init().unwrap(), optimizer.to_record(), &model);
        assert!(error.contains("the record is that of "), "{error}");
    }
}

/// What an optimizer has come to is not what a record from before is judged by.
#[test]
fn an_optimizer_with_an_average_goes_back_to_when_it_had_none() {
    let config = SwaConfig::new().with_start(1);
    let mut optimizer: ModuleOptimizer = config.wrap(AdamConfig::new().build().unwrap()).unwrap().into();
    let model = step(linear(&first_device()), &mut optimizer);
    let before = optimizer.to_record();
    step(model.clone(), &mut optimizer);
    assert!(load_record(optimizer, before, &model).is_ok());
}

#[test]
fn a_parameter_without_a_state_starts_afresh() {
    let (model, _) = trained(&first_device(), nadam());
    let never_stepped = nadam().to_record();
    assert!(load_record(nadam(), never_stepped, &model).is_ok());
}

#[test]
fn the_record_of_another_optimizer_is_refused_with_both_names() {
    let device = first_device();
    let (model, adam) = trained(&device, AdamConfig::new().init().unwrap());
    let ours = "weight: the record is that of Adam (moment_1, moment_2), not of ";
    assert_eq!(
        mismatch(nadam(), adam.to_record(), &model).replace("bias:", "weight:"),
        format!("{ours}Nadam, variant schedule (moment_1, moment_2, momentum_product)")
    );
    assert_eq!(
        mismatch(SgdConfig::new().init().unwrap(), adam.to_record(), &model).replace("bias:", "weight:"),
        format!("{ours}Sgd (no state)")
    );
    let noisy = GradientNoiseConfig::new().wrap(AdamConfig::new().build().unwrap()).unwrap();
    assert_eq!(
        mismatch(noisy.into(), adam.to_record(), &model).replace("bias:", "weight:"),
        format!("{ours}GradientNoise around Adam (moment_1, moment_2)")
    );
    let burns = mismatch(burn::optim::AdamConfig::new().init(), adam.to_record(), &model);
    assert!(burns.contains("that of Adam (moment_1, moment_2), not of an optimizer ("), "{burns}");
}

#[test]
fn another_variant_with_other_state_is_refused() {
    let (model, plain) = trained(&first_device(), RmsPropConfig::pytorch().init().unwrap());
    let error = mismatch(RmsPropConfig::kao().init().unwrap(), plain.to_record(), &model);
    assert!(
        error.contains("that of RmsProp (") && error.contains("not of RmsProp, variant inside_buffer ("),
        "{error}"
    );
}

/// The same names of the same shapes mean something else: PyTorch's momentum would make the lecture's first step ten times too
/// far.
#[test]
fn another_variant_whose_state_means_something_else_is_refused_by_name() {
    type Start = fn() -> ModuleOptimizer;
    fn ema(averaging: impl Averaging) -> ModuleOptimizer {
        Averaged::new(averaging, AdamConfig::new().build().unwrap()).unwrap().into()
    }
    let cases: [(Start, Start, &str); 8] = [
        (
            || MomentumConfig::pytorch().init().unwrap(),
            || MomentumConfig::lecture().init().unwrap(),
            "Momentum, variant learning_rate_outside (velocity), not of Momentum, variant learning_rate_inside (velocity)",
        ),
        (
            || MomentumConfig::serra().init().unwrap(),
            || MomentumConfig::pytorch().init().unwrap(),
            "Momentum, variant mean (velocity), not of Momentum, variant learning_rate_outside (velocity)",
        ),
        (
            || NesterovConfig::kao().init().unwrap(),
            || NesterovConfig::pytorch().init().unwrap(),
            "Nesterov, variant change_of_variables (velocity), not of Nesterov, variant learning_rate_outside (velocity)",
        ),
        (
            || RmsPropConfig::kao().init().unwrap(),
            kao_outside,
            "variant inside_buffer (square_average, velocity), not of RmsProp, variant outside_buffer",
        ),
        (
            || AmsgradConfig::pytorch().init().unwrap(),
            || AmsgradConfig::optax().init().unwrap(),
            "variant raw_maximum (max_moment_2, moment_1, moment_2), not of Amsgrad, variant corrected_maximum",
        ),
        (
            || NadamConfig::optax().init().unwrap(),
            || NadamConfig::pytorch().init().unwrap(),
            "variant constant (moment_1, moment_2, momentum_product), not of Nadam, variant schedule",
        ),
        (
            || ema(EmaConfig::new()),
            || ema(LookaheadConfig::new()),
            "Ema around Adam (average, moment_1, moment_2), not of Lookahead around Adam (average, moment_1, moment_2)",
        ),
        (
            || {
                EmaConfig::new()
                    .wrap(LookaheadConfig::new().wrap(AdamConfig::new().build().unwrap()).unwrap())
                    .unwrap()
                    .into()
            },
            || {
                LookaheadConfig::new()
                    .wrap(EmaConfig::new().wrap(AdamConfig::new().build().unwrap()).unwrap())
                    .unwrap()
                    .into()
            },
            "Ema around Lookahead around Adam",
        ),
    ];
    for (written, read, expected) in cases {
        let (model, optimizer) = trained(&first_device(), written());
        let error = mismatch(read(), optimizer.to_record(), &model);
        assert!(error.contains(expected), "`{expected}` is not in: {error}");
        assert!(load_record(written(), optimizer.to_record(), &model).is_ok(), "{expected}");
    }
}

fn kao_outside() -> ModuleOptimizer {
    let config = RmsPropConfig::kao().with_learning_rate_placement(LearningRatePlacement::OutsideBuffer);
    config.init().unwrap()
}

/// Whether the wrapper's kind was known when the program was compiled or chosen at run time, its record is the same.
#[test]
fn a_wrapper_chosen_at_run_time_has_the_record_of_its_kind() {
    let transforms =
        WeightTransforms { inner: Some(WeightTransform::Ema(EmaConfig::new())), ..WeightTransforms::default() };
    let erased = || {
        let adam = ErasedOptimizer::new(AdamConfig::new().build().unwrap());
        transforms.wrap(adam).unwrap().init()
    };
    let typed = |averaging: EmaConfig| -> ModuleOptimizer {
        averaging.wrap(AdamConfig::new().build().unwrap()).unwrap().into()
    };
    let (model, optimizer) = trained(&first_device(), erased());
    assert!(load_record(typed(EmaConfig::new()), optimizer.to_record(), &model).is_ok());
    let (model, optimizer) = trained(&first_device(), typed(EmaConfig::new()));
    assert!(load_record(erased(), optimizer.to_record(), &model).is_ok());
    let lookahead: ModuleOptimizer = LookaheadConfig::new().wrap(AdamConfig::new().build().unwrap()).unwrap().into();
    let (model, optimizer) = trained(&first_device(), lookahead);
    let error = mismatch(erased(), optimizer.to_record(), &model);
    assert!(error.contains("that of Lookahead around Adam (") && error.contains("not of Ema around Adam ("), "{error}");
}

/// The record as version 1 had it: without variants and wrappers, and with `E[g²]` where the variance is now.
fn as_version_1(record: Bytes) -> OptimizerRecord {
    let reader = Reader::from_bytes(record).unwrap();
    let scalars = reader.scalars().clone();
    let parts = reader.into_tensors().unwrap().into_iter().map(|tensor| tensor.into_parts().unwrap());
    let parts: Vec<_> = parts.collect();
    let numbers = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
    };
    let tensors = parts.iter().map(|(name, dtype, shape, id, bytes)| {
        let mean = name.strip_suffix("square_average").map(|prefix| format!("{prefix}gradient_average"));
        let mean = mean.and_then(|mean| parts.iter().find(|part| part.0 == mean));
        let bytes = match mean {
            Some(mean) => {
                let squares = numbers(bytes).into_iter().zip(numbers(&mean.4)).map(|(v, m)| v + m * m);
                Bytes::from_bytes_vec(squares.flat_map(f32::to_le_bytes).collect())
            }
            None => bytes.clone(),
        };
        burn_pack::Tensor::new(name.clone(), *dtype, shape.clone(), *id, bytes)
    });
    let mut writer = Writer::new(tensors.collect());
    for (name, value) in scalars {
        let leaf = name.rsplit('.').next().unwrap_or(&name);
        if leaf.starts_with("variant_") || leaf.starts_with("wrapper_") {
            continue;
        }
        let value = if leaf.starts_with("optimizer_") { Scalar::UInt(1) } else { value };
        writer = writer.with_scalar(&name, value);
    }
    OptimizerRecord::from_bytes(writer.into_bytes().unwrap()).unwrap()
}

#[test]
fn a_record_of_version_1_is_read() {
    type Start = fn() -> ModuleOptimizer;
    let cases: [(&str, Start, f64); 5] = [
        ("momentum", || MomentumConfig::lecture().init().unwrap(), 0.0),
        ("nadam", nadam, 0.0),
        ("ema", averaged_nadam, 0.0),
        ("noise", || GradientNoiseConfig::new().wrap(AdamConfig::new().build().unwrap()).unwrap().into(), 0.0),
        // The variance comes back from a difference.
        ("centered", || RmsPropConfig::graves().init().unwrap(), 1e-5),
    ];
    for (name, start, tolerance) in cases {
        let (model, mut unbroken) = trained(&first_device(), start());
        let record = as_version_1(unbroken.into_bytes().unwrap());
        let mut resumed = load_record(start(), record, &model).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut one, mut other) = (model.clone(), model);
        for _ in 0..3 {
            one = step(one, &mut unbroken);
            other = step(other, &mut resumed);
        }
        let apart = deviation(&values(&other.weight.val()), &values(&one.weight.val()));
        assert!(apart <= tolerance, "{name}: {apart:e}");
    }
}

/// A record of parameters with the same numbers but another shape or rank.
#[test]
fn another_shape_or_rank_is_refused() {
    fn check<const D: usize>(shape: [usize; D], expected: &str) {
        let device = first_device();
        let model = linear(&device);
        let other = Param::initialized(model.weight.id, Tensor::<D>::ones(shape, &device.autodiff()).require_grad());
        let mut optimizer = MomentumConfig::new().init().unwrap();
        let mut gradients = GradientsParams::new();
        gradients.register(other.id, other.val().inner());
        optimizer.step(0.1, other, gradients);
        let error = mismatch(MomentumConfig::new().init().unwrap(), optimizer.to_record(), &model);
        assert_eq!(error, format!("weight: the state `velocity` has shape {expected}, its parameter [3, 2]"));
    }
    check([2, 3], "[2, 3]");
    check([6], "[6]");
    check([3, 2, 1], "[3, 2, 1]");
}

#[test]
fn noise_of_a_parameter_that_joins_late_is_that_of_the_unbroken_run() {
    let device = first_device().autodiff();
    let noisy =
        || -> ModuleOptimizer { GradientNoiseConfig::new().wrap(SgdConfig::new().build().unwrap()).unwrap().into() };
    let model = linear(&first_device());
    let (weight, bias) = (model.weight.id, model.bias.as_ref().expect("a bias").id);
    let step = |model: Linear, optimizer: &mut ModuleOptimizer, both: bool| {
        let mut gradients = GradientsParams::new();
        gradients.register(weight, Tensor::<2>::ones([3, 2], &device.clone().inner()));
        if both {
            gradients.register(bias, Tensor::<1>::ones([2], &device.clone().inner()));
        }
        optimizer.step(0.1, model, gradients)
    };
    let mut unbroken = noisy();
    let model = step(model, &mut unbroken, false);
    let mut resumed = load_record(noisy(), unbroken.to_record(), &model).expect("the record fits");
    let [one, other] = [&mut unbroken, &mut resumed].map(|optimizer| step(model.clone(), optimizer, true));
    let bias = |model: Linear| values(&model.bias.expect("a bias").val());
    assert!(same_bits(&bias(one), &bias(other)));
}

#[test]
fn a_parameter_that_the_module_lacks_is_named() {
    let device = first_device();
    let (model, optimizer) = trained(&device, nadam());
    let foreign = linear(&device);
    let error = load_record(nadam(), optimizer.to_record(), &foreign).err();
    let ids = [model.weight.id.val(), model.bias.expect("a bias").id.val()];
    assert!(matches!(error, Some(RecordMismatch::Parameter(id)) if ids.contains(&id)), "{error:?}");
}

#[test]
fn another_version_is_refused_by_number() {
    for nadam in [nadam, averaged_nadam] {
        another_version(nadam);
    }
}

fn averaged_nadam() -> ModuleOptimizer {
    EmaConfig::new().wrap(NadamConfig::new().build().unwrap()).unwrap().into()
}

fn another_version(nadam: fn() -> ModuleOptimizer) {
    let (model, optimizer) = trained(&first_device(), nadam());
    let reader = Reader::from_bytes(optimizer.into_bytes().unwrap()).unwrap();
    let scalars = reader.scalars().clone();
    let mut writer = Writer::new(reader.into_tensors().unwrap());
    for (name, value) in scalars {
        let value = if name.ends_with(".optimizer_Nadam") { Scalar::UInt(7) } else { value };
        writer = writer.with_scalar(&name, value);
    }
    let record = OptimizerRecord::from_bytes(writer.into_bytes().unwrap()).unwrap();
    let error = mismatch(nadam(), record, &model).replace("bias:", "weight:");
    assert_eq!(error, "weight: the record of Nadam has version 7, this is version 2");
}

/// A file that was taken for another is told, and no fresh start.
#[test]
fn records_of_other_things_are_refused() {
    let device = Device::flex().autodiff();
    let model = LinearConfig::new(2, 1).init(&device);
    let optimizer = || AdamConfig::new().init().expect("in range");
    let of_model = model.clone().into_record().into_bytes().expect("a record");
    let schedule: Schedule = "cosine".parse().expect("a schedule");
    let length = RunLength { epochs: 2, steps_per_epoch: 3 };
    let scheduler = ModuleLrScheduler::new(schedule.scheduler(0.1, length).expect("in range"));
    let of_schedule = scheduler.to_record().into_bytes().expect("a record");
    for (what, bytes) in [("model", of_model), ("schedule", of_schedule)] {
        let record = OptimizerRecord::from_bytes(bytes.clone()).expect("a record of some kind");
        let error = load_record(optimizer(), record, &model).err().unwrap_or_else(|| panic!("{what} was loaded"));
        let expected = if what == "model" { "holds no optimizer's state" } else { "the module does not have" };
        assert!(error.to_string().contains(expected), "{what}: {error}");
        assert!(check_record(&optimizer(), bytes, &model).is_err(), "{what}");
    }
    // One that has taken no step has no state, and is no mistake.
    load_record(optimizer(), optimizer().to_record(), &model).expect("an empty record");
}
