//! The norm of the gradients as a metric of Burn's.

use burn::tensor::{Tensor, TensorReadError};
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry, SerializedEntry,
};
use std::sync::Arc;

/// Shows and logs the norm of the gradients of each training step, and its mean over an epoch, as `Gradient norm`.
///
/// What a step puts out has to carry the norm, which [`GradientUpdate::with_gradient_observer`] gives it, and to hand it
/// on as Burn's `Adaptor<GradientNormInput>`:
///
/// ```
/// use burn::tensor::Tensor;
/// use burn::train::metric::Adaptor;
/// use burn_descent::gradient::global_norm;
/// use burn_descent::train::{GradientNormInput, GradientUpdate};
/// # use burn_descent::optim::NadamConfig;
///
/// /// What a training step of a model of yours puts out.
/// struct Trained {
///     loss: Tensor<1>,
///     gradient_norm: Option<Tensor<1>>,
/// }
///
/// impl Adaptor<GradientNormInput> for Trained {
///     fn adapt(&self) -> GradientNormInput {
///         GradientNormInput::new(self.gradient_norm.clone())
///     }
/// }
///
/// # fn update<M>() -> Result<GradientUpdate<M>, burn_descent::ConfigError>
/// # where M: burn::train::LearnerModel + burn::train::TrainStep<Output = Trained> {
/// let update = GradientUpdate::new(NadamConfig::new().init()?).with_gradient_observer(
///     |model, gradients, trained: &mut Trained| trained.gradient_norm = global_norm(model, gradients),
/// );
/// # Ok(update)
/// # }
/// ```
///
/// and then `supervised.metric_train_numeric(GradientNormMetric::new())` in [`Engine::train`].
///
/// [`GradientUpdate::with_gradient_observer`]: super::GradientUpdate::with_gradient_observer
/// [`Engine::train`]: super::Engine::train
#[derive(Clone)]
pub struct GradientNormMetric {
    name: MetricName,
    state: NumericMetricState,
    is_known: bool,
}

/// Holds the norm of a step's gradients, for [`GradientNormMetric`].
pub struct GradientNormInput(Option<Tensor<1>>);

impl GradientNormInput {
    /// Creates the input of a step whose gradients have this norm, a tensor of one value; none where it is not known,
    /// which the metric leaves out.
    pub fn new(norm: impl Into<Option<Tensor<1>>>) -> Self {
        Self(norm.into())
    }
}

impl GradientNormMetric {
    /// Gives the metric's name.
    pub const NAME: &'static str = "Gradient norm";

    /// Creates the metric.
    pub fn new() -> Self {
        Self { name: Arc::new(Self::NAME.to_owned()), state: NumericMetricState::new(), is_known: false }
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name()).precision(3)
    }
}

impl Default for GradientNormMetric {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for GradientNormMetric {
    type Input = GradientNormInput;

    fn update(
        &mut self,
        input: &GradientNormInput,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.is_known = input.0.is_some();
        let Some(norm) = &input.0 else { return Ok(SerializedEntry::not_available(None)) };
        self.state.update(norm.clone().try_into_scalar::<f64>()?, 1);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: false }.into()
    }
}

impl Numeric for GradientNormMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.is_known.then(|| self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.is_known.then(|| self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::data::dataloader::Progress;
    use burn::tensor::Device;

    /// The mean over the steps whose norm is known.
    #[test]
    fn a_step_without_a_norm_is_left_out() {
        let mut metric = GradientNormMetric::new();
        let progress = Progress { items_processed: 1, items_total: 1, unit: None };
        let metadata = MetricMetadata { progress, iteration: None, lr: None };
        let mut shown = |norm: Option<f32>| {
            let norm = norm.map(|norm| Tensor::<1>::from_data([norm], &Device::flex()));
            let entry = metric.update(&GradientNormInput::new(norm), &metadata).expect("it can be read");
            (entry.is_not_available(), metric.value().is_some())
        };
        assert_eq!([Some(3.0), None, Some(5.0)].map(&mut shown), [(false, true), (true, false), (false, true)]);
        metric.compute().expect("it can be read");
        assert_eq!(metric.final_value().current(), 4.0);
        assert_eq!(*metric.name(), "Gradient norm");
        metric.clear();
        assert!(metric.final_value().current().is_nan());
    }
}
