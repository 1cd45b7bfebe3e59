//! The fused pass against the tensor operations, for every rule, and who may see its writes.
#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

use super::backend::CpuBackend;
use super::{Step, run, tensor};
use crate::optim::{
    AdabeliefConfig, AdadeltaConfig, AdadeltaForm, AdagradConfig, AdamConfig, AdamaxConfig, AdanConfig, AdanForm,
    AmsgradConfig, AmsgradForm, AsgdConfig, BiasCorrection, Epsilon, LearningRatePlacement, LionConfig, MomentumConfig,
    NadamConfig, NadamForm, NesterovConfig, NormalizedGradientConfig, RadamConfig, RmsPropConfig, RmsPropMomentum,
    RpropConfig, ScheduleFreeAdamwConfig, ScheduleFreeSgdConfig, SgdConfig, YogiConfig,
};
use crate::rule::{DecayStep, Rule, WeightDecay};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::fmt::Debug;

fn devices() -> Vec<Device> {
    vec![
        #[cfg(feature = "flex")]
        Device::flex(),
        #[cfg(feature = "ndarray")]
        Device::ndarray(),
    ]
}

/// Calls the function for every rule in every variant. Miri, which takes minutes for each, sees one of each number of states,
/// by which the pass differs.
macro_rules! for_every_rule {
    ($check:ident) => {{
        if cfg!(miri) {
            $check(SgdConfig::new());
            $check(MomentumConfig::pytorch());
            $check(AdamConfig::new());
            $check(AmsgradConfig::new());
            return;
        }
        for form in [AdadeltaForm::Units, AdadeltaForm::Preliminary] {
            $check(AdadeltaConfig::new().with_form(form));
        }
        for epsilon in [Epsilon::Inside(1e-6), Epsilon::Outside(1e-6)] {
            for form in
                [AmsgradForm::MaximumThenCorrection, AmsgradForm::CorrectionThenMaximum, AmsgradForm::Uncorrected]
            {
                $check(AmsgradConfig::new().with_form(form).with_epsilon(epsilon));
            }
            let (schedule, dozat) =
                (NadamForm::Schedule { momentum_decay: 0.1 }, NadamForm::Dozat { momentum_decay: 0.1 });
            for form in [schedule, dozat, NadamForm::Constant, NadamForm::Lecture] {
                $check(NadamConfig::new().with_form(form).with_epsilon(epsilon));
            }
            for momentum in [RmsPropMomentum::None, RmsPropMomentum::Classical(0.9), RmsPropMomentum::Nesterov(0.9)] {
                for velocity in [LearningRatePlacement::InsideBuffer, LearningRatePlacement::OutsideBuffer] {
                    for centering in [false, true] {
                        let config = RmsPropConfig::new().with_epsilon(epsilon).with_momentum(momentum);
                        $check(config.with_learning_rate_placement(velocity).with_centered(centering));
                    }
                }
            }
            $check(AdagradConfig::new().with_epsilon(epsilon).with_initial_sum(0.1).with_lr_decay(0.1));
            for correction in [BiasCorrection::Corrected, BiasCorrection::Uncorrected] {
                $check(AdamConfig::new().with_epsilon(epsilon).with_bias_correction(correction));
            }
        }
        $check(SgdConfig::new());
        for form in [MomentumConfig::pytorch(), MomentumConfig::lecture(), MomentumConfig::serra()] {
            $check(form);
        }
        $check(NesterovConfig::pytorch());
        $check(NesterovConfig::kao());
        $check(NormalizedGradientConfig::new());
        $check(AdamaxConfig::new());
        $check(RadamConfig::new());
        $check(YogiConfig::optax());
        $check(AdabeliefConfig::new());
        $check(LionConfig::new());
        for form in [AdanForm::Paper, AdanForm::Optax] {
            $check(AdanConfig::new().with_form(form).with_weight_decay(Some(WeightDecay::Decoupled(0.1))));
        }
        $check(RpropConfig::new());
        $check(AsgdConfig::new());
        $check(ScheduleFreeSgdConfig::new());
        $check(ScheduleFreeAdamwConfig::new());
    }};
}

/// Long enough for full registers of any width and a remainder.
const SHAPE: [usize; 2] = if cfg!(miri) { [3, 7] } else { [7, 19] };

/// Values of both signs and many magnitudes, among them 0.
fn scattered(seed: usize, device: &Device, dtype: DType) -> Tensor<2> {
    let value = |index: usize| {
        let number = (index * 37 + seed * 101) % 211;
        if number.is_multiple_of(10) { 0.0 } else { (number as f64 - 105.0) * 10_f64.powi((number % 7) as i32 - 5) }
    };
    let len = SHAPE.iter().product();
    Tensor::from_data(TensorData::new((0..len).map(value).collect::<Vec<_>>(), SHAPE), (device, dtype))
}

fn values(tensor: &Tensor<2>) -> Vec<f64> {
    tensor.to_data().convert::<f64>().try_into_vec().expect("values convert to f64")
}

/// Same bits, or both not a number: the sign and the payload of a NaN mean nothing.
fn same(x: &[f64], y: &[f64]) -> bool {
    x.iter().zip(y).all(|(x, y)| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()))
}

/// Equal numbers, or both not a number. A pass takes the same operations in the same order as the tensors do, so that small
/// numbers agree as exactly as large ones.
fn equal(x: &[f64], y: &[f64]) -> bool {
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x == y || (x.is_nan() && y.is_nan()))
}

fn step<R: Rule<N>, const N: usize>(
    rule: &R,
    lr: f64,
    time: u64,
    scalar_state: &mut [f64],
    decay: DecayStep,
) -> Step<R, N> {
    Step { coefficients: rule.coefficients(lr, time, scalar_state), rule: rule.clone(), decay }
}

/// What a rule carries before its first step.
fn starts<R: Rule<N>, const N: usize>() -> Vec<f64> {
    R::SCALAR_STATE.iter().map(|(_, start)| *start).collect()
}

/// A state that has seen some gradients: never below 0, as an average of squares must be.
fn some_state<R: Rule<N>, const N: usize>(rule: &R, device: &Device, dtype: DType) -> [Option<Tensor<2>>; N] {
    let mut seed = 50;
    rule.state_in_use().map(|kept| {
        seed += 1;
        kept.then(|| scattered(seed, device, dtype).abs())
    })
}

/// Takes five steps by both ways, which have to come to the same.
fn both_ways<R: Rule<N> + Debug, const N: usize>(rule: &R, gradient: impl Fn(usize, &Device, DType) -> Tensor<2>) {
    for device in devices() {
        for dtype in [DType::F32, DType::F64] {
            for decay in [None, Some(WeightDecay::L2(0.1)), Some(WeightDecay::Decoupled(0.1))] {
                let theta = scattered(1, &device, dtype);
                let state = std::array::from_fn(|_| None);
                let (mut fused, mut plain) = ((theta.clone(), state.clone()), (theta, state));
                let mut scalar_state = starts::<R, N>();
                for time in 1..=5 {
                    let lr = 0.1 / time as f64;
                    let step = step(rule, lr, time, &mut scalar_state, DecayStep::new(decay, lr, R::ADDITIVE));
                    let g = gradient(time as usize + 1, &device, dtype);
                    fused = run(&step, fused.0, g.clone(), fused.1);
                    let zeros = || Some(tensor::zero_state(&plain.0));
                    let mut keeps = rule.state_in_use().into_iter();
                    let state = plain.1.map(|tensor| keeps.next().unwrap().then(|| tensor.or_else(zeros)).flatten());
                    plain = tensor::run(&step, plain.0, g, state);
                    let results = |(theta, state): &(Tensor<2>, [Option<Tensor<2>>; N])| {
                        state.iter().flatten().chain([theta]).map(values).collect::<Vec<_>>()
                    };
                    for (fused, plain) in results(&fused).iter().zip(results(&plain)) {
                        assert!(
                            equal(fused, &plain),
                            "{rule:?} on {device:?} in {dtype:?} with {decay:?}, step {time}: {fused:?}, not {plain:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_fused_pass_equals_the_tensor_operations() {
    fn check<R: Rule<N> + Debug, const N: usize>(rule: R) {
        both_ways(&rule, scattered);
    }
    for_every_rule!(check);
}

#[test]
fn the_fused_pass_equals_the_tensor_operations_on_infinities_and_nan() {
    fn spoiled(seed: usize, device: &Device, dtype: DType) -> Tensor<2> {
        let mut spoiled = values(&scattered(seed, device, dtype));
        for (index, value) in [(3, f64::INFINITY), (40, f64::NEG_INFINITY), (77, f64::NAN), (132, f64::NAN)] {
            // Not at every step: a maximum, say, can recover.
            if seed.is_multiple_of(2) {
                spoiled[index] = value;
            }
        }
        Tensor::from_data(TensorData::new(spoiled, SHAPE), (device, dtype))
    }
    fn check<R: Rule<N> + Debug, const N: usize>(rule: R) {
        both_ways(&rule, spoiled);
    }
    for_every_rule!(check);
}

#[test]
fn the_fused_pass_equals_the_tensor_operations_on_the_largest_and_smallest_numbers() {
    fn extreme(seed: usize, device: &Device, dtype: DType) -> Tensor<2> {
        let single = [0.0, 1e-45, 1e-38, 1e-30, 1e-22, 1e15, 2e19, 1e20, 1e22, 1e30, f64::from(f32::MAX)];
        let double = [0.0, 5e-324, 1e-300, 1e-160, 1e-22, 1e20, 2e153, 1e160, 1e300, f64::MAX, 1.0];
        let magnitudes = if dtype == DType::F64 { double } else { single };
        let value = |index: usize| {
            let sign = if (index + seed).is_multiple_of(3) { -1.0 } else { 1.0 };
            sign * magnitudes[(index + seed / 3) % magnitudes.len()]
        };
        let len = SHAPE.iter().product();
        Tensor::from_data(TensorData::new((0..len).map(value).collect::<Vec<_>>(), SHAPE), (device, dtype))
    }
    fn check<R: Rule<N> + Debug, const N: usize>(rule: R) {
        both_ways(&rule, extreme);
    }
    for_every_rule!(check);
}

/// What makes it right to take a decay of the weights off together with the rule's own step.
#[test]
fn additive_rules_move_by_a_step_that_does_not_depend_on_the_parameter() {
    fn check<R: Rule<N> + Debug, const N: usize>(rule: R) {
        if !R::ADDITIVE {
            return;
        }
        let device = devices().remove(0);
        let step = step(&rule, 0.1, 2, &mut starts::<R, N>(), DecayStep::None);
        let (theta, g) = (scattered(1, &device, DType::F64), scattered(2, &device, DType::F64));
        let state = || some_state(&rule, &device, DType::F64);
        let (from_theta, _) = run(&step, theta.clone(), g.clone(), state());
        let (from_zero, _) = run(&step, theta.zeros_like(), g, state());
        let gap = values(&(from_theta - (theta + from_zero))).into_iter().fold(0.0, |gap: f64, x| gap.max(x.abs()));
        assert!(gap < 1e-9, "{rule:?}: {gap:e}");
    }
    for_every_rule!(check);
}

/// Where the result goes depends on who else holds θ and g. What it is does not, nor do the others see it.
#[test]
fn a_step_writes_to_nothing_that_is_shared() {
    fn check<R: Rule<N> + Debug, const N: usize>(rule: R) {
        for device in devices() {
            for dtype in [DType::F32, DType::F64] {
                let step = step(&rule, 0.1, 3, &mut starts::<R, N>(), DecayStep::Penalize(0.1));
                let (theta, g) = (|| scattered(1, &device, dtype), || scattered(2, &device, dtype));
                let state = || some_state(&rule, &device, dtype);
                let (expected, expected_state) = run(&step, theta(), g(), state());
                for (hold_theta, hold_g, hold_state) in
                    [(true, false, false), (false, true, false), (true, true, false), (true, true, true)]
                {
                    let (theta, g, state) = (theta(), g(), state());
                    let held_theta = hold_theta.then(|| theta.clone());
                    let held_g = hold_g.then(|| g.clone());
                    let held_state = hold_state.then(|| state.clone());
                    let case = format!("{rule:?} on {device:?}, held: {hold_theta}, {hold_g}, {hold_state}");
                    let (found, found_state) = run(&step, theta, g, state);
                    assert!(same(&values(&found), &values(&expected)), "{case}");
                    for (found, expected) in found_state.iter().flatten().zip(expected_state.iter().flatten()) {
                        assert!(same(&values(found), &values(expected)), "{case}: state");
                    }
                    let untouched = [(held_theta, 1), (held_g, 2)]
                        .into_iter()
                        .chain(held_state.into_iter().flatten().enumerate().map(|(index, held)| (held, 51 + index)));
                    for (held, seed) in untouched {
                        let Some(held) = held else { continue };
                        let before = scattered(seed, &device, dtype);
                        let before = if seed > 50 { before.abs() } else { before };
                        assert!(same(&values(&held), &values(&before)), "{case}: a held tensor has changed");
                    }
                }
            }
        }
    }
    for_every_rule!(check);
}

#[test]
fn a_gradient_that_is_the_parameter_itself_is_read_before_it_is_written() {
    for device in devices() {
        let step = step(&SgdConfig::new(), 0.25, 1, &mut [], DecayStep::None);
        let theta = scattered(1, &device, DType::F64);
        let expected: Vec<f64> = values(&theta).into_iter().map(|theta| theta - 0.25 * theta).collect();
        let (found, _) = run(&step, theta.clone(), theta, []);
        assert!(same(&values(&found), &expected));
    }
}

#[test]
fn the_cpu_backends_run_fused_in_single_and_double_precision() {
    for device in devices() {
        let of = |theta, grad| {
            let tensor = |dtype| Tensor::<1>::zeros([4], (&device, dtype));
            CpuBackend::of(&tensor(theta), [&tensor(grad), &tensor(theta)]).is_some()
        };
        assert!(of(DType::F32, DType::F32) && of(DType::F64, DType::F64));
        assert!(!of(DType::F32, DType::F64) && !of(DType::F64, DType::F32));
    }
}

#[test]
#[should_panic(expected = "the gradient should have its parameter's shape")]
fn a_gradient_of_another_shape_is_refused() {
    let device = devices().remove(0);
    let step = step(&SgdConfig::new(), 0.1, 1, &mut [], DecayStep::None);
    run(&step, Tensor::<1>::zeros([4], &device), Tensor::zeros([3], &device), []);
}

#[test]
#[should_panic(expected = "the state `velocity` should have its parameter's shape")]
fn a_state_of_another_shape_is_refused() {
    let device = devices().remove(0);
    let rule = MomentumConfig::new();
    let step = step(&rule, 0.1, 1, &mut [], DecayStep::None);
    let state = [Some(Tensor::zeros([3], &device))];
    run(&step, Tensor::<1>::zeros([4], &device), Tensor::zeros([4], &device), state);
}

/// What stands in the place of a state that is not in use has another shape, and so must not be used.
#[test]
fn a_state_that_is_not_in_use_is_not_used() {
    fn check<R: Rule<N> + Debug, const N: usize>(rule: R) {
        for device in devices() {
            let step = step(&rule, 0.1, 1, &mut starts::<R, N>(), DecayStep::None);
            let (theta, g) = (scattered(1, &device, DType::F64), scattered(2, &device, DType::F64));
            let (expected, _) = run(&step, theta.clone(), g.clone(), std::array::from_fn(|_| None));
            // NaN where a state is not in use.
            let nan = || Tensor::full(SHAPE, f64::NAN, (&device, DType::F64));
            let mut in_use = rule.state_in_use().into_iter();
            let state = std::array::from_fn(|_| if in_use.next() == Some(true) { theta.zeros_like() } else { nan() });
            let (found, _) = rule.update(&step.coefficients, theta, g, state);
            assert!(equal(&values(&found), &values(&expected)), "{rule:?}");
        }
    }
    for_every_rule!(check);
}
