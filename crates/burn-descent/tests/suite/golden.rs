//! Trajectories of PyTorch, optax and the papers' formulas, reproduced.
//!
//! `golden/first_order.json` holds them, `golden/generate.py` made them.

use crate::common::{Trainee, cpu_devices, deviation, vector};
use burn::optim::ModuleOptimizer;
use burn::tensor::DType;
use burn_descent::ConfigError;
use burn_descent::optim::{
    AdabeliefConfig, AdadeltaConfig, AdagradConfig, AdamConfig, AdamaxConfig, AdanConfig, AdanDecay, AmsgradConfig,
    AmsgradForm, AsgdConfig, Epsilon, LionConfig, MomentumConfig, MomentumForm, NadamConfig, NadamForm, NesterovConfig,
    NormalizedGradientConfig, RadamConfig, RmsPropConfig, RmsPropMomentum, RpropConfig, ScheduleFreeAdamwConfig,
    ScheduleFreeSgdConfig, SgdConfig, WeightDecay, YogiConfig,
};
use serde_json::Value;

/// The configuration that should reproduce each golden case.
fn optimizer(name: &str) -> Result<ModuleOptimizer, ConfigError> {
    let wide_amsgrad = AmsgradConfig::pytorch().with_beta_1(0.8).with_beta_2(0.95).with_epsilon(Epsilon::Outside(1e-4));
    let wide_adam = AdamConfig::pytorch().with_beta_1(0.8).with_beta_2(0.95).with_epsilon(Epsilon::Outside(1e-4));
    let wide_nadam = NadamConfig::pytorch()
        .with_beta_1(0.8)
        .with_beta_2(0.95)
        .with_epsilon(Epsilon::Outside(1e-4))
        .with_form(NadamForm::Schedule { momentum_decay: 0.02 });
    let wide_adan = AdanConfig::new().with_beta_1(0.9).with_beta_2(0.6).with_beta_3(0.95).with_epsilon(1e-4);
    let nesterov = RmsPropMomentum::Nesterov(0.9);
    let classical = RmsPropMomentum::Classical(0.9);
    let centered = true;
    let l2 = |lambda| Some(WeightDecay::L2(lambda));
    let decoupled = |lambda| Some(WeightDecay::Decoupled(lambda));
    match name {
        "adadelta_torch" => AdadeltaConfig::pytorch().init(),
        "adadelta_torch_rho95" => AdadeltaConfig::zeiler().with_epsilon(1e-4).init(),
        "adadelta_torch_l2" => AdadeltaConfig::pytorch().with_weight_decay(l2(0.01)).init(),
        "adadelta_torch_decoupled" => AdadeltaConfig::pytorch().with_weight_decay(decoupled(0.01)).init(),
        "adadelta_optax" => AdadeltaConfig::optax().init(),
        "adadelta_preliminary" => AdadeltaConfig::preliminary().init(),
        "amsgrad_torch" => AmsgradConfig::pytorch().init(),
        "amsgrad_torch_betas" => wide_amsgrad.init(),
        "amsgrad_torch_l2" => AmsgradConfig::pytorch().with_weight_decay(l2(0.05)).init(),
        "amsgrad_torch_decoupled" => AmsgradConfig::pytorch().with_weight_decay(decoupled(0.1)).init(),
        "amsgrad_optax" => AmsgradConfig::optax().init(),
        "amsgrad_lecture" => AmsgradConfig::lecture().init(),
        "amsgrad_lecture_inside" => {
            AmsgradConfig::new().with_form(AmsgradForm::Uncorrected).with_epsilon(Epsilon::Inside(1e-6)).init()
        }
        "nadam_torch" => NadamConfig::pytorch().init(),
        "nadam_torch_betas" => wide_nadam.init(),
        "nadam_torch_l2" => NadamConfig::pytorch().with_weight_decay(l2(0.1)).init(),
        "nadam_torch_decoupled" => NadamConfig::pytorch().with_weight_decay(decoupled(0.1)).init(),
        "nadam_optax" => NadamConfig::optax().init(),
        "nadam_dozat" => NadamConfig::dozat().init(),
        "nadam_lecture" => NadamConfig::lecture().init(),
        "nadamw_algoperf_optax" => NadamConfig::algoperf().init(),
        "rmsprop_torch" => RmsPropConfig::pytorch().init(),
        "rmsprop_torch_momentum" => RmsPropConfig::pytorch().with_momentum(classical).init(),
        "rmsprop_torch_centered" => RmsPropConfig::pytorch().with_centered(centered).init(),
        "rmsprop_torch_centered_momentum" => RmsPropConfig::pytorch()
            .with_decay(0.9)
            .with_epsilon(Epsilon::Outside(1e-4))
            .with_momentum(classical)
            .with_centered(centered)
            .init(),
        "rmsprop_torch_l2" => {
            RmsPropConfig::pytorch().with_momentum(RmsPropMomentum::Classical(0.5)).with_weight_decay(l2(0.05)).init()
        }
        "rmsprop_optax" => RmsPropConfig::optax().init(),
        "rmsprop_optax_outside" => RmsPropConfig::optax().with_epsilon(Epsilon::Outside(1e-8)).init(),
        "rmsprop_optax_momentum" => RmsPropConfig::optax().with_momentum(classical).init(),
        "rmsprop_optax_nesterov" => RmsPropConfig::optax().with_momentum(nesterov).init(),
        "rmsprop_optax_centered" => RmsPropConfig::optax().with_centered(centered).init(),
        "rmsprop_optax_centered_nesterov" => {
            RmsPropConfig::optax().with_centered(centered).with_momentum(nesterov).init()
        }
        "rmsprop_kao_momentum" => RmsPropConfig::kao().init(),
        "rmsprop_kao_inside" => {
            RmsPropConfig::kao().with_momentum(RmsPropMomentum::None).with_epsilon(Epsilon::Inside(1e-7)).init()
        }
        "rmsprop_kao_nesterov" => RmsPropConfig::kao().with_momentum(nesterov).init(),
        "rmsprop_rud" => RmsPropConfig::ruder().init(),
        "sgd_torch" => SgdConfig::new().init(),
        "sgd_torch_momentum" => MomentumConfig::pytorch().init(),
        "sgd_torch_nesterov" => NesterovConfig::pytorch().init(),
        "sgd_torch_dampening" => {
            MomentumConfig::new().with_form(MomentumForm::LearningRateOutside { dampening: 0.1 }).init()
        }
        "sgd_torch_l2" => MomentumConfig::pytorch().with_weight_decay(l2(0.05)).init(),
        "momentum_lecture" => MomentumConfig::lecture().with_momentum(0.8).init(),
        "momentum_serra" => MomentumConfig::serra().with_momentum(0.98).init(),
        "nesterov_kao" => NesterovConfig::kao().with_momentum(0.8).init(),
        "normalized_gradient" => NormalizedGradientConfig::new().with_epsilon(1e-2).init(),
        "adagrad_torch" => AdagradConfig::pytorch().init(),
        "adagrad_torch_decays" => AdagradConfig::pytorch()
            .with_epsilon(Epsilon::Outside(1e-3))
            .with_lr_decay(0.1)
            .with_initial_sum(0.5)
            .init(),
        "adagrad_torch_l2" => AdagradConfig::pytorch().with_weight_decay(l2(0.05)).init(),
        "adagrad_optax" => AdagradConfig::optax().init(),
        "adagrad_ruder" => AdagradConfig::ruder().init(),
        "adam_torch" => AdamConfig::pytorch().init(),
        "adam_torch_betas" => wide_adam.init(),
        "adam_torch_l2" => AdamConfig::pytorch().with_weight_decay(l2(0.05)).init(),
        "adam_torch_decoupled" => AdamConfig::adamw().with_weight_decay(decoupled(0.1)).init(),
        "adam_optax_inside" => AdamConfig::new().with_beta_2(0.99).with_epsilon(Epsilon::Inside(1e-6)).init(),
        "adam_kao" => AdamConfig::kao().init(),
        "adamax_torch" => AdamaxConfig::pytorch().init(),
        "adamax_torch_betas" => AdamaxConfig::new().with_beta_1(0.8).with_beta_2(0.95).with_epsilon(1e-4).init(),
        "adamax_torch_l2" => AdamaxConfig::pytorch().with_weight_decay(l2(0.05)).init(),
        "adamax_optax" => AdamaxConfig::new().with_beta_2(0.99).init(),
        "radam_torch" => RadamConfig::pytorch().init(),
        "radam_torch_betas" => {
            RadamConfig::new().with_beta_1(0.8).with_beta_2(0.95).with_epsilon(Epsilon::Outside(1e-4)).init()
        }
        "radam_torch_l2" => RadamConfig::new().with_weight_decay(l2(0.05)).init(),
        "radam_torch_decoupled" => RadamConfig::new().with_weight_decay(decoupled(0.1)).init(),
        "radam_optax" => RadamConfig::optax().init(),
        "yogi_optax" => YogiConfig::optax().init(),
        "yogi_paper" => YogiConfig::new().with_beta_2(0.99).init(),
        "adabelief_optax" => AdabeliefConfig::new().with_epsilon(1e-8).init(),
        "rprop_torch" => RpropConfig::pytorch().init(),
        "rprop_torch_bounds" => {
            RpropConfig::new().with_eta_minus(0.4).with_eta_plus(1.5).with_min_step(1e-2).with_max_step(0.3).init()
        }
        "asgd_torch" => AsgdConfig::pytorch().init(),
        "asgd_torch_fast" => AsgdConfig::new().with_lambda(0.05).with_alpha(0.6).with_weight_decay(l2(0.01)).init(),
        "schedule_free_sgd_optax" => ScheduleFreeSgdConfig::optax().init(),
        "schedule_free_sgd_optax_decay" => {
            ScheduleFreeSgdConfig::new().with_beta(0.8).with_weight_decay(decoupled(0.05)).init()
        }
        "schedule_free_adamw_optax" => ScheduleFreeAdamwConfig::optax().init(),
        "schedule_free_adamw_optax_decay" => ScheduleFreeAdamwConfig::new()
            .with_beta_1(0.95)
            .with_beta_2(0.99)
            .with_epsilon(Epsilon::Outside(1e-4))
            .with_weight_decay(decoupled(0.1))
            .init(),
        "lion_torch" => LionConfig::new().with_weight_decay(decoupled(0.1)).init(),
        "lion_optax" => LionConfig::optax().init(),
        "lion_optax_betas" => LionConfig::burn().with_beta_1(0.5).with_beta_2(0.8).init(),
        "adan_torch" => AdanConfig::new().init(),
        "adan_torch_betas" => wide_adan.with_weight_decay(decoupled(0.3)).init(),
        "adan_torch_proximal" => AdanConfig::burn().with_weight_decay(decoupled(0.5)).init(),
        "adan_torch_no_prox" => {
            AdanConfig::new().with_decay(AdanDecay::BeforeStep).with_weight_decay(decoupled(0.5)).init()
        }
        "adan_optax" => AdanConfig::optax().init(),
        "adan_optax_decay" => AdanConfig::optax()
            .with_beta_1(0.9)
            .with_beta_2(0.6)
            .with_beta_3(0.95)
            .with_epsilon(1e-4)
            .with_epsilon_root(1e-6)
            .with_weight_decay(decoupled(0.1))
            .init(),
        name => panic!("no configuration for the golden case `{name}`"),
    }
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/first_order.json")).expect("the golden file is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|value| value.as_f64().expect("a number")).collect()
}

/// Replays every case on every CPU backend in one precision.
fn replay(dtype: DType, tolerance_key: &str) {
    let golden = golden();
    let tolerance = golden["tolerance"][tolerance_key].as_f64().expect("a tolerance");
    let gradients: Vec<Vec<f64>> = golden["gradients"].as_array().expect("gradients").iter().map(numbers).collect();
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() >= 85, "the golden file should hold every variant, but holds {}", cases.len());
    for (backend, device) in cpu_devices() {
        for case in cases {
            let name = case["name"].as_str().expect("a name");
            let lr = case["lr"].as_f64().expect("a learning rate");
            let theta = vector(&numbers(&golden["theta"]), &device, dtype);
            let mut trainee = Trainee::new(optimizer(name).expect("a valid configuration"), theta);
            let mut compared = 0;
            for (index, gradient) in gradients.iter().enumerate() {
                trainee.step(lr, vector(gradient, &device, dtype));
                let expected = &case["trajectory"][(index + 1).to_string()];
                if expected.is_null() {
                    continue;
                }
                let deviation = deviation(&trainee.values(), &numbers(expected));
                assert!(
                    deviation <= tolerance,
                    "{name} on {backend} in {dtype:?}, step {}: deviation {deviation:e} is above {tolerance:e}",
                    index + 1
                );
                compared += 1;
            }
            assert!(compared >= 8, "{name}: only {compared} steps were compared");
        }
    }
}

#[test]
fn f64_trajectories_agree() {
    replay(DType::F64, "f64");
}

#[test]
fn f32_trajectories_agree() {
    replay(DType::F32, "f32");
}
