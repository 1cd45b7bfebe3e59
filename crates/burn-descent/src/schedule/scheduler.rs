use super::{Plateau, RunLength, Schedule};
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};

/// Runs a [`Schedule`] as a Burn scheduler: each call of `step`, of Burn's trait
/// [`LrScheduler`](burn::lr_scheduler::LrScheduler), gives the rate of one batch. Call it once a batch, also where several
/// batches make one step of the optimizer: then the rate of the last of them counts.
///
/// Its record holds the step and the state of a plateau, and restores both exactly. It does not say of which schedule it is,
/// and Burn's `load_record` cannot refuse one: another schedule goes on at the record's step, and a record without a `step`
/// leaves this one where it is.
///
/// Clones count their steps on their own, but share the [`Plateau`].
#[derive(Clone, Debug)]
pub struct ScheduledLearningRate {
    schedule: Schedule,
    lr: f64,
    length: RunLength,
    /// The steps that are over; not called `step`, which rustc would take for the method of a trait that is not imported.
    taken: u64,
    plateau: Option<Plateau>,
}

impl ScheduledLearningRate {
    pub(super) fn new(schedule: Schedule, lr: f64, length: RunLength) -> Self {
        let plateau = schedule.plateau().map(Plateau::new);
        Self { schedule, lr, length, taken: 0, plateau }
    }

    /// Returns the handle to feed validation losses to, if the schedule reduces on plateau.
    pub fn plateau(&self) -> Option<Plateau> {
        self.plateau.clone()
    }
}

impl LrScheduler for ScheduledLearningRate {
    fn step(&mut self) -> f64 {
        let factor = self.schedule.factor(self.taken, self.length);
        self.taken += 1;
        self.lr * factor * self.plateau.as_ref().map_or(1.0, Plateau::factor)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        let record = LrSchedulerRecord::new().with_scalar("step", self.taken);
        match &self.plateau {
            Some(plateau) => record.with_record("plateau", plateau.to_record()),
            None => record,
        }
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let Some(step) = record.scalar("step") {
            self.taken = step;
        }
        if let Some(plateau) = &self.plateau {
            plateau.load_record(&record.record("plateau"));
        }
    }
}
