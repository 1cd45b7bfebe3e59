use super::Hyperparameters;
use std::sync::Arc;

/// Holds the values that some hyperparameters have at each step of a run.
///
/// [`Variation::all`](crate::schedule::Variation::all) makes it of schedules.
#[derive(Clone, Debug, Default)]
pub struct Variations(Arc<Values>);

#[derive(Debug, Default)]
struct Values {
    /// The names of the numbers, as [`Hyperparameters`] knows them.
    names: Vec<String>,
    /// The value of each at each step.
    steps: Vec<Vec<f64>>,
}

impl Variations {
    /// Gives the numbers of these `names` the values of `steps`: for each step (from 1) one for each name.
    pub(crate) fn new(names: Vec<String>, steps: Vec<Vec<f64>>) -> Self {
        Self(Arc::new(Values { names, steps }))
    }

    /// Returns the number of steps; 0 if nothing varies.
    pub fn steps(&self) -> u64 {
        if self.0.names.is_empty() { 0 } else { self.0.steps.len() as u64 }
    }

    /// Sets the numbers of `config` to their values at `step`, from 1 to [`steps`](Self::steps): those whose names
    /// begin with `prefix`, by the rest of the name. What `config` does not have stays out.
    pub(crate) fn apply(&self, prefix: &str, config: &mut impl Hyperparameters, step: u64) {
        let values = step.checked_sub(1).and_then(|index| self.0.steps.get(index as usize));
        for (name, value) in self.0.names.iter().zip(values.into_iter().flatten()) {
            if let Some(number) = name.strip_prefix(prefix).and_then(|name| config.number_mut(name)) {
                *number = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::NadamConfig;

    #[test]
    fn variations_set_their_numbers_and_no_others() {
        let names = ["beta_1", "epsilon.outside", "epsilon.inside"].map(str::to_owned).to_vec();
        let variations = Variations::new(names, vec![vec![0.5, 1e-3, 7.0], vec![0.6, 1e-4, 7.0]]);
        assert_eq!((variations.steps(), Variations::default().steps()), (2, 0));
        let mut config = NadamConfig::new();
        variations.apply("", &mut config, 2);
        assert_eq!((config.beta_1, config.number_mut("epsilon.outside").copied()), (0.6, Some(1e-4)));
        assert_eq!(config.beta_2, NadamConfig::new().beta_2);
        let before = format!("{config:?}");
        variations.apply("", &mut config, 0);
        variations.apply("", &mut config, 3);
        variations.apply("noise.", &mut config, 1);
        assert_eq!(format!("{config:?}"), before, "no such step, no such prefix");
    }
}
