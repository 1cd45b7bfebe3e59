//! What a record is refused for, and that one which fits is taken as it is.

use crate::common::{cpu_devices, same_bits, values};
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_descent::gradient::GradientNoiseConfig;
use burn_descent::optim::{
    AdamConfig, AmsgradConfig, MomentumConfig, NadamConfig, RecordMismatch, ScheduleFreeSgdConfig, SgdConfig,
    load_record,
};
use burn_descent::weights::{EmaConfig, SwaConfig};
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
        format!("{ours}Nadam (moment_1, moment_2, momentum_product)")
    );
    assert_eq!(
        mismatch(SgdConfig::new().init().unwrap(), adam.to_record(), &model).replace("bias:", "weight:"),
        format!("{ours}Sgd (no state)")
    );
    let noisy = GradientNoiseConfig::new().wrap(AdamConfig::new().build().unwrap()).unwrap();
    assert_eq!(
        mismatch(noisy.into(), adam.to_record(), &model).replace("bias:", "weight:"),
        format!("{ours}Adam (moment_1, moment_2, noise_parameter, noise_time)")
    );
    let burns = mismatch(burn::optim::AdamConfig::new().init(), adam.to_record(), &model);
    assert!(burns.contains("that of Adam (moment_1, moment_2), not of an optimizer ("), "{burns}");
}

#[test]
fn another_variant_with_other_state_is_refused() {
    let (model, plain) = trained(&first_device(), burn_descent::optim::RmsPropConfig::pytorch().init().unwrap());
    let error = mismatch(burn_descent::optim::RmsPropConfig::kao().init().unwrap(), plain.to_record(), &model);
    assert!(error.contains("that of RmsProp (") && error.contains("not of RmsProp ("), "{error}");
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
    assert_eq!(error, "weight: the record of Nadam has version 7, this is version 1");
}

#[test]
fn a_modules_record_is_no_optimizers() {
    let model = linear(&first_device());
    let record: ModuleRecord = model.clone().into_record();
    let record = OptimizerRecord::from_bytes(record.into_bytes().unwrap()).unwrap();
    // It has nothing that an optimizer's record has, and no name that could be taken for one.
    assert!(load_record(nadam(), record, &model).is_ok_and(|optimizer| optimizer.to_record().is_empty()));
}
