use super::{Plateau, RunLength, Schedule};
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};

/// Runs a [`Schedule`] as a Burn scheduler. Its record holds the step and the state of a plateau, and restores both
/// exactly.
///
/// Clones count their steps on their own, but share the [`Plateau`].
#[derive(Clone, Debug)]
pub struct ScheduledLearningRate {
    schedule: Schedule,
    lr: f64,
    length: RunLength,
    step: u64,
    plateau: Option<Plateau>,
}

impl ScheduledLearningRate {
    pub(super) fn new(schedule: Schedule, lr: f64, length: RunLength) -> Self {
        let plateau = schedule.plateau().map(Plateau::new);
        Self { schedule, lr, length, step: 0, plateau }
    }

    /// Returns the handle to feed validation losses to, if the schedule reduces on plateau.
    pub fn plateau(&self) -> Option<Plateau> {
        self.plateau.clone()
    }
}

impl LrScheduler for ScheduledLearningRate {
    fn step(&mut self) -> f64 {
        let factor = self.schedule.factor(self.step, self.length);
        self.step += 1;
        self.lr * factor * self.plateau.as_ref().map_or(1.0, Plateau::factor)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        let record = LrSchedulerRecord::new().with_scalar("step", self.step);
        match &self.plateau {
            Some(plateau) => record.with_record("plateau", plateau.to_record()),
            None => record,
        }
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let Some(step) = record.scalar("step") {
            self.step = step;
        }
        if let Some(plateau) = &self.plateau {
            plateau.load_record(&record.record("plateau"));
        }
    }
}
