use crate::error::ConfigError;
use std::fmt;
use std::sync::Arc;

/// Sets what differs at a step.
type Change<C> = dyn Fn(&mut C, u64) + Send + Sync;

/// Hyperparameters that may change from step to step.
#[derive(Clone)]
pub(crate) struct Varying<C> {
    config: C,
    steps: u64,
    change: Option<Arc<Change<C>>>,
}

impl<C: Clone> Varying<C> {
    /// The hyperparameters of `config`, at every step.
    pub(crate) fn constant(config: C) -> Self {
        Self { config, steps: 0, change: None }
    }

    /// Those that `change` makes of the configured ones at steps 1 to `steps`, checked for each; the last of them after
    /// that.
    pub(crate) fn over(
        self,
        steps: u64,
        change: impl Fn(&mut C, u64) + Send + Sync + 'static,
        check: impl Fn(&C) -> Result<(), ConfigError>,
    ) -> Result<Self, ConfigError> {
        let varying = Self { steps, change: Some(Arc::new(change)), ..self };
        (1..=steps).try_for_each(|step| check(&varying.at(step)))?;
        Ok(varying)
    }

    /// Those of step `time`.
    pub(crate) fn at(&self, time: u64) -> C {
        let mut config = self.config.clone();
        if let Some(change) = self.change.as_ref().filter(|_| self.steps > 0) {
            change(&mut config, time.min(self.steps));
        }
        config
    }
}

impl<C: fmt::Debug> fmt::Debug for Varying<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps {
            0 => self.config.fmt(f),
            steps => f.debug_struct("Varying").field("config", &self.config).field("steps", &steps).finish(),
        }
    }
}
