use super::norm::non_finite;
use super::{EachGradient, Parameter, for_each_shared_gradient};
use crate::kernel::{self, NonFiniteCount};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Fails where too many steps in a row had gradients with NaN or infinity in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the gradient of `{parameter}` is not finite; that makes {steps} such steps in a row, more than the {allowed} allowed"
)]
pub struct NonFiniteGradients {
    /// Names the first parameter with such a gradient in the last step, by its path in the module.
    pub parameter: String,
    /// Gives the number of such steps in a row.
    pub steps: u64,
    /// Gives the number of steps in a row that may be skipped.
    pub allowed: u64,
}

/// Counts the steps that a [`Chain`](super::Chain) has skipped because their gradients were not finite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skips {
    /// Gives the number of all skipped steps.
    pub total: u64,
    /// Gives the number of skipped steps in a row, until now.
    pub consecutive: u64,
    /// Names the first parameter at fault at the last skipped step, by its path in the module, such as
    /// `network.layers.0.weight`.
    pub parameter: Option<String>,
}

/// Lets gradients through if all of them are finite.
#[derive(Debug)]
pub(super) struct ApplyIfFinite {
    allowed: u64,
    pub(super) skips: Skips,
}

impl ApplyIfFinite {
    pub(super) fn new(allowed: u64) -> Self {
        Self { allowed, skips: Skips::default() }
    }

    /// `None` if the step is to be skipped. Waits for the device once, for the answer.
    pub(super) fn apply<M: Module>(
        &mut self,
        module: &M,
        gradients: GradientsParams,
    ) -> Result<Option<GradientsParams>, NonFiniteGradients> {
        let bad = non_finite(module, &gradients).is_some_and(|count| count.into_scalar::<f64>() > 0.0);
        if !bad {
            self.skips.consecutive = 0;
            return Ok(Some(gradients));
        }
        let mut first = FirstNonFinite(None);
        for_each_shared_gradient(module, &gradients, &mut first);
        self.skips.total += 1;
        self.skips.consecutive += 1;
        self.skips.parameter = first.0;
        if self.skips.consecutive > self.allowed {
            let parameter = self.skips.parameter.clone().unwrap_or_default();
            return Err(NonFiniteGradients { parameter, steps: self.skips.consecutive, allowed: self.allowed });
        }
        Ok(None)
    }
}

/// The path of the first parameter whose gradient is not finite.
struct FirstNonFinite(Option<String>);

impl EachGradient for FirstNonFinite {
    fn each<const D: usize>(&mut self, parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        if self.0.is_none() && kernel::reduce::<NonFiniteCount, D>(&gradient).into_scalar::<f64>() > 0.0 {
            self.0 = Some(parameter.path());
        }
        None
    }
}
