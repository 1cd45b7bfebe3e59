//! What a step allocates: nothing the size of a tensor, once the state is there.

#[path = "suite/common.rs"]
mod common;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Distribution, Tensor};
use burn_descent::optim::{AdadeltaConfig, AmsgradConfig, NadamConfig, RmsPropConfig, RmsPropMomentum, SgdConfig};
use common::cpu_devices;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counting.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is the system's allocator's; counting changes nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Module, Debug)]
struct Model {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// As in Burn's `Learner`, the model before the step is alive while it runs; as after a backward pass, nobody else holds the
/// gradients. Parameters, gradients and state are there before the step, and nothing of their size comes to them in it.
#[test]
fn a_step_allocates_nothing_the_size_of_a_tensor() {
    const SIDE: usize = 1000;
    const SMALL: usize = SIDE * SIDE * size_of::<f32>() / 50;
    for (backend, device) in cpu_devices() {
        let momentum = RmsPropMomentum::Classical(0.9);
        for (name, optimizer) in [
            ("Sgd", SgdConfig::new().init()),
            ("RmsProp", RmsPropConfig::new().with_momentum(momentum).init()),
            ("Adadelta", AdadeltaConfig::new().init()),
            ("Nadam", NadamConfig::new().init()),
            ("Amsgrad", AmsgradConfig::new().init()),
        ] {
            let mut optimizer = optimizer.expect("a configuration in range");
            let autodiff = device.clone().autodiff();
            let normal = Distribution::Normal(0.0, 0.1);
            let mut model = Model {
                weight: Param::from_tensor(Tensor::random([SIDE, SIDE], normal, &autodiff)),
                bias: Param::from_tensor(Tensor::random([SIDE], normal, &autodiff)),
            };
            for step in 0..4 {
                let mut gradients = GradientsParams::new();
                gradients.register(model.weight.id, model.weight.val().inner().mul_scalar(0.01));
                gradients.register(model.bias.id, model.bias.val().inner().mul_scalar(0.01));
                let old = model.clone();
                let held = HELD.load(Relaxed);
                PEAK.store(held, Relaxed);
                model = optimizer.step(1e-3, model, gradients);
                let more = PEAK.load(Relaxed).saturating_sub(held);
                match step {
                    // The first step makes the state.
                    0 => assert!(name == "Sgd" || more > 50 * SMALL, "{name} on {backend}: only {more} bytes of state"),
                    _ => assert!(more < SMALL, "{name} on {backend}, step {step}: {more} bytes more"),
                }
                drop(old);
            }
        }
    }
}
