//! Draws examples once, before the first epoch.

use super::{BOOTSTRAP, PART, SampleError, generator};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Draws as many positions as there are examples, with replacement: a data set for one of the networks that bagging
/// averages (bootstrap aggregating, Kao). About 1 − 1/e = 63.2 % of the examples are in it.
///
/// ```
/// let positions = burn_descent::sample::bootstrap(1000, 7)?;
/// let distinct: std::collections::BTreeSet<_> = positions.iter().collect();
/// assert_eq!(positions.len(), 1000);
/// assert!((600..660).contains(&distinct.len()));
/// # Ok::<(), burn_descent::sample::SampleError>(())
/// ```
///
/// # Errors
///
/// Returns [`SampleError::Empty`] where there are no examples.
pub fn bootstrap(examples: usize, seed: u64) -> Result<Vec<usize>, SampleError> {
    if examples == 0 {
        return Err(SampleError::Empty);
    }
    let mut rng = generator(seed, 0, BOOTSTRAP);
    Ok((0..examples).map(|_| rng.random_range(0..examples)).collect())
}

/// Divides the positions of `labels` in two, at random: `part` of them, in which each class has the share that it has
/// in all, and the rest.
///
/// Of n labels, n_c of them of class c, the part has `⌊n_c·part/n⌋` of that class, and one more for the classes with
/// the largest remainders (of equals, the lower class), so that it has exactly `part`. Both halves are in random order.
///
/// ```
/// use burn_descent::sample::stratified;
///
/// let labels = ["cat", "dog", "cat", "dog", "cat", "cat"];
/// let [part, rest] = stratified(&labels, 3, 1)?;
/// let cats = |positions: &[usize]| positions.iter().filter(|&&position| labels[position] == "cat").count();
/// assert_eq!((cats(&part), cats(&rest)), (2, 2));
/// # Ok::<(), burn_descent::sample::SampleError>(())
/// ```
///
/// # Errors
///
/// Returns [`SampleError::Empty`] without labels, and [`SampleError::Part`] where `part` is more than there are.
pub fn stratified<L: Ord>(labels: &[L], part: usize, seed: u64) -> Result<[Vec<usize>; 2], SampleError> {
    let examples = labels.len();
    if examples == 0 {
        return Err(SampleError::Empty);
    }
    if part > examples {
        return Err(SampleError::Part { part, examples });
    }
    let mut counts = BTreeMap::<&L, usize>::new();
    labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
    // Of each class: its quota, and the remainder of the division.
    let divide = |count: usize| {
        let (product, whole) = (count as u128 * part as u128, examples as u128);
        ((product / whole) as usize, product % whole)
    };
    let mut quotas: BTreeMap<&L, (usize, u128)> =
        counts.into_iter().map(|(label, count)| (label, divide(count))).collect();
    let missing = part - quotas.values().map(|(quota, _)| quota).sum::<usize>();
    let mut by_remainder: Vec<_> = quotas.values_mut().collect();
    by_remainder.sort_by_key(|(_, remainder)| Reverse(*remainder));
    by_remainder.into_iter().take(missing).for_each(|(quota, _)| *quota += 1);

    let mut positions: Vec<usize> = (0..examples).collect();
    positions.shuffle(&mut generator(seed, 0, PART));
    let (part, rest) = positions.into_iter().partition(|&position| {
        let quota = quotas.get_mut(&labels[position]).filter(|(quota, _)| *quota > 0);
        quota.map(|(quota, _)| *quota -= 1).is_some()
    });
    Ok([part, rest])
}
