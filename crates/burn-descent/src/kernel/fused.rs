//! A rule as one pass over raw buffers: every value is read once and written once, whatever the rule.

use super::backend::Operation;
use super::buffer::Buffer;
use super::lanes::{Element, Lanes};
use super::{AnyRank, Step};
use crate::rule::{DecayStep, Rule};
use pulp::{Arch, Simd, WithSimd};
use std::mem::size_of;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A step, with the tensors that it takes on.
pub(super) struct FusedStep<'a, R: Rule<N>, const N: usize> {
    pub(super) step: &'a Step<R, N>,
    pub(super) theta: AnyRank,
    pub(super) grad: AnyRank,
    pub(super) state: [Option<AnyRank>; N],
}

impl<R: Rule<N>, const N: usize> Operation for FusedStep<'_, R, N> {
    type Output = (AnyRank, [Option<AnyRank>; N]);

    fn run<B: Buffer<E>, E: Element>(self) -> Self::Output {
        let state = self.state.map(|tensor| tensor.map(B::from_tensor));
        let (theta, state) = run(self.step, B::from_tensor(self.theta), B::from_tensor(self.grad), state);
        (theta.into_tensor(), state.map(|tensor| tensor.map(B::into_tensor)))
    }
}

/// Takes a parameter and its state one step on.
///
/// The state is updated in place. So is the parameter, unless another tensor shares its values (Burn's `Learner`
/// keeps a clone of the model during the step): then the result goes into the gradient's buffer, which nobody needs
/// any more, or into a new one if that is shared too. Either way there is no copy.
fn run<B: Buffer<E>, E: Element, R: Rule<N>, const N: usize>(
    step: &Step<R, N>,
    theta: B,
    grad: B,
    state: [Option<B>; N],
) -> (B, [Option<B>; N]) {
    let (mut theta, mut grad) = (theta.contiguous(), grad.contiguous());
    let mut state = state.map(|tensor| tensor.map(B::contiguous));
    let shape = theta.shape();
    let len = shape.num_elements();
    let mut fresh = Vec::new();
    // A buffer that is written is read through the same pointer: a shared one, taken later, would end the right to write.
    let (target, out, theta_values, grad_values) = if let Some(out) = theta.unique_pointer() {
        (Target::Theta, out, out.cast_const(), grad.pointer())
    } else if let Some(out) = grad.unique_pointer() {
        (Target::Gradient, out, theta.pointer(), out.cast_const())
    } else {
        fresh.reserve_exact(len);
        (Target::Fresh, fresh.as_mut_ptr(), theta.pointer(), grad.pointer())
    };
    let pass = Pass {
        step,
        theta: theta_values,
        grad: grad_values,
        out,
        state: state.each_mut().map(|tensor| tensor.as_mut().map(B::owned_pointer)),
        len,
    };
    // SAFETY: every pointer is valid for `len` values: the tensors are contiguous and of one shape (checked by the
    // caller), `fresh` has that capacity. Written buffers are unique; `out` equals `theta` or `grad` or neither.
    unsafe { pass.run_on_threads() };
    let theta = match target {
        Target::Theta => theta,
        Target::Gradient => grad,
        Target::Fresh => {
            // SAFETY: the pass has written all `len` values.
            unsafe { fresh.set_len(len) };
            B::from_vec(fresh, shape)
        }
    };
    (theta, state)
}

/// Where the next parameter values go.
enum Target {
    Theta,
    Gradient,
    Fresh,
}

struct Pass<'a, E, R: Rule<N>, const N: usize> {
    step: &'a Step<R, N>,
    theta: *const E,
    grad: *const E,
    out: *mut E,
    state: [Option<*mut E>; N],
    len: usize,
}

// SAFETY: a pass owns the right to its range of the buffers; passes that run at the same time have disjoint ranges.
unsafe impl<E: Element, R: Rule<N>, const N: usize> Send for Pass<'_, E, R, N> {}
unsafe impl<E: Element, R: Rule<N>, const N: usize> Sync for Pass<'_, E, R, N> {}

/// Threads take blocks of values one after the other, so that one that starts late, or that loses its processor for a
/// while, does not keep the others waiting: some blocks a thread, of no fewer values than pay for the taking, and no
/// more than some pages of each buffer.
fn block(len: usize) -> usize {
    const BLOCKS_A_THREAD: usize = 8;
    let share = len / (BLOCKS_A_THREAD * rayon::current_num_threads().max(1));
    share.clamp(4 * 1024, 32 * 1024).next_multiple_of(1024)
}

impl<E: Element, R: Rule<N>, const N: usize> Pass<'_, E, R, N> {
    /// # Safety
    ///
    /// Every pointer must be valid for `len` values, `out` and the state for writing; the state must overlap nothing,
    /// and `out` nothing but the very values that it replaces.
    unsafe fn run_on_threads(self) {
        let block = block(self.len);
        let threads = self.len.div_ceil(block).min(rayon::current_num_threads());
        if threads < 2 {
            return Arch::new().dispatch(self);
        }
        let next = AtomicUsize::new(0);
        let take_blocks = || {
            loop {
                let start = next.fetch_add(1, Ordering::Relaxed) * block;
                if start >= self.len {
                    break;
                }
                // SAFETY: `start` and the block's end are within the buffers, and nobody else takes this block.
                Arch::new().dispatch(unsafe { self.piece(start, block.min(self.len - start)) });
            }
        };
        // This thread works too: the others may take a while to wake up.
        rayon::in_place_scope(|scope| {
            (1..threads).for_each(|_| scope.spawn(|_| take_blocks()));
            take_blocks();
        });
    }

    unsafe fn piece(&self, start: usize, len: usize) -> Self {
        // SAFETY: the caller keeps `start` within the buffers.
        unsafe {
            Self {
                step: self.step,
                theta: self.theta.add(start),
                grad: self.grad.add(start),
                out: self.out.add(start),
                state: self.state.map(|pointer| pointer.map(|pointer| pointer.add(start))),
                len,
            }
        }
    }
}

/// Asks for the values some cache lines on. A pass reads up to six buffers at once, and the processor's own prefetching
/// stops at the end of each page: without this, a pass over much memory takes a quarter longer.
#[inline(always)]
fn prefetch<E>(pointer: *const E) {
    const BYTES_AHEAD: usize = 2048;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes no values, and of an address outside the buffer it reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(pointer.cast::<i8>().wrapping_add(BYTES_AHEAD));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = pointer.wrapping_byte_add(BYTES_AHEAD);
}

/// What the loop over the values works with: copies on the stack, which no store can change, so that the compiler keeps
/// pointers and coefficients in registers.
struct Loop<R: Rule<N>, E, const N: usize> {
    rule: R,
    coefficients: R::Coefficients,
    decay: DecayStep,
    theta: *const E,
    grad: *const E,
    out: *mut E,
    state: [Option<*mut E>; N],
}

impl<E: Element, R: Rule<N>, const N: usize> Loop<R, E, N> {
    /// Updates the values of one register, from `index` on.
    ///
    /// Everything in here must be inlined into the function that is compiled for the processor's registers. A closure
    /// is not, and neither is what `array::map` calls: hence the loops.
    #[inline(always)]
    unsafe fn update<S: Simd>(&self, simd: S, index: usize) {
        // SAFETY: the caller keeps the register's values within the buffers.
        unsafe {
            let mut state = [Lanes::<S, E>::splat(simd, 0.0); N];
            prefetch(self.theta.wrapping_add(index));
            prefetch(self.grad.wrapping_add(index));
            for (value, pointer) in state.iter_mut().zip(&self.state) {
                if let Some(pointer) = pointer {
                    prefetch(pointer.wrapping_add(index));
                    *value = Lanes::load(simd, pointer.add(index));
                }
            }
            let (theta, grad) = (Lanes::load(simd, self.theta.add(index)), Lanes::load(simd, self.grad.add(index)));
            let (start, grad) = self.decay.before(theta, grad);
            let (next, state) = self.rule.update(&self.coefficients, start, grad, state);
            self.decay.after(theta, next).store(self.out.add(index));
            for (value, pointer) in state.iter().zip(&self.state) {
                if let Some(pointer) = pointer {
                    value.store(pointer.add(index));
                }
            }
        }
    }
}

impl<E: Element, R: Rule<N>, const N: usize> WithSimd for Pass<'_, E, R, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = size_of::<E::Register<S>>() / size_of::<E>();
        let full = self.len - self.len % lanes;
        let each = Loop {
            rule: self.step.rule.clone(),
            coefficients: self.step.coefficients,
            decay: self.step.decay,
            theta: self.theta,
            grad: self.grad,
            out: self.out,
            state: self.state,
        };
        // SAFETY: whoever made the pass vouches for `len` values in every buffer.
        unsafe {
            let mut index = 0;
            while index < full {
                each.update(simd, index);
                index += lanes;
            }
            while index < self.len {
                each.update(pulp::Scalar, index);
                index += 1;
            }
        }
    }
}
