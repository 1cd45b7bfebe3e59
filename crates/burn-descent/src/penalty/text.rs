//! Reads penalties from text: `lasso=1e-4@weight`.

use super::{Norm, Penalty, PenaltyForm};
use crate::gradient::OutputAxis;
use burn::module::ParamGroup;
use std::str::FromStr;

/// Fails where a text is no penalty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected KIND=STRENGTH or KIND=STRENGTH@PART-OF-PATH with a kind of {}, or tie=STRENGTH@PATH~PATH, but is {text}",
    kinds()
)]
pub struct PenaltyTextError {
    /// Gives the text.
    pub text: String,
}

const KINDS: [(&str, Norm, PenaltyForm); 6] = [
    ("l2", Norm::Squared, PenaltyForm::Coupled),
    ("l2-decoupled", Norm::Squared, PenaltyForm::Decoupled),
    ("frobenius", Norm::Euclidean, PenaltyForm::Coupled),
    ("frobenius-decoupled", Norm::Euclidean, PenaltyForm::Decoupled),
    ("l1", Norm::Absolute, PenaltyForm::Coupled),
    ("lasso", Norm::Absolute, PenaltyForm::Decoupled),
];
const MAX_NORM: &str = "max-norm";

fn kinds() -> String {
    KINDS.map(|(name, ..)| name).into_iter().chain([MAX_NORM]).collect::<Vec<_>>().join(", ")
}

const TIE: &str = "tie";

/// Reads `tie=0.1@first.weight~second.weight`; `l2=1e-4`, `lasso=1e-4@weight`, `max-norm=3@hidden`: on the parameters with this in their path, or on all.
impl FromStr for Penalty {
    type Err = PenaltyTextError;

    fn from_str(text: &str) -> Result<Self, PenaltyTextError> {
        let misfit = || PenaltyTextError { text: text.to_owned() };
        let (kind, rest) = text.split_once('=').ok_or_else(misfit)?;
        if kind == TIE {
            let (strength, paths) = rest.split_once('@').ok_or_else(misfit)?;
            let (first, second) = paths.split_once('~').ok_or_else(misfit)?;
            let strength = strength.parse().map_err(|_| misfit())?;
            let (first, second) = (first.to_owned(), second.to_owned());
            return Ok(Self::Tie { norm: Norm::Euclidean, strength, first, second });
        }
        let (number, group) = match rest.split_once('@') {
            Some((number, part)) => (number, ParamGroup::from_predicate(part)),
            None => (rest, ParamGroup::all()),
        };
        let number = number.parse().map_err(|_| misfit())?;
        if kind == MAX_NORM {
            return Ok(Self::MaxNorm { limit: number, outputs: OutputAxis::Burn, group });
        }
        let (_, norm, form) = *KINDS.iter().find(|(name, ..)| *name == kind).ok_or_else(misfit)?;
        Ok(Self::Parameters { norm, strength: number, form, group })
    }
}
