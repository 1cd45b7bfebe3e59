#![allow(deprecated)]
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::*;
use burn_descent::model::*;
use std::time::Instant;
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    for (name, device) in [("flex", Device::flex()), ("ndarray", Device::ndarray())] {
        let device = device.autodiff();
        for batch in [64usize] {
            for (label, config) in [
                ("default", CnnConfig::new()),
                ("5-5-3", CnnConfig::new().with_kernels(vec![5, 5, 3])),
                ("pt", CnnConfig::new().with_channels(vec![32, 64]).with_kernels(vec![3, 3]).with_strides(vec![1, 1])),
            ] {
                if label == "pt" && batch == 128 {
                    continue;
                }
                let mut model = config.init([1, 28, 28], 10, &device).unwrap();
                let mut optim = burn_descent::optim::NadamConfig::new().init().unwrap();
                let x = Tensor::<4>::random([batch, 1, 28, 28], Distribution::Default, &device);
                let y = Tensor::<1, Int>::zeros([batch], &device);
                if only.len() == 2 && (only[0] != name || only[1] != label) {
                    continue;
                }
                let mut times = vec![];
                let c0 = cpu();
                let (mut f, mut b, mut s) = (0.0, 0.0, 0.0);
                let n = if label == "pt" { 4 } else { 100 };
                for _ in 0..n {
                    let t = Instant::now();
                    let loss = cross_entropy(model.forward(x.clone()), y.clone(), LabelSmoothing::None);
                    f += t.elapsed().as_secs_f64();
                    let t1 = Instant::now();
                    let g = GradientsParams::from_grads(loss.backward(), &model);
                    b += t1.elapsed().as_secs_f64();
                    let t1 = Instant::now();
                    model = optim.step(0.001, model.clone(), g);
                    s += t1.elapsed().as_secs_f64();
                    times.push(t.elapsed().as_secs_f64());
                }
                let c = cpu() - c0;
                times.sort_by(f64::total_cmp);
                let m = times[times.len() / 2];
                println!(
                    "{name} {label} batch {batch}: {:.2} ms, {:.0} images/s  (fwd {:.2} bwd {:.2} step {:.2}) params {} cpu/image {:.0} us",
                    m * 1e3,
                    batch as f64 / m,
                    f * 1e3 / n as f64,
                    b * 1e3 / n as f64,
                    s * 1e3 / n as f64,
                    model.num_params(),
                    c * 1e6 / (n * batch) as f64
                );
            }
        }
    }
}
