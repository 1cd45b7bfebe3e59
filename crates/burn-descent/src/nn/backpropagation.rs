//! Shows backpropagation by hand: what automatic differentiation does for the networks here, written out (coverage J3).
//!
//! # The recursion of errors
//!
//! A network takes `x₀` through its layers, `hₙ = Wₙ·xₙ₋₁` and `xₙ = gₙ(hₙ)`, to its answer `p = x_L`. For the loss
//! `L = ½·‖y − p‖²` the error of the last layer, and that of each one before it, are
//!
//! ```text
//! e_L = g_L′(h_L) ⊙ (p − y)
//! eₙ  = gₙ′(hₙ) ⊙ (Wₙ₊₁ᵀ·eₙ₊₁)          (Deep-Learning Do-It-Yourself)
//! ∂L/∂Wₙ[a, b] = eₙ[a]·xₙ₋₁[b]
//! ```
//!
//! so that all gradients cost one pass forward, which keeps the x and h, and one backward. Here the batch is a matrix
//! with one example in each row, and a weight is kept as Burn's `Linear` keeps it, `[inputs, outputs]`: `h = x·W`, the
//! errors go back by `e·Wᵀ`, and a sum over the batch comes with the product `xᵀ·e`.
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//!
//! let device = Device::default().autodiff();
//! device.seed(1);
//! let normal = Distribution::Normal(0.0, 0.7);
//! let [w1, w2, w3] = [[4, 5], [5, 3], [3, 2]].map(|shape| Tensor::<2>::random(shape, normal, &device).require_grad());
//! let x0 = Tensor::<2>::random([8, 4], normal, &device);
//! let y = Tensor::<2>::random([8, 2], normal, &device);
//!
//! // Forward. Every activation is the hyperbolic tangent, whose derivative is 1 − tanh².
//! let x1 = x0.clone().matmul(w1.clone()).tanh();
//! let x2 = x1.clone().matmul(w2.clone()).tanh();
//! let p = x2.clone().matmul(w3.clone()).tanh();
//! let loss = (y.clone() - p.clone()).square().sum() * 0.5;
//!
//! // Backward, by hand.
//! let slope = |x: &Tensor<2>| -x.clone().square() + 1.0;
//! let e3 = slope(&p) * (p - y);
//! let e2 = slope(&x2) * e3.clone().matmul(w3.clone().transpose());
//! let e1 = slope(&x1) * e2.clone().matmul(w2.clone().transpose());
//! let by_hand = [x0.transpose().matmul(e1), x1.transpose().matmul(e2), x2.transpose().matmul(e3)];
//!
//! // Backward, by Burn.
//! let gradients = loss.backward();
//! for (w, by_hand) in [w1, w2, w3].iter().zip(by_hand) {
//!     let by_burn = w.grad(&gradients).expect("the weight has a gradient");
//!     let gap = (by_hand.inner() - by_burn).abs().max().into_scalar::<f32>();
//!     assert!(gap < 1e-5, "{gap}");
//! }
//! ```
//!
//! # Batch normalization
//!
//! Each unit's values over a batch of m become `x̂ = (x − μ)/√(σ² + ε)` and `y = γ·x̂ + β`, with the batch's own μ and
//! σ². An example moves the others' answers through both, which the gradient has to follow (Kao):
//!
//! ```text
//! ∂ℓ/∂β  = Σ ∂ℓ/∂y
//! ∂ℓ/∂γ  = Σ ∂ℓ/∂y · x̂
//! ∂ℓ/∂x̂  = γ · ∂ℓ/∂y
//! ∂ℓ/∂σ² = −½·(σ² + ε)^(−3/2) · Σ (x − μ)·∂ℓ/∂x̂
//! ∂ℓ/∂μ  = −1/√(σ² + ε) · Σ ∂ℓ/∂x̂  −  2/m·Σ (x − μ) · ∂ℓ/∂σ²          (the second sum is 0)
//! ∂ℓ/∂x  = 1/√(σ² + ε) · ∂ℓ/∂x̂  +  2·(x − μ)/m · ∂ℓ/∂σ²  +  1/m · ∂ℓ/∂μ
//! ```
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//!
//! const EPSILON: f64 = 1e-5;
//! let device = Device::default().autodiff();
//! device.seed(1);
//! let normal = Distribution::Normal(1.0, 2.0);
//! let x = Tensor::<2>::random([16, 3], normal, &device).require_grad();
//! let gamma = Tensor::<2>::random([1, 3], normal, &device).require_grad();
//! let beta = Tensor::<2>::random([1, 3], normal, &device).require_grad();
//! let weights = Tensor::<2>::random([16, 3], normal, &device); // something for a loss to hold on to
//!
//! // Forward; `mean_dim(0)` and `sum_dim(0)` go over the batch.
//! let m = 16.0;
//! let mu = x.clone().mean_dim(0);
//! let centered = x.clone() - mu;
//! let variance = centered.clone().square().mean_dim(0);
//! let deviation = (variance + EPSILON).sqrt();
//! let x_hat = centered.clone() / deviation.clone();
//! let y = x_hat.clone() * gamma.clone() + beta.clone();
//! let loss = (y * weights.clone()).sum();
//!
//! // Backward, by hand, from ∂ℓ/∂y, which are the weights of this loss.
//! let dy = weights;
//! let d_beta = dy.clone().sum_dim(0);
//! let d_gamma = (dy.clone() * x_hat).sum_dim(0);
//! let d_x_hat = dy * gamma.clone();
//! let d_variance = (centered.clone() * d_x_hat.clone()).sum_dim(0) * -0.5 / deviation.clone().powi_scalar(3);
//! let d_mu = -d_x_hat.clone().sum_dim(0) / deviation.clone();
//! let d_x = d_x_hat / deviation + centered * d_variance * (2.0 / m) + d_mu / m;
//!
//! // Backward, by Burn.
//! let gradients = loss.backward();
//! for (parameter, by_hand) in [(x, d_x), (gamma, d_gamma), (beta, d_beta)] {
//!     let by_burn = parameter.grad(&gradients).expect("a gradient");
//!     let gap = (by_hand.inner() - by_burn).abs().max().into_scalar::<f32>();
//!     assert!(gap < 1e-5, "{gap}");
//! }
//! ```
//!
//! The repository's test `tests/suite/backpropagation.rs` holds both to 1e-10 in `f64`, and with them the `Mlp` of
//! `burn-descent-lab` and Burn's batch normalization.
